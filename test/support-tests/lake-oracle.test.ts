// The oracle of a whole lake is shown each thing that it must never see, and says so; and a lake in order,
// and says nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LakeRow } from '../support/lake-oracle.ts';
import { SLOT, WatchedLake } from '../support/watched-lake.ts';

test('a lake in order is left in peace', () => {
  const lake = new WatchedLake().open().commit(0, 4).publish(0).commit(4, 6).publish(4);
  lake.oracle.acknowledged('the group offset', SLOT, 6);
  assert.deepEqual(lake.findings, []);
  assert.deepEqual(lake.oracle.missing(), []);
});

test('what is not queryable yet is missing, and whoever was told otherwise is found', () => {
  const lake = new WatchedLake().open().commit(0, 4).commit(4, 6).publish(4);
  assert.deepEqual(lake.oracle.missing(), ['orders/0: 5 was produced and 0 is queryable']);
  lake.publish(0, ['rows']);
  lake.oracle.acknowledged('the spool', SLOT, 4);
  assert.deepEqual(lake.findings, ['the spool: orders/0 4 is acknowledged and 0 is queryable']);
});

test('objects without their partition in the catalog are not queryable', () => {
  const lake = new WatchedLake().open().commit(0, 6).publish(0);
  lake.registered.delete('orders orders/part=p0/');
  lake.oracle.acknowledged('the spool', SLOT, 6);
  assert.match(lake.findings.join(), /6 is acknowledged and 0 is queryable/);
});

const row = (offset: number, n: number): LakeRow => ({ ...SLOT, offset, n });
const all = [row(0, 10), row(4, 14), row(5, 15)];

for (const [fault, act, says] of [
  [
    'a record that is lost',
    (l: WatchedLake) => l.open().commit(0, 6, { rows: all.slice(1) }),
    /@0 is missing/,
  ],
  [
    'a record that is doubled',
    (l) => l.open().commit(0, 6, { rows: [...all, row(4, 14)] }),
    /@4 stands there twice/,
  ],
  [
    'an aborted record',
    (l) => l.open().commit(0, 6, { rows: [...all, row(3, 13)] }),
    /@3 does not belong there/,
  ],
  [
    'another record’s content',
    (l) => l.open().commit(0, 6, { rows: [row(0, 99), ...all.slice(1)] }),
    /holds 99 and not 10/,
  ],
  [
    'a wrong count',
    (l) => l.open().commit(0, 6, { entry: { classes: { in: 5, filtered: 0 } } }),
    /counts 0 filtered records of 1/,
  ],
  [
    'a record count that is wrong',
    (l) => l.open().commit(0, 6, { entry: { classes: { in: 4, filtered: 1 } } }),
    /counts 4 records of 5/,
  ],
  ['a hole between windows', (l) => l.open().commit(0, 1).commit(4, 6), /goes on at 4 where 1 must come/],
  ['a range twice', (l) => l.open().commit(0, 4).commit(0, 4), /goes on at 0 where 4 must come/],
  [
    'a partition that opens behind records',
    (l) => l.open(3),
    /opens orders\/0 \[0, 3\), and Kafka still has 0/,
  ],
  ['a partition that opens twice', (l) => l.open().open(), /opens orders\/0 twice/],
  [
    'a gap that is none',
    (l) => l.open().append({ kind: 'gap', gaps: [{ ...SLOT, start: 0, next: 3 }] }),
    /says a gap .* Kafka still has 0/,
  ],
  [
    'rows before their commit',
    (l) => void l.put('orders/part=p0/early.json', '[]'),
    /is seen before its commit/,
  ],
  [
    'other bytes than committed',
    (l) => void l.open().commit(0, 6).put('orders/part=p0/0.json', '[1]'),
    /holds other bytes/,
  ],
  [
    'a commit without its bytes',
    (l) =>
      void l.open().append({
        kind: 'commit',
        ranges: [],
        classes: { in: 0, filtered: 0 },
        outputs: [{ output: 'rows', stagedKey: 'gone', finalKey: 'orders/x', sha256: '' }],
      }),
    /is committed without its bytes/,
  ],
  [
    'rows that are taken back',
    (l) => void l.open().commit(0, 6).publish(0).remove('orders/part=p0/0.json'),
    /was seen, and then taken back/,
  ],
  [
    'rows that are replaced',
    (l) => void l.open().commit(0, 6).publish(0).publish(0),
    /was seen, and then replaced/,
  ],
  [
    'an entry that is deleted',
    (l) => void l.open().remove('_sluice/ledger/orders/00000000000000000000.json'),
    /was deleted/,
  ],
  ['an entry that is replaced', (l) => void l.open().append({ kind: 'published' }, 0), /was written twice/],
  [
    'a number that is left out',
    (l) => void l.open().append({ kind: 'published' }, 2),
    /entry 2 stands where 1 must/,
  ],
  [
    'an entry that says too much',
    (l) => void l.open().commit(0, 6).append({ kind: 'published', publishedThrough: 1 }),
    /says that 1 is published/,
  ],
  [
    'a file in two windows',
    (l) => void l.open().commit(0, 6).commit(0, 6),
    /names orders\/part=p0\/0.json, as another does/,
  ],
] as readonly (readonly [string, (lake: WatchedLake) => unknown, RegExp])[]) {
  test(`the oracle names ${fault}`, () => {
    const lake = new WatchedLake();
    act(lake);
    assert.match(lake.findings.join('\n'), says);
  });
}

test('records of an open transaction are in no window', () => {
  const lake = new WatchedLake();
  lake.kafka.produced.set(5, { kind: 'good', n: 15, outcome: 'open' });
  lake.open().commit(0, 6);
  assert.match(lake.findings.join('\n'), /holds orders\/0@5 of an open transaction/);
});

test('a gap of what Kafka has lost is a fate', () => {
  const lake = new WatchedLake();
  lake.kafka.start = 6;
  lake.open().append({ kind: 'gap', gaps: [{ ...SLOT, start: 0, next: 6 }] });
  assert.deepEqual(lake.findings, []);
  assert.deepEqual(lake.oracle.missing(), []);
});

test('a log that was cut, and a table that goes on at the cut, are left in peace', () => {
  const lake = new WatchedLake().open().commit(0, 4).publish(0).cut(2);
  assert.match(lake.oracle.missing().join('\n'), /is queryable/);
  lake.fork(2);
  lake.oracle.acknowledged('the spool', SLOT, 4);
  lake.commit(2, 6, { leaderEpoch: 1 }).publish(2);
  assert.deepEqual(lake.findings, []);
  assert.deepEqual(lake.oracle.missing(), []);
});

for (const [fault, act, says] of [
  [
    'a table that goes on as if nothing was cut',
    (l) => void l.open().commit(0, 4).cut(2).commit(4, 6, { leaderEpoch: 1 }),
    /goes on at 4 in epoch 1, and the log of 0 was cut at 2/,
  ],
  ['a fork of a log that was not cut', (l) => void l.open().commit(0, 4).fork(2), /no log was cut/],
  [
    'a fork that takes valid records twice',
    (l) => void l.open().commit(0, 4).cut(2).fork(1),
    /forks orders\/0 at 1, and its log was cut at 2/,
  ],
  [
    'whoever lets go of what an open gap wants',
    (l) => {
      l.kafka.start = 4;
      l.open().append({ kind: 'gap', gaps: [{ ...SLOT, start: 0, next: 4, leaderEpoch: 0 }] });
      l.oracle.forgotten('the spool', SLOT, { nextOffset: 6, openGaps: [{ startOffset: 0, nextOffset: 2 }] });
    },
    /the spool lets go of orders\/0 \[2, 4\), an open gap of orders/,
  ],
  [
    'whoever lets go of what a fill has brought that nobody sees yet',
    (l) => {
      l.kafka.start = 4;
      l.open().append({ kind: 'gap', gaps: [{ ...SLOT, start: 0, next: 4, leaderEpoch: 0 }] });
      l.commit(0, 4, { entry: { kind: 'fill' } });
      l.oracle.forgotten('the spool', SLOT, { nextOffset: 6, openGaps: [] });
    },
    /lets go of orders\/0 \[0, 4\), an open gap/,
  ],
  [
    'a fill from a log that was cut',
    (l) => {
      l.kafka.start = 4;
      l.cut(2)
        .open()
        .append({ kind: 'gap', gaps: [{ ...SLOT, start: 0, next: 4, leaderEpoch: 1 }] });
      l.kafka.start = 0;
      l.commit(4, 6, { leaderEpoch: 1 }).commit(0, 4, { entry: { kind: 'fill' } });
    },
    /fills orders\/0 \[0, 4\) from a log that was cut at 2/,
  ],
] as readonly (readonly [string, (lake: WatchedLake) => unknown, RegExp])[]) {
  test(`the oracle names ${fault}`, () => {
    const lake = new WatchedLake();
    act(lake);
    assert.match(lake.findings.join('\n'), says);
  });
}

const added = () => {
  const lake = new WatchedLake({ isAdded: true }).open(4);
  const begin = (from: number, to: number) => {
    lake.append({ kind: 'backfill', backfills: [{ ...SLOT, from, to }] });
    return lake;
  };
  const fill = (start: number, next: number) => {
    lake.commit(start, next, { entry: { kind: 'fill' } }).publish(start);
    return lake;
  };
  const lose = (start: number, next: number) => {
    lake.append({ kind: 'gap', gaps: [{ ...SLOT, start, next }] });
    return lake;
  };
  return { lake, begin, fill, lose };
};

test('a table that was added is left in peace when its history is read in order beside it', () => {
  const { lake, begin, fill } = added();
  begin(0, 4);
  fill(0, 2);
  lake.commit(4, 6).publish(4);
  assert.deepEqual(lake.oracle.missing(), ['orders: the history of orders/0 is at 2 of 4']);
  fill(2, 4);
  assert.deepEqual([lake.oracle.missing(), lake.findings], [[], []]);
  lake.oracle.acknowledged('the group offset', SLOT, 6);
  assert.deepEqual(lake.findings, []);
});

test('the oracle names history that nobody begins, or that is lost while Kafka has it', () => {
  const { lake } = added();
  lake.commit(4, 6).publish(4);
  assert.deepEqual(lake.oracle.missing(), ['orders: the history of orders/0 below 4 was never begun']);
  const late = added();
  late.begin(1, 4);
  assert.match(late.lake.findings.join(), /reads no history of orders\/0 \[0, 1\), and Kafka still has 0/);
  const lost = added();
  lost.begin(0, 4);
  lost.lose(0, 2);
  assert.match(lost.lake.findings.join(), /says a gap of orders\/0 \[0, 2\), and Kafka still has 0/);
});

test('the oracle names history that is begun twice, goes on elsewhere, or reaches above the table’s beginning', () => {
  const { lake, begin, fill } = added();
  begin(0, 4);
  begin(0, 4);
  assert.match(lake.findings.join(), /begins the history of orders\/0 twice/);
  fill(1, 2);
  assert.match(lake.findings.join(), /fills orders\/0 \[1, 2\), no open gap/);
  const above = added();
  above.begin(0, 5);
  assert.match(above.lake.findings.join(), /\[0, 5\) of orders\/0, which it opened at 4/);
});

test('the oracle counts history once: what a gap in it says moves nothing that is queryable', () => {
  const { lake, begin, lose } = added();
  lake.kafka.start = 2;
  begin(0, 4);
  lake.commit(4, 6).publish(4);
  lose(0, 2);
  assert.equal(lake.oracle.queryableThrough(SLOT), 6);
});
