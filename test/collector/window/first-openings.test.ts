// A partition that no table has opened yet, and several who speak of it: what is passed over is only what
// somebody who reads the log says that Kafka has no more, and that by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeclaredPartition } from '@sluice/collector/contracts.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { settle } from '../../support/manual-clock.ts';
import { declaredOf, linkOf, rest, sequencerOf, type Wanted } from '../../support/sequencer-harness.ts';

/** Kafka has [20, 900); [50, 60) is spooled by an agent that does not read it. */
const KAFKA = { logStart: 20, logEnd: 900 };
const RETENTION = 'retention has deleted it';

type Says = Pick<DeclaredPartition, 'startAt'>;
const reader = (says: Says = { startAt: undefined }) => ({ ...declaredOf(), ...KAFKA, ...says });
function holder(says: Says = { startAt: undefined }) {
  const spooled = { spoolStart: 50, spoolNext: 60, spoolRuns: [{ startOffset: 50, nextOffset: 60 }] };
  const unknown = { logStart: 0, logEnd: 50, leaderEpoch: -1, readsLog: false };
  return { ...declaredOf(), ...spooled, ...unknown, ...says };
}

/** Its ledger is read when the test says so. */
function slowly(wanted: Partial<Wanted> = {}) {
  const parts = sequencerOf({ tables: [{ name: 'claims', ...wanted }] });
  const writer = parts.writers['claims'] ?? assert.fail();
  const read = Promise.withResolvers<void>();
  writer.refresh = () => read.promise;
  return { ...parts, writer, read: () => read.resolve() };
}

const BOTH: readonly (readonly [string, Says, number])[] = [
  ['nothing', { startAt: undefined }, KAFKA.logStart],
  ['earliest', { startAt: 'earliest' }, KAFKA.logStart],
  ['latest', { startAt: 'latest' }, KAFKA.logEnd],
];

for (const [what, says, start] of BOTH) {
  test(`two agents at once say ${what}: who reads the log is believed, though the other spoke first`, async () => {
    const { sequencer, writer, read } = slowly();
    const first = sequencer.declare(linkOf(), [holder(says)]);
    const second = sequencer.declare(linkOf(), [reader(says)]);
    read();
    assert.equal((await first)[0]?.received, start);
    assert.equal((await second)[0]?.received, start);
    assert.equal(writer.opened.length, 1);
    assert.partialDeepStrictEqual(writer.opened, [{ start, partition: { leaderEpoch: 0 } }]);
  });
}

test('who has read the log and does so no more is not believed', async () => {
  const { sequencer, writer, read } = slowly();
  const gone = linkOf();
  const first = sequencer.declare(gone, [reader()]);
  const second = sequencer.declare(linkOf(), [holder()]);
  sequencer.revoke(gone, [reader()]);
  sequencer.disconnected(gone);
  read();
  await Promise.all([first, second]);
  assert.deepEqual(
    writer.opened.map(({ start }) => start),
    [0],
  );
});

test('what an agent knows by now counts, though it only held a spool when it was asked', async () => {
  const { sequencer, writer, read } = slowly();
  const link = linkOf();
  const hello = sequencer.declare(link, [holder()]);
  const assigned = sequencer.declare(link, [reader()]);
  read();
  await Promise.all([hello, assigned]);
  assert.deepEqual(
    writer.opened.map(({ start }) => start),
    [KAFKA.logStart],
  );
});

test('of two that only hold spools the first offset counts, whoever spoke first: all that is spooled is taken', async () => {
  const early = {
    spoolStart: 30,
    spoolNext: 40,
    spoolRuns: [{ startOffset: 30, nextOffset: 40 }],
    logEnd: 30,
  };
  const [low, high] = [{ ...holder({ startAt: 'latest' }), ...early }, holder({ startAt: 'latest' })];
  for (const order of [
    [low, high],
    [high, low],
  ]) {
    const { sequencer, writer, read } = slowly();
    const asked = order.map((said) => sequencer.declare(linkOf(), [said]));
    read();
    await Promise.all(asked);
    assert.deepEqual(
      writer.opened.map(({ start }) => start),
      [30],
    );
  }
});

test('below a spool nothing is passed over: Kafka’s records come, and what it has no more is a gap', async () => {
  const parts = sequencerOf({ tables: [{ name: 'claims' }] });
  const { sequencer, writers, lanes } = parts;
  const [keeper, other] = [linkOf(), linkOf()];
  const [held] = await sequencer.declare(keeper, [holder()]);
  assert.equal(held?.received, 0, 'and not where the spool begins');
  const [read] = await sequencer.declare(other, [reader()]);
  assert.equal(read?.received, 0);
  sequencer.gap(other, { ...reader(), startOffset: 0, nextOffset: 20, reason: RETENTION }, 0);
  sequencer.segment(other, rangeSegment(20, 50), 0);
  sequencer.segment(keeper, rangeSegment(50, 60), 0);
  for (const { lane } of lanes) lane.close('staging pressed');
  await rest(parts);
  const log = writers['claims']?.log;
  await eventually('all is committed', () => log?.at(-1) === 'claims-0 [20, 60)');
  assert.deepEqual(log, ['gap claims-0 [0, 20)', 'claims-0 [20, 60)']);
});

test('where nobody comes to read it, a spool behind `latest` is taken, and one that lacks its beginning waits', async () => {
  for (const [startAt, outcome] of [
    ['latest', 'staged'],
    [undefined, 'rewound'],
  ] as const) {
    const { sequencer } = sequencerOf({ tables: [{ name: 'claims' }] });
    const keeper = linkOf();
    await sequencer.declare(keeper, [holder({ startAt })]);
    assert.equal(sequencer.segment(keeper, rangeSegment(50, 60), 0), outcome, startAt ?? 'not set');
  }
});

test('with a backfill, too, it begins at 0, and what lies above is no history', async () => {
  const { sequencer, writers, clock } = sequencerOf({ tables: [{ name: 'claims', backfill: 'earliest' }] });
  await sequencer.declare(linkOf(), [holder()]);
  const link = linkOf();
  await sequencer.declare(link, [reader()]);
  await clock.advance(0);
  const { opened, history } = writers['claims'] ?? assert.fail();
  assert.deepEqual([opened[0]?.start, history], [0, undefined]);
  assert.deepEqual(link.told, []);
});

test('with a backfill behind `latest` it begins with the spool, and all that Kafka has below is history', async () => {
  const tables: readonly Wanted[] = [{ name: 'claims', startAt: 'latest', backfill: 'earliest' }];
  const { sequencer, writers, clock } = sequencerOf({ tables });
  await sequencer.declare(linkOf(), [holder()]);
  const link = linkOf();
  await sequencer.declare(link, [reader()]);
  await clock.advance(0);
  const { opened, history } = writers['claims'] ?? assert.fail();
  assert.deepEqual([opened[0]?.start, history], [50, { from: 20, next: 20, to: 50 }]);
  assert.match(link.told[0] ?? '', /^history claims-0 \[20, 50\)/);
});

test('a leftover of a topic’s earlier self begins at 0, whatever is said, and the new one where its reader says', async () => {
  const { sequencer, writers } = sequencerOf({ tables: [{ name: 'claims', startAt: 'latest' }] });
  const again = 'f'.repeat(32);
  await sequencer.declare(linkOf(), [{ ...reader(), topicId: again }]);
  await sequencer.declare(linkOf(), [holder({ startAt: 'latest' })]);
  const opened = writers['claims']?.opened.map(({ partition, start }) => [
    partition.topicId === again,
    start,
  ]);
  assert.deepEqual(opened, [
    [true, KAFKA.logEnd],
    [false, 0],
  ]);
});

test('a topic that comes to a table opens on the word of who reads it, and not of who spoke last', async () => {
  const { sequencer, create, clock } = sequencerOf();
  await sequencer.declare(linkOf(), [reader()]);
  await sequencer.declare(linkOf(), [holder()]);
  const added = create({ name: 'all', startAt: 'earliest' }, true);
  sequencer.add(added);
  await settle();
  await clock.advance(0);
  assert.deepEqual(
    added.writer.opened.map(({ start }) => start),
    [KAFKA.logStart],
  );
});
