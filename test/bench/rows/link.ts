// The link without what stands at its ends: uplink → mutual TLS → ingest, in two processes.
import { ForeignLoad } from '../measure/foreign-load.ts';
import { type Row, row } from '../measure/row.ts';
import type { LinkReceiverAnswer, LinkReceiverArguments } from '../programs/link-receiver.ts';
import type { LinkSenderAnswer, LinkSenderArguments } from '../programs/link-sender.ts';
import { runProgram } from '../programs/run-program.ts';
import { type Stage, stageSite } from '../stage.ts';

export async function link(stage: Stage): Promise<Row> {
  const { filled, orders } = stage;
  const site = await stageSite(stage, { name: 'link' });
  const foreign = new ForeignLoad();
  const receiver = runProgram<LinkReceiverAnswer>('link-receiver', {
    collectorConfig: site.collector.configFile,
    records: orders.records,
  } satisfies LinkReceiverArguments);
  await receiver.ready();
  const sender = runProgram<LinkSenderAnswer>('link-sender', {
    agentConfig: site.agent.configFile,
    topic: filled.topic,
    orders,
    timestamp: filled.timestamp,
  } satisfies LinkSenderArguments);
  const [sent, received] = await Promise.all([sender.answer(), receiver.answer()]);
  if (received.digest !== filled.digest) throw new Error('link: what arrived is not what was sent');
  return row('link', orders.records, {
    seconds: sent.seconds,
    cpuSeconds: sent.cpuSeconds + received.cpuSeconds,
    peakRssBytes: sent.peakRssBytes + received.peakRssBytes,
    foreignCpuShare: foreign.share(),
    details: {
      measured:
        'from connecting until the commit of the last record came back; all segments lie in the sender’s memory',
      proven: 'each batch’s checksum, place and order',
      payloadBytes: sent.payloadBytes,
      sender: { cpuSeconds: sent.cpuSeconds, peakRssBytes: sent.peakRssBytes },
      receiver: { cpuSeconds: received.cpuSeconds, peakRssBytes: received.peakRssBytes },
    },
  });
}
