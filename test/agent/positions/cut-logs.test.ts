// What the agent knows of the leader epochs before a place goes to Kafka with every seek, so that a cut is
// noticed; and what nobody can be asked about goes on where the spool itself shows that it may.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpoolPartition, WelcomedPosition } from '@sluice/agent/contracts.ts';
import { applyCut, impliedCut, notCut, placesToProve } from '@sluice/agent/positions/cut-logs.ts';
import { PartitionBook } from '@sluice/agent/positions/partition-book.ts';
import { infoOfSpool, newState } from '@sluice/agent/positions/partition-state.ts';
import type { LogPlace } from '@sluice/shared/position.ts';
import { FakeSpool, rangeSegment } from '../../support/fake-spool.ts';
import { claims } from './simulated-partition.ts';

const info = {
  ...claims,
  leaderEpoch: 0,
  logStart: 0,
  logEnd: 9,
  groupOffset: undefined,
  startAt: undefined,
};

function welcomeAt(received: number, stands: readonly LogPlace[]): WelcomedPosition {
  const told = { leaderEpoch: -1, nextOffset: 0, rewindEpoch: 0, openGaps: [], current: true };
  return { ...claims, ...told, received, stands };
}

function bookOf(groupOffset?: number, spool = new FakeSpool()) {
  const seeks: string[] = [];
  const asked: LogPlace[] = [];
  const nothing = () => {};
  const book = new PartitionBook({
    source: {
      seek: (_slot, offset, epoch) => void seeks.push(`${offset} behind epoch ${epoch}`),
      prove: (_partition, places) => void asked.push(...places),
      commit: nothing,
    },
    ...{
      spoolOf: () => spool.partitions()[0],
      startAtOf: () => undefined,
      declare: nothing,
      revoke: nothing,
      refills: nothing,
    },
    ...{ positionMoved: nothing, askedAgain: nothing, finish: nothing },
  });
  book.assigned([claims]);
  book.described([{ ...info, groupOffset }]);
  return { book, seeks, asked };
}

const committed = (nextOffset: number, leaderEpoch: number) => {
  return { partition: claims, nextOffset, leaderEpoch, openGaps: [] };
};

test('what was read again in a newer epoch shows that what was on its way to the disk is of a log that was cut', () => {
  const spool = new FakeSpool();
  const { book } = bookOf(10, spool);
  book.welcomed(welcomeAt(10, []));
  spool.append([rangeSegment(10, 15), rangeSegment(15, 20)]);
  assert.equal(book.spooled(rangeSegment(10, 15)), undefined, 'the same once more');
  assert.equal(book.spooled(rangeSegment(20, 25, { leaderEpoch: 1 })), undefined, 'what goes on in it');
  const again = rangeSegment(15, 20, { leaderEpoch: 1 });
  assert.deepEqual(book.spooled(again), { offset: 15, leaderEpoch: 0 });
  book.cut(claims, { offset: 15, leaderEpoch: 0 });
  assert.equal(book.spooled(again), undefined, 'the spool is told already');
});

test('where what was read again in a newer epoch is committed already Kafka is asked', () => {
  const { book, asked } = bookOf(10);
  book.committed(committed(20, 0));
  book.spooled(rangeSegment(20, 25, { leaderEpoch: 1 }));
  book.spooled(rangeSegment(15, 20));
  assert.deepEqual(asked, []);
  book.spooled(rangeSegment(15, 20, { leaderEpoch: 1 }));
  assert.deepEqual(asked, [{ offset: 20, leaderEpoch: 0 }]);
});

test('where what is read in a newer epoch lies below where some table stands in an older one Kafka is asked', () => {
  const { book, asked } = bookOf(15);
  const stands = [
    { offset: 15, leaderEpoch: -1 },
    { offset: 20, leaderEpoch: 0 },
  ];
  book.welcomed(welcomeAt(15, stands));
  book.spooled(rangeSegment(15, 18));
  book.spooled(rangeSegment(20, 25, { leaderEpoch: 1 }));
  assert.deepEqual(asked, []);
  book.spooled(rangeSegment(15, 18, { leaderEpoch: 1 }));
  assert.deepEqual(asked, [{ offset: 20, leaderEpoch: 0 }]);
});

test('what others commit of an older epoch behind where this agent reads is compared with Kafka’s log', () => {
  const { book, asked } = bookOf(10);
  book.committed(committed(15, 0));
  assert.deepEqual(asked, [], 'no newer epoch is known');
  book.described([{ ...info, leaderEpoch: 2 }]);
  asked.length = 0;
  book.committed(committed(10, 1));
  assert.deepEqual(asked, [], 'it was read here');
  book.committed(committed(20, 1));
  assert.deepEqual(asked, [{ offset: 20, leaderEpoch: 1 }]);
  const other = bookOf(10);
  other.book.cut(claims, { offset: 10, leaderEpoch: 1 });
  other.book.resumeAtCut(claims);
  other.book.committed(committed(12, 1));
  assert.deepEqual(other.asked, [{ offset: 12, leaderEpoch: 1 }], 'a cut that is known counts, too');
});

test('what stands in a table before the place is known to who reads on there, also where nothing of it is acknowledged', () => {
  const { book, seeks } = bookOf();
  book.welcomed(welcomeAt(5, [{ offset: 5, leaderEpoch: 3 }]));
  assert.deepEqual(seeks, ['5 behind epoch 3']);
  assert.deepEqual(book.assigned([claims]).get('claims/0'), { offset: 5, leaderEpoch: 3 });
});

test('who stands at the place already learns what lies before it, and of several tables the oldest counts', () => {
  const { book, seeks } = bookOf(5);
  const stands = [4, 3].map((leaderEpoch) => ({ offset: 5, leaderEpoch }));
  book.welcomed(welcomeAt(5, stands));
  assert.deepEqual(seeks, ['5 behind epoch -1', '5 behind epoch 3']);
});

test('what is spooled of a topic that is gone goes on where it begins in the epoch of the place, and only there', () => {
  const spool = new FakeSpool();
  spool.append([rangeSegment(20, 25), rangeSegment(25, 30, { leaderEpoch: 2 })]);
  const [held] = spool.partitions() as [SpoolPartition];
  const state = newState(claims, infoOfSpool(held, undefined));
  const unproven = (offset: number, leaderEpoch: number) =>
    placesToProve(state, held, [{ offset, leaderEpoch }]).length > 0;
  assert.equal(unproven(20, 0), false);
  assert.equal(unproven(25, 0), true, 'what comes next is of a newer epoch');
  assert.equal(unproven(10, 0), true, 'nothing is spooled there');
  state.assigned = true;
  assert.equal(unproven(20, 0), true, 'who reads it can ask');
});

test('what is spooled of an older epoch behind a place where a table stands is of a log that was cut, and told once', () => {
  const spool = new FakeSpool();
  spool.append([rangeSegment(20, 25), rangeSegment(25, 30), rangeSegment(30, 40, { leaderEpoch: 2 })]);
  const [held] = spool.partitions() as [SpoolPartition];
  const state = newState(claims, infoOfSpool(held, undefined));
  const cutBy = (offset: number, leaderEpoch: number) => impliedCut(state, held, [{ offset, leaderEpoch }]);
  assert.deepEqual(cutBy(25, 2), { offset: 25, leaderEpoch: 1 });
  assert.equal(cutBy(30, 2), undefined, 'nothing older lies behind it');
  assert.equal(cutBy(25, 0), undefined, 'the table is no further');
  applyCut(state, { offset: 25, leaderEpoch: 1 });
  assert.equal(cutBy(25, 2), undefined);
});

test('of two cuts each counts for what is said of its epochs, and a later one below it for all', () => {
  const state = newState(claims, info);
  applyCut(state, { offset: 12, leaderEpoch: 0 });
  applyCut(state, { offset: 17, leaderEpoch: 1 });
  assert.deepEqual(
    [0, 1, 2].map((epoch) => notCut(state, 30, epoch)),
    [12, 17, 30],
  );
  assert.equal(state.cutAt, 12, 'reading goes on at the lower one');
  applyCut(state, { offset: 5, leaderEpoch: 3 });
  assert.equal(state.cuts.length, 1);
});
