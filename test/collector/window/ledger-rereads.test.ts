// A ledger that could not be read when a stream asked is read again without anybody asking: ever more rarely,
// once at a time, and only while somebody waits for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriterDouble } from '../../support/lane-doubles.ts';
import type { ManualClock } from '../../support/manual-clock.ts';
import { declaredOf, linkOf, sequencerOf } from '../../support/sequencer-harness.ts';

/** When it was asked, in ms; it fails until `mends`. */
function failing(writer: WriterDouble, clock: ManualClock, mends = () => false) {
  const askedMs: number[] = [];
  writer.refresh = () => {
    askedMs.push(clock.monotonicMs());
    return mends() ? Promise.resolve() : Promise.reject(new Error('the reply is no ledger'));
  };
  return askedMs;
}

function withClaims() {
  const parts = sequencerOf();
  const writer = parts.writers['claims'] ?? assert.fail();
  return { ...parts, writer };
}

const HOUR_MS = 3_600_000;

test('who waits for a ledger that could not be read is welcomed when it can be, without asking', async () => {
  const { sequencer, writer, clock } = withClaims();
  writer.place(declaredOf(), 7);
  let isMended = false;
  failing(writer, clock, () => isMended);
  const link = linkOf();
  const [position] = await sequencer.declare(link, [declaredOf()]);
  assert.notEqual(position?.current, true, 'others may have gone on');
  await clock.advance(10_000);
  assert.deepEqual(link.told, []);
  isMended = true;
  await clock.advance(30_000);
  assert.deepEqual(link.told, ['welcomed claims-0 7']);
});

test('it is tried ever more rarely, up to every 30 s, and once at a time however many ask', async () => {
  const { sequencer, writer, clock } = withClaims();
  const askedMs = failing(writer, clock);
  await sequencer.declare(linkOf(), [declaredOf()]);
  await sequencer.declare(linkOf(), [declaredOf(1)]);
  await clock.advance(100_000);
  assert.deepEqual(
    askedMs,
    [0, 0, 500, 1_500, 3_500, 7_500, 15_500, 31_500, 61_500, 91_500],
    'twice by streams, and then by itself',
  );
});

test('what was not opened since the ledger could not be read is opened behind it, and once', async () => {
  const { sequencer, writer, clock } = withClaims();
  let isMended = false;
  failing(writer, clock, () => isMended);
  const { open } = writer;
  writer.open = (partitions) => (isMended ? open(partitions) : Promise.reject(new Error('nor this')));
  const link = linkOf();
  assert.deepEqual(await sequencer.declare(link, [declaredOf(), declaredOf(1)]), []);
  isMended = true;
  await clock.advance(60_000);
  assert.deepEqual(
    writer.opened.map(({ partition, start }) => [partition.partition, start]),
    [
      [0, 0],
      [1, 0],
    ],
  );
  assert.deepEqual(link.told, ['welcomed claims-0 0', 'welcomed claims-1 0']);
});

test('when it was read for somebody else it is not tried again, and later begins anew', async () => {
  const { sequencer, writer, clock } = withClaims();
  let isMended = false;
  const askedMs = failing(writer, clock, () => isMended);
  await sequencer.declare(linkOf(), [declaredOf()]);
  await clock.advance(2_000);
  assert.deepEqual(askedMs, [0, 500, 1_500]);
  isMended = true;
  await sequencer.declare(linkOf(), [declaredOf(1)]);
  await clock.advance(HOUR_MS);
  assert.deepEqual(askedMs.slice(3), [2_000]);
  isMended = false;
  await sequencer.declare(linkOf(), [declaredOf(2)]);
  await clock.advance(600);
  assert.deepEqual(askedMs.slice(4), [HOUR_MS + 2_000, HOUR_MS + 2_500]);
});

test('nobody waits for it any more, and it is let be', async () => {
  const { sequencer, writer, clock } = withClaims();
  const askedMs = failing(writer, clock);
  const link = linkOf();
  await sequencer.declare(link, [declaredOf()]);
  sequencer.disconnected(link);
  await clock.advance(HOUR_MS);
  assert.deepEqual(askedMs, [0]);
});

test('a table that left the config is let be, and so is one that is halted', async () => {
  const { sequencer, writers, lanes, clock } = sequencerOf({ tables: [{ name: 'goes' }, { name: 'stays' }] });
  const askedMs = failing(writers['goes'] ?? assert.fail(), clock);
  await sequencer.declare(linkOf(), [declaredOf()]);
  await sequencer.remove(lanes[0] ?? assert.fail(), 1_000);
  await clock.advance(HOUR_MS);
  assert.deepEqual(askedMs, [0]);

  const other = withClaims();
  const askedHalted = failing(other.writer, other.clock);
  other.writer.enter('halted', 'an invariant broke');
  await other.sequencer.declare(linkOf(), [declaredOf()]);
  await other.clock.advance(HOUR_MS);
  assert.deepEqual(askedHalted, [0]);
});

test('a table that comes to a topic is waited for when its ledger can be read, without a stream asking', async () => {
  const { sequencer, create, clock } = withClaims();
  await sequencer.declare(linkOf(), [declaredOf()]);
  const added = create({ name: 'added' }, true);
  let isMended = false;
  failing(added.writer, clock, () => isMended);
  sequencer.add(added);
  await clock.advance(1_000);
  assert.notEqual(added.lane.detachedSinceMs(), undefined);
  isMended = true;
  await clock.advance(30_000);
  assert.equal(added.lane.detachedSinceMs(), undefined);
});
