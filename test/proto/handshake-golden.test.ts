// The first words of each released version: what this version says to a peer, what it understands of an
// earlier one, and that what a later one adds is passed over or refused by its name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkSession } from '@sluice/agent/uplink/link-session.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { AgentSession } from '@sluice/collector/ingest/agent-session.ts';
import { createCreditPool } from '@sluice/collector/ingest/credit-pool.ts';
import { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { encodeSegmentRequest, segmentFromWire } from '@sluice/proto/wire.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { feedDouble } from '../support/feed-double.ts';
import { goldenFiles } from '../support/golden.ts';
import { manualClock, settle } from '../support/manual-clock.ts';
import { opaqueSegment } from '../support/segments.ts';
import { sequencerDouble } from '../support/sequencer-double.ts';
import { AgentStreamDouble, CollectorStreamDouble } from '../support/stream-doubles.ts';

const VERSION = '0.1.0';
const claims = { topic: 'claims', topicId: '00112233445566778899aabbccddeeff', partition: 3 };
const files = new Map(goldenFiles('handshake').map(({ name, bytes }) => [name, bytes]));
const golden = (name: string): Buffer => files.get(`${VERSION}-${name}.bin`) ?? Buffer.alloc(0);

function startAgent() {
  const stream = new AgentStreamDouble();
  const { feed, handler, heard } = feedDouble([{ id: claims, at: () => undefined }]);
  const collectors: string[] = [];
  const session = new LinkSession({
    ...{ call: stream.call, handler, feed, clock: manualClock() },
    ...{ agentId: 'plant-7', instanceId: '0123456789abcdef', version: VERSION },
    ...{ maxBitsPerSecond: undefined, segmentBytesMax: 2 ** 20 },
    welcomed: (collector) => void collectors.push(collector),
  });
  const ended = session.run();
  const says = stream.written.map((body) => Buffer.from(ConnectRequest.encode({ body }).finish()));
  return { stream, heard, collectors, ended, says };
}

function startCollector() {
  const stream = new CollectorStreamDouble();
  const sequencer = sequencerDouble();
  const session = new AgentSession({
    ...{ stream: stream.stream, streamId: 1, agentId: 'plant-7', sequencer, drainMs: 1_000 },
    grants: [{ id: '*', topics: ['*'] }],
    credit: createCreditPool(2 ** 24, () => sequencer.room()),
    ...{ collectorId: 'collector-1', version: VERSION, clock: manualClock() },
    events: createEvents(silentLogger, createMetrics()),
    ...{ greeted: () => {}, finishing: () => {}, ended: () => {} },
  });
  const hear = async (...messages: Uint8Array[]) => {
    for (const bytes of messages) {
      stream.say(ConnectRequest.decode(bytes).body);
      await settle();
    }
  };
  const says = () => stream.written.map((body) => Buffer.from(ConnectResponse.encode({ body }).finish()));
  return { stream, sequencer, session, hear, says };
}

/** A message with one more field inside its body, which no version has. */
function withUnknownField(message: Buffer): Buffer {
  const [tag = 0, length = 0] = message;
  assert.ok(length < 120, 'its length is one byte, with and without');
  const field = Buffer.from([0xfa, 0x3f, 0x02, 0x68, 0x69]); // field 1023: two bytes
  return Buffer.concat([Buffer.from([tag, length + field.length]), message.subarray(2), field]);
}

/** Messages 14 of a stream: neither side has one. */
const UNKNOWN_MESSAGE = Buffer.from([0x72, 0x02, 0x08, 0x01]);

test('this version’s Hello and Welcome are the golden bytes', async () => {
  const agent = startAgent();
  assert.deepEqual(agent.says, [golden('hello')]);
  const collector = startCollector();
  await collector.hear(golden('hello'));
  assert.deepEqual(collector.says(), [golden('welcome')]);
  assert.equal(collector.session.agentVersion, VERSION);
  agent.stream.say(ConnectResponse.decode(golden('welcome')).body);
  assert.deepEqual(agent.collectors, ['collector-1']);
  assert.deepEqual(agent.heard, ['welcomed claims-3 0 0']);
});

test('fields and messages that a newer agent adds are passed over', async () => {
  const collector = startCollector();
  const opaque = opaqueSegment(0, 10, { payloadBytes: 10 });
  const segment = encodeSegmentRequest({ ...opaque, ...claims }, 0);
  await collector.hear(withUnknownField(golden('hello')), UNKNOWN_MESSAGE, withUnknownField(segment));
  assert.equal(collector.says()[0]?.equals(golden('welcome')), true);
  assert.deepEqual(collector.sequencer.taken(claims), [{ start: 0, next: 10 }]);
  assert.equal(collector.stream.status, undefined);
});

test('fields and messages that a newer collector adds are passed over', async () => {
  const agent = startAgent();
  for (const bytes of [UNKNOWN_MESSAGE, withUnknownField(golden('welcome'))])
    agent.stream.say(ConnectResponse.decode(bytes).body);
  assert.deepEqual(agent.heard, ['welcomed claims-3 0 0']);
  agent.stream.fail(14, 'gone');
  assert.match(String(((await agent.ended) as { error?: unknown }).error), /gone/);
});

test('what cannot be passed over in a segment is refused by its name', () => {
  const { body } = ConnectRequest.decode(encodeSegmentRequest(opaqueSegment(0, 10), 0));
  assert.ok(body?.$case === 'segment');
  const refused = (change: object, message: RegExp) =>
    assert.throws(() => segmentFromWire({ ...body.value, ...change }), {
      code: 'LINK_MESSAGE_INVALID',
      message,
    });
  refused({ codec: 3 }, /codec 3 is unknown/);
  refused({ skipped: [{ kind: 3, firstOffset: 0, lastOffset: 0, count: 1 }] }, /kind 3 is unknown/);
});

test('a collector that answers with a protocol of its own is left, and the agent says whom to upgrade', async () => {
  const agent = startAgent();
  const { body } = ConnectResponse.decode(golden('welcome'));
  assert.ok(body?.$case === 'welcome');
  agent.stream.say({ ...body, value: { ...body.value, protocol: 2, version: '0.9.0' } });
  const end = await agent.ended;
  assert.equal(end.kind, 'failed');
  assert.match(
    String(end.error),
    /upgrade the agent \(0\.1\.0\): .* up to 1, the collector \(0\.9\.0\) from 2 on/,
  );
  assert.deepEqual(agent.collectors, []);
});
