// A topic that is stuck stops at its share and never its neighbours; what was stopped flows again only with
// room to spare.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpoolPartition, SpoolPressure } from '@sluice/agent/contracts.ts';
import {
  INODES_MIN,
  judgePressure,
  NO_PRESSURE,
  sameHolds,
  samePressure,
} from '@sluice/agent/spool/pressure.ts';
import type { SpoolState } from '@sluice/agent/spool/worker-protocol.ts';
import fc from 'fast-check';

const none = NO_PRESSURE;
const limits = { bytesMax: 1_000, freeSpaceMin: 100 };

function stateOf(bytes: Readonly<Record<string, number>>, freeBytes = 1e9, freeInodes = 1e6): SpoolState {
  const partitions = Object.entries(bytes).map(([topic, size]) => ({ topic, bytes: size }) as SpoolPartition);
  return { partitions, files: 1, diskBytes: 0, freeBytes, freeInodes, setAside: [], dropped: [], cutOff: [] };
}

const judge = (bytes: Readonly<Record<string, number>>, before = none) =>
  judgePressure(stateOf(bytes), limits, before);
const held = ({ heldTopics }: SpoolPressure) => [...heldTopics.keys()].sort();
const filling = ({ filling: topics }: SpoolPressure) => [...topics].sort();

test('full is the cap, or less free space than must stay, each by its name in the config', () => {
  assert.equal(judge({ a: 999 }).full, undefined);
  assert.match(judge({ a: 600, b: 400 }).full ?? '', /spool\.bytesMax \(1000 B\)/);
  assert.match(judgePressure(stateOf({}, 99), limits, none).full ?? '', /spool\.freeSpaceMin \(100 B\)/);
  assert.equal(judgePressure(stateOf({}, 100), limits, none).full, undefined);
});

test('a disk without inodes is full, though it has bytes, and takes again with twice as many as it must have', () => {
  const dry = judgePressure(stateOf({}, 1e9, INODES_MIN - 1), limits, none);
  assert.match(dry.full ?? '', /has 11 inodes left, and bytes free/);
  assert.equal(dry.reserveUsed, false);
  assert.equal(judgePressure(stateOf({}, 1e9, INODES_MIN), limits, none).full, undefined);
  assert.notEqual(judgePressure(stateOf({}, 1e9, 2 * INODES_MIN - 1), limits, dry).full, undefined);
  assert.equal(judgePressure(stateOf({}, 1e9, 2 * INODES_MIN), limits, dry).full, undefined);
  assert.equal(judgePressure(stateOf({}, 1e9, INODES_MIN / 2 - 1), limits, dry).reserveUsed, true);
});

test('the reserve is 64 MiB beyond the cap, and 64 MiB of the free space that must stay', () => {
  assert.equal(judge({ a: 1_000 + 2 ** 26 - 1 }).reserveUsed, false);
  assert.equal(judge({ a: 1_000 + 2 ** 26 }).reserveUsed, true);
  const roomy = { bytesMax: 1_000, freeSpaceMin: 2 ** 30 };
  assert.equal(judgePressure(stateOf({}, 2 ** 30 - 2 ** 26), roomy, none).reserveUsed, false);
  assert.equal(judgePressure(stateOf({}, 2 ** 30 - 2 ** 26 - 1), roomy, none).reserveUsed, true);
  assert.equal(samePressure(none, { ...none, reserveUsed: true }), false);
});

test('half of the free space that must stay does stay, however little that is', () => {
  assert.equal(judgePressure(stateOf({}, 50), limits, none).reserveUsed, false);
  assert.equal(judgePressure(stateOf({}, 49), limits, none).reserveUsed, true);
});

test('what is read for others has three quarters of the reserve, and waits until a tenth of that is free', () => {
  const shared = (bytes: number, before = none) => judge({ a: 1_000 + bytes }, before).sharedReserveUsed;
  const part = 48 * 2 ** 20;
  assert.deepEqual([shared(part - 1), shared(part)], [false, true]);
  const used = { ...none, sharedReserveUsed: true };
  assert.deepEqual([shared(part * 0.9 + 1, used), shared(part * 0.9 - 1, used)], [true, false]);
  assert.equal(judge({ a: 1_000 + part }).reserveUsed, false, 'what is missing here has the rest');
  assert.equal(samePressure(none, used), false);
  assert.equal(sameHolds(none, { ...used, reserveUsed: true }), true, 'and is no line of the log');
});

test('a topic that has filled the spool stops, and who holds less than is theirs alone is read on', () => {
  const full = judge({ refused: 1_000 });
  assert.deepEqual([filling(full), full.isFullForAll], [['refused'], false]);
  const beside = judge({ refused: 1_000, b: 249 }, full);
  assert.deepEqual([filling(beside), beside.isFullForAll], [['refused'], false]);
  const used = judge({ refused: 1_000, b: 250 }, beside);
  assert.deepEqual([filling(used), used.isFullForAll], [['b', 'refused'], false]);
  assert.deepEqual(filling(judge({ refused: 1_000, b: 225 }, used)), ['b', 'refused']);
  assert.deepEqual(filling(judge({ refused: 1_000, b: 224 }, used)), ['refused']);
});

test('where the disk has less room than the cap, what it has is shared out in the same way', () => {
  const small = (bytes: Readonly<Record<string, number>>, freeBytes: number) =>
    judgePressure(stateOf(bytes, freeBytes), { bytesMax: 1e9, freeSpaceMin: 100 }, none);
  assert.deepEqual(filling(small({ refused: 400, b: 90 }, 99)), ['refused']);
  assert.deepEqual(filling(small({ refused: 400, b: 90 }, 101)), []);
});

test('half of the reserve is left to refills: then a full spool is full for all, until half of the other half is free', () => {
  const half = 1_000 + 2 ** 25;
  assert.equal(judge({ a: half - 1 }).isFullForAll, false);
  const all = judge({ a: half });
  assert.deepEqual([all.isFullForAll, all.reserveUsed], [true, false]);
  assert.equal(judge({ a: 1_000 + 2 ** 24 }, all).isFullForAll, true);
  assert.equal(judge({ a: 1_000 + 2 ** 24 - 1 }, all).isFullForAll, false);
  const floor = (freeBytes: number, before = none) =>
    judgePressure(stateOf({ a: 1 }, freeBytes), limits, before).isFullForAll;
  assert.deepEqual([floor(99), floor(75), floor(74)], [false, false, true]);
  assert.deepEqual([floor(87, all), floor(88, all)], [true, false]);
  assert.equal(samePressure(all, { ...all, isFullForAll: false }), false);
  assert.equal(samePressure(all, { ...all, filling: new Set() }), false);
});

test('a disk that others have filled, or that has no inodes, is full for all', () => {
  assert.equal(judgePressure(stateOf({}, 99), limits, none).isFullForAll, true);
  const dry = judgePressure(stateOf({ a: 1 }, 1e9, INODES_MIN - 1), limits, none);
  assert.equal(dry.isFullForAll, true);
  assert.equal(judgePressure(stateOf({ a: 1 }, 1e9, 2 * INODES_MIN - 1), limits, dry).isFullForAll, true);
  assert.equal(judge({}).isFullForAll, false);
});

test('a full spool takes again at nine tenths, so that it does not flutter', () => {
  const full = judge({ a: 1_000 });
  assert.notEqual(judge({ a: 999 }, full).full, undefined);
  assert.notEqual(judge({ a: 900 }, full).full, undefined);
  assert.equal(judge({ a: 899 }, full).full, undefined);
  const dry = judgePressure(stateOf({}, 99), limits, none);
  assert.notEqual(judgePressure(stateOf({}, 110), limits, dry).full, undefined);
  assert.equal(judgePressure(stateOf({}, 112), limits, dry).full, undefined);
});

const SHARES: readonly (readonly [string, Readonly<Record<string, number>>, readonly string[]])[] = [
  ['a topic alone has it all', { a: 999 }, []],
  ['a topic that holds its own half of the half and the whole common one stops', { a: 750, b: 1 }, ['a']],
  ['a little less, and it flows', { a: 749, b: 1 }, []],
  ['who stays in its own share is never stopped by the others', { a: 760, b: 239 }, ['a']],
  ['two that share the common half stop together', { a: 420, b: 420, c: 10 }, ['a', 'b']],
];

for (const [what, bytes, stopped] of SHARES) test(what, () => assert.deepEqual(held(judge(bytes)), stopped));

test('a topic that was stopped stays so until a tenth of its share is free', () => {
  const before = judge({ a: 750, b: 1 });
  assert.deepEqual(held(judge({ a: 740, b: 1 }, before)), ['a']);
  assert.deepEqual(held(judge({ a: 690, b: 1 }, before)), []);
});

test('whatever one topic does, another may fill its own share before the spool is full', () => {
  const sizes = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(400), { minKeys: 2 });
  fc.assert(
    fc.property(sizes, (bytes) => {
      const topics = Object.keys(bytes);
      const share = limits.bytesMax / 2 / topics.length;
      const stopped = held(judge(bytes));
      for (const topic of stopped)
        assert.ok((bytes[topic] ?? 0) >= share, `${topic} was stopped below its share of ${share}`);
      if (judge(bytes).full === undefined) return;
      const inside = topics.filter((topic) => (bytes[topic] ?? 0) < share);
      if (inside.length === 0) return;
      assert.ok(stopped.length > 0, 'the spool is full and nobody was stopped at its share');
    }),
  );
});

test('the same pressure is not told twice, another one is', () => {
  assert.ok(samePressure(judge({ a: 750, b: 1 }), judge({ a: 755, b: 1 })));
  assert.ok(!samePressure(judge({ a: 750, b: 1 }), none));
  assert.ok(!samePressure(judge({ a: 750, b: 1 }), judge({ a: 1, b: 750 })));
  assert.ok(!samePressure(judge({ a: 1_000 }), none));
});
