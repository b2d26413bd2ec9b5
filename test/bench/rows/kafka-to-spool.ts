// The agent without its link: Kafka → segments → spool, synced to disk.
import { ForeignLoad } from '../measure/foreign-load.ts';
import { type Row, row } from '../measure/row.ts';
import type { AgentWithoutLinkAnswer, AgentWithoutLinkArguments } from '../programs/agent-without-link.ts';
import { runProgram } from '../programs/run-program.ts';
import { type Stage, stageSite } from '../stage.ts';

export async function kafkaToSpool(stage: Stage): Promise<Row> {
  const { filled, orders } = stage;
  const site = await stageSite(stage, { name: 'kafkaToSpool' });
  const foreign = new ForeignLoad();
  const { digest, spooledBytes, ...usage } = await runProgram<AgentWithoutLinkAnswer>('agent-without-link', {
    agentConfig: site.agent.configFile,
    topic: filled.topic,
    records: orders.records,
  } satisfies AgentWithoutLinkArguments).answer();
  if (digest !== filled.digest)
    throw new Error('kafkaToSpool: what is in the spool is not what was produced');
  return row('kafkaToSpool', orders.records, {
    ...usage,
    foreignCpuShare: foreign.share(),
    details: {
      measured: 'from the agent’s start, joining the group included, until the last record is on disk',
      proven: 'each batch read back from the spool, its checksum, place and order',
      spooledBytes,
    },
  });
}
