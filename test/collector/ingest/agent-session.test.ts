// One agent's stream as the collector serves it: what it takes, and what it ends the stream for, with the
// code that goes out on the wire.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEvents } from '@sluice/collector/events.ts';
import { AgentSession, type SessionEnd } from '@sluice/collector/ingest/agent-session.ts';
import { createCreditPool } from '@sluice/collector/ingest/credit-pool.ts';
import { ConnectRequest, type Hello, type PartitionState } from '@sluice/proto/gen/sluice/v1/link.ts';
import { encodeSegmentRequest, partitionToWire } from '@sluice/proto/wire.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { opaqueSegment } from '../../support/segments.ts';
import { sequencerDouble } from '../../support/sequencer-double.ts';
import { CollectorStreamDouble } from '../../support/stream-doubles.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const grants = [{ id: 'site-1', topics: ['claims', 'orders'] }];

function startSession({ roomBytes = 1_000_000, creditBytesMax = 1_000, agentId = 'site-1' } = {}) {
  const double = new CollectorStreamDouble();
  const clock = manualClock();
  const log = recordingLogger();
  const sequencer = sequencerDouble({ roomBytes });
  const ends: SessionEnd[] = [];
  const session = new AgentSession({
    stream: double.stream,
    streamId: 1,
    agentId,
    grants,
    sequencer,
    credit: createCreditPool(creditBytesMax, () => sequencer.room()),
    collectorId: 'collector-1',
    version: '2.0.0',
    clock,
    events: createEvents(log, createMetrics()),
    drainMs: 110_000,
    greeted: () => log.info({}, 'greeted'),
    finishing: () => log.info({}, 'finishing'),
    ended: (end) => void ends.push(end),
  });
  return { double, clock, log, sequencer, session, ends };
}

type Started = ReturnType<typeof startSession>;

const declared = (topic: string, partition = 0): PartitionState => ({
  ...partitionToWire({ ...claims, topic, partition }),
  leaderEpoch: 0,
  spoolStart: 0,
  spoolNext: 0,
  logStart: 0,
  logEnd: 0,
  spoolRuns: [],
  ...{ readsLog: true, startAt: '' },
});

async function hello({ double }: Started, change: Partial<Hello> = {}): Promise<void> {
  const value: Hello = {
    agentId: 'site-1',
    instanceId: 'i',
    version: '1.0.0',
    protocolMin: 1,
    protocolMax: 1,
    partitions: [declared('claims')],
    ...change,
  };
  double.say({ $case: 'hello', value });
  await settle();
}

async function send({ double }: Started, segment: Segment, change: Partial<Segment> = {}): Promise<void> {
  double.say(ConnectRequest.decode(encodeSegmentRequest({ ...segment, ...change }, 0)).body);
  await settle();
}

/** What went out as the status, and that nothing but this ended the stream. */
function refusal({ double, ends }: Started): string | undefined {
  assert.equal(ends.length, 1);
  assert.equal(ends[0]?.kind, 'refused');
  assert.equal(double.status?.code, 3);
  return double.status.details;
}

test('Hello is answered with Welcome: positions and credit', async () => {
  const s = startSession();
  s.sequencer.rewind(claims, 40);
  await hello(s);
  const at = { committed: 0, received: 40, rewindEpoch: 0, openGaps: [], stands: [], current: false };
  const positions = [{ ...partitionToWire(claims), ...at }];
  assert.deepEqual(s.double.written, [
    {
      $case: 'welcome',
      value: { protocol: 1, collectorId: 'collector-1', version: '2.0.0', creditTotal: 1_000, positions },
    },
  ]);
  assert.equal(s.session.instanceId, 'i');
  assert.equal(s.session.agentVersion, '1.0.0');
});

interface Refusal {
  readonly what: string;
  act(s: Started): Promise<void> | void;
  readonly details: string;
}

const refusals: readonly Refusal[] = [
  {
    what: 'anything before Hello',
    act: (s) => s.double.say({ $case: 'revoked', value: { partitions: [] } }),
    details: 'LINK_MESSAGE_INVALID: revoked came before Hello',
  },
  {
    what: 'something unknown before Hello',
    act: (s) => s.double.say(undefined),
    details: 'LINK_MESSAGE_INVALID: something came before Hello',
  },
  {
    what: 'a second Hello',
    act: async (s) => {
      await hello(s);
      await hello(s);
    },
    details: 'LINK_MESSAGE_INVALID: a second Hello',
  },
  {
    what: 'silence instead of Hello',
    act: (s) => s.clock.advance(30_000),
    details: 'LINK_MESSAGE_INVALID: no Hello came in 30 s',
  },
  {
    what: 'another agent’s id',
    act: (s) => hello(s, { agentId: 'site-2' }),
    details: "LINK_IDENTITY_REFUSED: the agent calls itself 'site-2' and its certificate says 'site-1'",
  },
  {
    what: 'an agent that is too old',
    act: (s) => hello(s, { protocolMin: 0, protocolMax: 0 }),
    details:
      'LINK_PROTOCOL_UNSUPPORTED: upgrade the agent (1.0.0): the agent (1.0.0) knows protocols up to 0, the collector (2.0.0) from 1 on',
  },
  {
    what: 'an agent that is too new',
    act: (s) => hello(s, { protocolMin: 2, protocolMax: 9 }),
    details:
      'LINK_PROTOCOL_UNSUPPORTED: upgrade the collector (2.0.0): the collector (2.0.0) knows protocols up to 1, the agent (1.0.0) from 2 on',
  },
  {
    what: 'a segment before Welcome',
    act: async (s) => {
      s.sequencer.beforeDeclared = () => new Promise(() => {});
      await hello(s);
      await send(s, opaqueSegment(0, 10));
    },
    details: 'LINK_MESSAGE_INVALID: a segment came before Welcome',
  },
  {
    what: 'a segment of a topic that was not declared',
    act: async (s) => {
      await hello(s);
      await send(s, opaqueSegment(0, 10, { topic: 'orders' }));
    },
    details: "LINK_TOPIC_REFUSED: topic 'orders' was not declared",
  },
  {
    what: 'a segment with a flipped bit',
    act: async (s) => {
      await hello(s);
      await send(s, opaqueSegment(20, 30), { crc32c: 1 });
    },
    details: 'SEGMENT_CORRUPT: CRC-32C differs at claims-0@20',
  },
  {
    what: 'a segment that does not balance',
    act: async (s) => {
      await hello(s);
      await send(s, opaqueSegment(0, 10), { nextOffset: 11 });
    },
    details: 'LINK_MESSAGE_INVALID: segment [0, 11) does not balance',
  },
  {
    what: 'a segment beyond the credit',
    act: async (s) => {
      await hello(s);
      s.sequencer.roomBytes = 0;
      await send(s, opaqueSegment(0, 10, { payloadBytes: 1_000 }));
      await send(s, opaqueSegment(10, 20, { payloadBytes: 1 }));
    },
    details: 'LINK_MESSAGE_INVALID: more was sent than the credit of 1000 bytes',
  },
  {
    what: 'a topic id of the wrong length',
    act: (s) => hello(s, { partitions: [{ ...declared('claims'), topicId: Buffer.alloc(3) }] }),
    details: 'LINK_MESSAGE_INVALID: a topic id of 3 bytes',
  },
  {
    what: 'a declaration that the ledger cannot answer',
    act: (s) => {
      const down = new SluiceError('STORE_UNAVAILABLE', 'timeout', { place: 's3://lake' });
      s.sequencer.beforeDeclared = () => Promise.reject(down);
      return hello(s);
    },
    details: 'STORE_UNAVAILABLE: timeout (s3://lake)',
  },
  {
    what: 'a defect of its own',
    act: (s) => {
      s.sequencer.beforeDeclared = () => Promise.reject(new TypeError('x is not a function'));
      return hello(s);
    },
    details: 'ASSERTION_FAILED: TypeError: x is not a function',
  },
];

for (const { what, act, details } of refusals) {
  test(`${what} ends the stream, and the agent hears why`, async () => {
    const s = startSession();
    await act(s);
    assert.equal(refusal(s), details);
    assert.equal(s.clock.timers, 0);
    // After that the stream is dead: nothing is taken, nothing is written.
    await send(s, opaqueSegment(0, 10));
    s.session.committed([{ partition: claims, nextOffset: 1, openGaps: [], leaderEpoch: 0 }]);
    s.session.creditFreed();
    assert.equal(s.ends.length, 1);
  });
}

test('an agent that is not among the agents is refused by its name', async () => {
  const s = startSession({ agentId: 'site-9' });
  await hello(s, { agentId: 'site-9' });
  assert.equal(refusal(s), "LINK_IDENTITY_REFUSED: agent 'site-9' is not among the collector's agents");
  assert.deepEqual(s.log.said(/greeted/), []);
});

test('a topic outside the ACL is refused by name, once, and the agent’s other topics flow', async () => {
  const s = startSession();
  const partitions = [declared('secret', 0), declared('claims'), declared('secret', 1)];
  await hello(s, { partitions });
  const message = "agent 'site-1' may not send topic 'secret'";
  const refused = { topic: 'secret', code: 'LINK_TOPIC_REFUSED', message };
  assert.deepEqual(s.double.all('refused'), [refused]);
  assert.deepEqual(s.log.said(/topic refused/), [{ agent: 'site-1', ...refused }]);
  assert.equal(s.double.all('welcome')[0]?.positions.length, 1);
  await send(s, opaqueSegment(0, 10));
  assert.deepEqual(s.sequencer.taken(claims), [{ start: 0, next: 10 }]);
  assert.deepEqual(s.ends, []);
});

test('partitions that are declared later are answered with their positions, and may be revoked', async () => {
  const s = startSession();
  await hello(s, { partitions: [] });
  s.double.say({ $case: 'assigned', value: { partitions: [declared('orders', 3)] } });
  await settle();
  const [positions] = s.double.all('positions');
  assert.deepEqual(
    positions?.positions.map(({ topic, partition }) => [topic, partition]),
    [['orders', 3]],
  );
  const orders = { ...claims, topic: 'orders', partition: 3 };
  s.double.say({ $case: 'revoked', value: { partitions: [partitionToWire(orders)] } });
  s.sequencer.commitAll();
  assert.deepEqual(s.double.all('committed'), []);
});

test('a receipt says how many segments arrived and what may follow; one for a whole turn', async () => {
  const s = startSession();
  await hello(s);
  for (const start of [0, 10, 20])
    s.double.say(ConnectRequest.decode(encodeSegmentRequest(opaqueSegment(start, start + 10), 0)).body);
  await settle();
  assert.deepEqual(s.double.all('receipt'), [{ segmentsTotal: 3, creditTotal: 1_300 }]);
});

test('an agent without credit gets it as soon as there is room, and not before Welcome', async () => {
  const s = startSession({ roomBytes: 0 });
  let declareNow = () => {};
  s.sequencer.beforeDeclared = () => new Promise((resolve) => (declareNow = resolve));
  await hello(s);
  s.sequencer.roomBytes = 500;
  s.session.creditFreed();
  await settle();
  assert.deepEqual(s.double.written, []);
  s.sequencer.roomBytes = 0;
  declareNow();
  await settle();
  assert.equal(s.double.all('welcome')[0]?.creditTotal, 0);
  s.sequencer.roomBytes = 500;
  s.session.creditFreed();
  s.session.creditFreed();
  await settle();
  assert.deepEqual(s.double.all('receipt'), [{ segmentsTotal: 0, creditTotal: 500 }]);
});

test('what a newer agent says is ignored', async () => {
  const s = startSession();
  await hello(s);
  s.double.say(undefined);
  await send(s, opaqueSegment(0, 10));
  assert.equal(s.session.segmentsTotal, 1);
  assert.deepEqual(s.ends, []);
});

test('a hole is answered with one Rewind, and what is behind it is dropped until it is sent again', async () => {
  const s = startSession();
  await hello(s);
  await send(s, opaqueSegment(10, 20));
  await send(s, opaqueSegment(20, 30));
  assert.deepEqual(
    s.double.all('rewind').map(({ offset, rewindEpoch }) => [offset, rewindEpoch]),
    [[0, 1]],
  );
  assert.deepEqual(s.sequencer.taken(claims), []);
});

test('a half-close ends the stream once what came is committed and told; nothing is taken meanwhile', async () => {
  const s = startSession();
  const committed = Promise.withResolvers<void>();
  s.sequencer.beforeFinished = () => committed.promise;
  await hello(s);
  await send(s, opaqueSegment(0, 10));
  s.double.emit('end');
  assert.equal(s.session.isFinishing, true);
  await send(s, opaqueSegment(10, 20));
  assert.equal(s.double.status, undefined, 'it waits');
  s.sequencer.commitAll();
  committed.resolve();
  await settle();
  assert.deepEqual(
    s.double.all('committed').map(({ partitions }) => partitions[0]?.nextOffset),
    [10],
  );
  assert.deepEqual(s.double.status, { code: 0, details: 'OK' });
  assert.deepEqual(s.ends, [{ kind: 'ended' }]);
  assert.equal(s.clock.timers, 0);
});

test('a stream waits for its commit no longer than a drain may take', async () => {
  const s = startSession();
  s.sequencer.beforeFinished = () => new Promise(() => {});
  await hello(s);
  s.double.emit('end');
  await s.clock.advance(109_999);
  assert.equal(s.double.status, undefined);
  await s.clock.advance(1);
  assert.deepEqual(s.double.status, { code: 0, details: 'OK' });
  assert.equal(s.sequencer.links.size, 0);
});

test('a half-close ends the stream with status 0; a lost one is only forgotten', async () => {
  const closed = startSession();
  await hello(closed);
  closed.double.emit('end');
  await settle();
  assert.deepEqual(closed.double.status, { code: 0, details: 'OK' });
  assert.deepEqual(closed.ends, [{ kind: 'ended' }]);
  closed.double.emit('cancelled', 'cancelled');
  assert.equal(closed.ends.length, 1);
  assert.equal(closed.sequencer.links.size, 0);
  const lost = startSession();
  await hello(lost);
  await send(lost, opaqueSegment(0, 10));
  lost.double.emit('cancelled', 'cancelled');
  assert.equal(lost.ends[0]?.kind, 'lost');
  assert.equal(lost.double.status, undefined);
  assert.deepEqual(lost.sequencer.taken(claims), [{ start: 0, next: 10 }], 'what was staged stays');
});

const logOf = (topic: string) => ({ ...partitionToWire({ ...claims, topic }), logStart: 3, logEnd: 9 });

test('an agent is asked what Kafka holds, and heard of the topics that it declared', async () => {
  const started = startSession();
  const { session, double } = started;
  assert.equal(await session.look(1_000), undefined, 'before its Hello it is not asked');
  await hello(started);
  const [first, second] = [session.look(1_000), session.look(1_000)];
  const questions = double.all('look').map(({ question }) => question);
  assert.equal(new Set(questions).size, 2);
  const partitions = [logOf('claims'), logOf('orders')];
  double.say({ $case: 'logs', value: { question: questions[1] ?? 0, partitions } });
  assert.deepEqual(await second, [{ ...claims, logStart: 3, logEnd: 9 }]);
  double.say({ $case: 'logs', value: { question: questions[0] ?? 0, partitions: [] } });
  assert.deepEqual(await first, []);
});

test('an agent that does not answer, or is gone, is not waited for', async () => {
  const started = startSession();
  const { session, double, clock } = started;
  await hello(started);
  const late = session.look(1_000);
  await clock.advance(1_000);
  assert.equal(await late, undefined);
  double.say({ $case: 'logs', value: { question: 1, partitions: [logOf('claims')] } });
  const lost = session.look(1_000);
  double.emit('cancelled');
  assert.equal(await lost, undefined);
});
