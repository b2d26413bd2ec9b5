// A collector that is being replaced: streams end in good order, nobody new is let in, and nothing is lost on
// the way to the next one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import tls from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { CONNECT_PATH } from '@sluice/proto/wire.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { hurriedClock, startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { assertContiguous } from '../support/oracles.ts';
import { opaqueSegment } from '../support/segments.ts';
import { sequencerDouble } from '../support/sequencer-double.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const pki = await createLinkPki();
const collector = await pki.collector();
const agent = await pki.agent('site-1');
const endless = () =>
  feedDouble([{ id: claims, at: (offset) => opaqueSegment(offset, offset + 10, { payloadBytes: 20_000 }) }]);

/** An agent of somebody else's making. */
function foreignAgent(port: number) {
  const context = tls.createSecureContext({
    ca: readFileSync(agent.ca),
    cert: readFileSync(agent.cert),
    key: readFileSync(agent.key),
  });
  const client = new Client(`localhost:${port}`, credentials.createFromSecureContext(context));
  const stream = client.makeBidiStreamRequest<ConnectRequest, ConnectResponse>(
    CONNECT_PATH,
    (message) => Buffer.from(ConnectRequest.encode(message).finish()),
    (bytes) => ConnectResponse.decode(bytes),
  );
  const heard: string[] = [];
  const ended = new Promise<number>((resolve) => {
    stream.on('status', ({ code }: { code: number }) => resolve(code));
  });
  stream.on('error', () => {});
  stream.on('data', ({ body }: ConnectResponse) => void heard.push(body?.$case ?? 'unknown'));
  const hello = {
    agentId: 'site-1',
    instanceId: 'x',
    version: '9',
    protocolMin: 1,
    protocolMax: 1,
    partitions: [],
  };
  stream.write({ body: { $case: 'hello', value: hello } });
  return { stream, heard, ended, close: () => client.close() };
}

test('a drained stream ends with status 0 once the agent has half-closed', async (t) => {
  const there = await startCollectorEnd(t, { tls: collector });
  const foreign = foreignAgent(there.port);
  t.after(foreign.close);
  await eventually('welcomed', () => foreign.heard.includes('welcome'));
  const drained = there.ingest.drain('SIGTERM', 10_000);
  await eventually('it is told', () => foreign.heard.includes('drain'));
  assert.equal(there.ingest.status().listening, false);
  foreign.stream.end();
  assert.equal(await foreign.ended, 0);
  await drained;
  await there.ingest.close(10_000);
  assert.deepEqual(
    there.log.said(/agent disconnected/).map(({ reason }) => reason),
    ['ended'],
  );
});

test('the agent goes to the next collector, and what it sends there follows what it sent here', async (t) => {
  const sequencer = sequencerDouble();
  const first = await startCollectorEnd(t, { tls: collector, sequencer });
  const address = { host: '127.0.0.1', port: first.port };
  const here = startAgentEnd(t, { address, tls: agent, feed: endless(), clock: hurriedClock });
  await eventually('segments flow', () => sequencer.taken(claims).length > 20);
  const started = performance.now();
  await first.ingest.drain('SIGTERM', 10_000);
  await first.ingest.close(10_000);
  assert.ok(performance.now() - started < 5_000, 'an agent that obeys is not waited for');
  assert.ok(here.feed.heard.includes('disconnected drained'), here.feed.heard.join());
  assert.deepEqual(
    here.log.said(/no collector/).filter(({ reason }) => !/ECONNREFUSED/.test(String(reason))),
    [],
  );
  const before = sequencer.taken(claims).length;
  await startCollectorEnd(t, { tls: collector, sequencer, address, collectorId: 'collector-2' });
  await eventually('segments flow again', () => sequencer.taken(claims).length > before + 20);
  assert.equal(here.uplink.status().collectorId, 'collector-2');
  assertContiguous(sequencer.taken(claims));
});

test('while it drains nobody is let in, both sides say so, and who does not obey is not heard any more', async (t) => {
  const there = await startCollectorEnd(t, { tls: collector });
  const stubborn = foreignAgent(there.port);
  t.after(stubborn.close);
  await eventually('welcomed', () => stubborn.heard.includes('welcome'));
  const drained = there.ingest.drain('SIGTERM', 2_000);
  const late = startAgentEnd(t, { address: { host: '127.0.0.1', port: there.port }, tls: agent });
  const lost = await eventually('the late one is told', () => here(late)[0]);
  const reason = 'LINK_DRAINING: this collector is being replaced';
  assert.equal(lost, `${reason} (127.0.0.1:${there.port})`);
  assert.deepEqual(
    there.log.said(/connection refused/).map((refusal) => refusal['reason']),
    [reason],
  );
  await drained;
  assert.equal(await stubborn.ended, 0, 'it is told that this is the end');
});

test('what cannot be committed holds up the end of a collector for no longer than it may', async (t) => {
  const sequencer = sequencerDouble();
  sequencer.beforeFinished = () => new Promise(() => {});
  const there = await startCollectorEnd(t, { tls: collector, sequencer });
  const foreign = foreignAgent(there.port);
  t.after(foreign.close);
  await eventually('welcomed', () => foreign.heard.includes('welcome'));
  const drained = there.ingest.drain('SIGTERM', 10_000);
  await eventually('it is told', () => foreign.heard.includes('drain'));
  foreign.stream.end();
  await drained;
  const started = performance.now();
  await there.ingest.close(300);
  assert.ok(performance.now() - started < 5_000, `${performance.now() - started} ms`);
  assert.notEqual(await foreign.ended, 0);
});

function here({ log }: ReturnType<typeof startAgentEnd>): unknown[] {
  return log.said(/no collector/).map(({ reason }) => reason);
}

test('an agent that stops half-closes: what it sent arrives, and the collector says it ended', async (t) => {
  const there = await startCollectorEnd(t, { tls: collector });
  const address = { host: '127.0.0.1', port: there.port };
  const here = startAgentEnd(t, { address, tls: agent, feed: endless() });
  await eventually('segments flow', () => there.sequencer.taken(claims).length > 20);
  await here.uplink.stop(10_000);
  const { sentSegmentsTotal, state } = here.uplink.status();
  assert.equal(state, 'stopped');
  assert.equal(there.sequencer.taken(claims).length, sentSegmentsTotal);
  assert.deepEqual(
    there.log.said(/agent disconnected/).map(({ reason }) => reason),
    ['ended'],
  );
  assert.deepEqual(here.log.said(/no collector/), []);
});
