// One stream as the agent speaks it, against a collector that the test plays, on a clock that stands still.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GapNotice, UplinkItem } from '@sluice/agent/contracts.ts';
import { LinkSession, type SessionEnd } from '@sluice/agent/uplink/link-session.ts';
import type { ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { partitionToWire } from '@sluice/proto/wire.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { type FedPartition, feedDouble } from '../../support/feed-double.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { opaqueSegment } from '../../support/segments.ts';
import { AgentStreamDouble } from '../../support/stream-doubles.ts';

const MIB = 2 ** 20;
const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };

/** A partition that never ends; every segment covers ten offsets. */
function endless(payloadBytes: number, id = claims): FedPartition {
  return { id, at: (offset) => opaqueSegment(offset, offset + 10, { ...id, payloadBytes }) };
}

interface SessionOptions {
  readonly maxBitsPerSecond?: number;
  readonly segmentBytesMax?: number;
}

function startSession(
  partitions: readonly FedPartition[],
  { maxBitsPerSecond, segmentBytesMax = MIB }: SessionOptions = {},
) {
  const stream = new AgentStreamDouble();
  const clock = manualClock();
  const feed = feedDouble(partitions);
  const welcomed: string[] = [];
  const session = new LinkSession({
    call: stream.call,
    handler: feed.handler,
    feed: feed.feed,
    clock,
    agentId: 'site-1',
    instanceId: 'i',
    version: '0',
    maxBitsPerSecond,
    segmentBytesMax,
    welcomed: (collectorId) => void welcomed.push(collectorId),
  });
  let end: SessionEnd | undefined;
  const running = session.run().then((how) => (end = how));
  return { stream, clock, feed, session, welcomed, running, end: () => end };
}

type Session = ReturnType<typeof startSession>;

const positionOf = (id: typeof claims, received = 0) => ({
  ...{ ...partitionToWire(id), committed: 0, received, rewindEpoch: 0 },
  ...{ openGaps: [], stands: [], current: false },
});

async function welcome({ stream }: Session, creditTotal: number, ids = [claims]): Promise<void> {
  const positions = ids.map((id) => positionOf(id));
  const value = { protocol: 1, collectorId: 'c', version: '0', creditTotal, positions };
  stream.say({ $case: 'welcome', value });
  await settle();
}

async function receipt({ stream }: Session, segmentsTotal: number, creditTotal: number): Promise<void> {
  stream.say({ $case: 'receipt', value: { segmentsTotal, creditTotal } });
  await settle();
}

const sentBytes = ({ stream }: Session) =>
  stream.all('segment').reduce((sum, { payload }) => sum + payload.length, 0);

async function failure(running: Promise<SessionEnd>): Promise<unknown> {
  const end = await running;
  assert.equal(end.kind, 'failed');
  return end.error;
}

test('Hello comes first, with every declared partition, and nothing else before Welcome', async () => {
  const s = startSession([endless(100), endless(100, { ...claims, partition: 1 })]);
  await s.clock.advance(29_000);
  assert.deepEqual(
    s.stream.written.map(({ $case }) => $case),
    ['hello'],
  );
  const [hello] = s.stream.all('hello');
  assert.deepEqual(
    [hello?.agentId, hello?.instanceId, hello?.protocolMin, hello?.protocolMax],
    ['site-1', 'i', 1, 1],
  );
  assert.deepEqual(
    hello?.partitions.map(({ topic, partition, startAt }) => [topic, partition, startAt]),
    [
      ['claims', 0, 'earliest'],
      ['claims', 1, 'earliest'],
    ],
  );
  await welcome(s, MIB);
  assert.deepEqual(s.welcomed, ['c']);
  assert.equal(s.stream.written[1]?.$case, 'segment');
});

test('a collector that never answers Hello is given up after 30 s; one without credit is not', async () => {
  const mute = startSession([]);
  await mute.clock.advance(30_000);
  assert.match(String(await failure(mute.running)), /not answered Hello for 30 s/);
  assert.ok(mute.stream.closed);
  const poor = startSession([endless(100)]);
  await welcome(poor, 0);
  await poor.clock.advance(600_000);
  assert.equal(poor.end(), undefined);
  assert.equal(sentBytes(poor), 0);
  await receipt(poor, 0, 250);
  assert.equal(sentBytes(poor), 200);
});

test('never more is sent than the credit', async () => {
  const s = startSession([endless(100)]);
  await welcome(s, 1_000);
  assert.equal(sentBytes(s), 1_000);
  await receipt(s, 10, 1_000);
  assert.equal(sentBytes(s), 1_000);
  await receipt(s, 10, 1_250);
  assert.equal(sentBytes(s), 1_200);
  assert.equal(s.session.status().creditBytes, 50);
});

test('never more is in flight than the window, however much credit there is', async () => {
  const s = startSession([endless(MIB / 2)]);
  await welcome(s, 1_000 * MIB);
  const { windowBytes, inFlightBytes } = s.session.status();
  assert.equal(windowBytes, 2 * MIB);
  assert.equal(inFlightBytes, 2 * MIB);
  assert.equal(sentBytes(s), 2 * MIB);
  await s.clock.advance(60_000);
  assert.equal(sentBytes(s), 2 * MIB);
  await receipt(s, 1, 1_000 * MIB); // slow: one leaves, one follows
  assert.equal(sentBytes(s), 2.5 * MIB);
});

test('the window is two segments of the size that the spool is cut at', async () => {
  const s = startSession([endless(MIB / 4)], { segmentBytesMax: MIB / 4 });
  await welcome(s, 1_000 * MIB);
  assert.equal(s.stream.all('segment').length, 2);
});

test('a segment larger than all credit goes alone, and only once any credit is there', async () => {
  const s = startSession([endless(3 * MIB)]);
  await welcome(s, 0);
  assert.equal(sentBytes(s), 0);
  await receipt(s, 0, 1);
  assert.equal(s.stream.all('segment').length, 1);
  await receipt(s, 1, 1);
  assert.equal(s.stream.all('segment').length, 1);
  await receipt(s, 1, 3 * MIB + 1);
  assert.equal(s.stream.all('segment').length, 2);
});

test('a receipt for what was never sent ends the session', async () => {
  const s = startSession([endless(100)]);
  await welcome(s, 100);
  await receipt(s, 2, 100);
  const error = await failure(s.running);
  assert.match(String(error), /a receipt for 2 segments, 1 were sent/);
  assert.equal((error as { code?: string }).code, 'LINK_MESSAGE_INVALID');
});

test('a second Welcome ends the session instead of sending everything twice', async () => {
  const s = startSession([endless(100)]);
  await welcome(s, 100);
  await welcome(s, 100);
  assert.match(String(await failure(s.running)), /a second Welcome/);
});

test('what a newer collector says is ignored', async () => {
  const s = startSession([endless(100)]);
  s.stream.say(undefined);
  await welcome(s, 100);
  s.stream.say({ $case: 'somethingNew', value: {} } as unknown as NonNullable<ConnectResponse['body']>);
  await receipt(s, 1, 200);
  assert.equal(sentBytes(s), 200);
  assert.equal(s.end(), undefined);
});

test('what the collector says reaches the agent in its order', async () => {
  const s = startSession([endless(100)]);
  const ref = partitionToWire(claims);
  await welcome(s, 0);
  s.stream.say({ $case: 'committed', value: { partitions: [{ ...ref, nextOffset: 7, openGaps: [] }] } });
  s.stream.say({
    $case: 'rewind',
    value: { ...ref, offset: 3, rewindEpoch: 1, reason: 'hole', fillUntil: 0 },
  });
  s.stream.say({ $case: 'rewind', value: { ...ref, offset: 2, rewindEpoch: 9, reason: '', fillUntil: 5 } });
  s.stream.say({ $case: 'hold', value: { topic: 'claims', reason: 'parked' } });
  s.stream.say({ $case: 'release', value: { topic: 'claims' } });
  s.stream.say({ $case: 'refused', value: { topic: 'x', code: 'LINK_TOPIC_REFUSED', message: 'no' } });
  s.stream.say({ $case: 'positions', value: { positions: [positionOf(claims, 5)] } });
  assert.deepEqual(s.feed.heard, [
    'welcomed claims-0 0 0',
    'committed claims-0 7',
    'rewind claims-0 3: hole',
    'fill claims-0 [2, 5) 9',
    'hold claims: parked',
    'release claims',
    'refused x LINK_TOPIC_REFUSED: no',
    'welcomed claims-0 0 5',
  ]);
});

test('after a Rewind what is sent starts there and carries its epoch', async () => {
  const s = startSession([endless(100)]);
  await welcome(s, 300);
  s.stream.say({
    $case: 'rewind',
    value: { ...partitionToWire(claims), offset: 10, rewindEpoch: 4, reason: 'hole', fillUntil: 0 },
  });
  await receipt(s, 3, 1_000);
  const sent = s.stream.all('segment').map(({ startOffset, rewindEpoch }) => [startOffset, rewindEpoch]);
  assert.deepEqual(sent.slice(0, 3), [
    [0, 0],
    [10, 0],
    [20, 0],
  ]);
  // One segment was taken before the Rewind and waited for credit: the collector drops its old epoch.
  assert.deepEqual(sent.slice(3, 6), [
    [30, 0],
    [10, 4],
    [20, 4],
  ]);
});

test('partitions that come or go between Hello and Welcome are told at once', async () => {
  const s = startSession([]);
  const late = { ...claims, partition: 7 };
  s.session.assigned([s.feed.declared(late)]);
  s.session.revoked([claims]);
  assert.deepEqual(
    s.stream.written.map(({ $case }) => $case),
    ['hello', 'assigned', 'revoked'],
  );
  assert.equal(s.stream.all('assigned')[0]?.partitions[0]?.partition, 7);
});

test('a gap is told in its place, and that history waits, without credit', async () => {
  const range = { startOffset: 0, nextOffset: 5 };
  const gap: GapNotice = { ...claims, ...range, leaderEpoch: 2, reason: 'retention' };
  const s = startSession([]);
  const items: UplinkItem[] = [
    { kind: 'gap', gap, rewindEpoch: 3 },
    { kind: 'history waits', rewindEpoch: 7 },
  ];
  s.feed.feed.next = () => Promise.resolve(items.shift());
  await welcome(s, 0, []);
  assert.deepEqual(s.stream.all('gap'), [
    { ...partitionToWire(claims), ...range, leaderEpoch: 2, reason: 'retention', rewindEpoch: 3 },
  ]);
  assert.deepEqual(s.stream.all('historyWaits'), [{ rewindEpoch: 7 }]);
});

for (const how of ['status 0', 'a cut connection'] as const) {
  test(`Drain half-closes, still hears what comes, and ends drained by ${how}`, async () => {
    const s = startSession([endless(100)]);
    await welcome(s, 250);
    s.stream.say({ $case: 'drain', value: { reason: 'SIGTERM' } });
    assert.ok(s.stream.halfClosed);
    await receipt(s, 2, 10_000);
    s.session.assigned([s.feed.declared(claims)]);
    assert.equal(s.stream.all('segment').length, 2, 'nothing is sent after a half-close');
    const partitions = [{ ...partitionToWire(claims), nextOffset: 20, openGaps: [] }];
    s.stream.say({ $case: 'committed', value: { partitions } });
    assert.equal(s.end(), undefined);
    if (how === 'status 0') s.stream.finish();
    else s.stream.fail(14, 'Connection dropped');
    assert.deepEqual(await s.running, { kind: 'drained' });
    assert.equal(s.feed.committed(claims), 20);
    assert.ok(s.stream.closed);
    assert.equal(s.clock.timers, 0);
  });
}

test('a collector that never ends a drained stream is left', async () => {
  const s = startSession([endless(100)]);
  await welcome(s, 250);
  s.stream.say({ $case: 'drain', value: { reason: 'SIGTERM' } });
  await s.clock.advance(119_999);
  assert.equal(s.end(), undefined);
  await s.clock.advance(1);
  assert.deepEqual(await s.running, { kind: 'drained' });
});

test('a stream that ends without Drain has failed, whatever its status', async () => {
  const ended = startSession([]);
  ended.stream.finish();
  assert.match(String(await failure(ended.running)), /ended the stream without a Drain/);
  const refused = startSession([]);
  refused.stream.fail(3, 'LINK_IDENTITY_REFUSED: no');
  assert.equal(((await failure(refused.running)) as { code?: number }).code, 3);
});

test('after its end the session hands on nothing and sends nothing', async () => {
  const s = startSession([endless(100)]);
  await welcome(s, 100);
  s.stream.fail(14, 'Connection dropped');
  await s.running;
  s.stream.say({ $case: 'hold', value: { topic: 'claims', reason: 'late' } });
  await receipt(s, 1, 10_000);
  s.session.drain();
  assert.equal(s.stream.all('segment').length, 1);
  assert.deepEqual(s.feed.heard, ['welcomed claims-0 0 0']);
});

test('an agent that cannot say what it has, or cannot read it, ends the stream with its reason', async () => {
  const mute = startSession([]);
  const broken = {
    ...mute.feed.feed,
    declared: () => {
      throw new Error('disk');
    },
  };
  const stream = new AgentStreamDouble();
  const session = new LinkSession({
    call: stream.call,
    handler: mute.feed.handler,
    feed: broken,
    clock: manualClock(),
    agentId: 'site-1',
    instanceId: 'i',
    version: '0',
    maxBitsPerSecond: undefined,
    segmentBytesMax: MIB,
    welcomed: () => {},
  });
  assert.match(String(await failure(session.run())), /disk/);
  assert.ok(stream.closed, 'the connection is given back');
  const unreadable = startSession([]);
  unreadable.feed.feed.next = () => Promise.reject(new Error('read'));
  await welcome(unreadable, 100);
  assert.match(String(await failure(unreadable.running)), /read/);
});

test('a rate cap spaces segments by their bytes', async () => {
  const s = startSession([endless(1_000)], { maxBitsPerSecond: 8_000 });
  await welcome(s, 1_000_000);
  assert.equal(sentBytes(s), 1_000);
  await s.clock.advance(999);
  assert.equal(sentBytes(s), 1_000);
  await s.clock.advance(1);
  assert.equal(sentBytes(s), 2_000);
  await s.clock.advance(10_000);
  assert.equal(sentBytes(s), 12_000);
});

test('time that passed idle is not made up for with a burst', async () => {
  let there = false;
  const partition = { id: claims, at: (offset: number) => (there ? endless(1_000).at(offset) : undefined) };
  const s = startSession([partition], { maxBitsPerSecond: 8_000 });
  await welcome(s, 1_000_000);
  await s.clock.advance(60_000);
  there = true;
  s.feed.wake();
  await s.clock.advance(2_000);
  assert.equal(sentBytes(s), 3_000);
});

test('a collector that asks what Kafka holds is answered under its question, or not where Kafka does not say', async () => {
  const session = startSession([endless(1_000)]);
  await welcome(session, MIB);
  const { feed, stream } = session;
  feed.handler.look = async () => [{ ...claims, logStart: 3, logEnd: 9 }];
  stream.say({ $case: 'look', value: { question: 41 } });
  await settle();
  feed.handler.look = async () => undefined;
  stream.say({ $case: 'look', value: { question: 42 } });
  await settle();
  assert.deepEqual(stream.all('logs'), [
    { question: 41, partitions: [{ ...partitionToWire(claims), logStart: 3, logEnd: 9 }] },
  ]);
});
