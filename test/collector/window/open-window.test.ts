// The ranges of a window are contiguous and balance, wherever its segments were cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerRange, TableConfig } from '@sluice/collector/contracts.ts';
import {
  addToWindow,
  newWindow,
  type OpenWindow,
  releaseWindow,
  trimWindow,
  windowRanges,
} from '@sluice/collector/window/open-window.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import fc from 'fast-check';
import { rangeSegment } from '../../support/fake-spool.ts';

interface Held {
  released: number;
}

function windowOf(...segments: readonly (readonly [Segment, number?])[]): {
  window: OpenWindow;
  held: Held[];
} {
  const window = newWindow('w', { wallMs: 0, monotonicMs: 0 }, {} as TableConfig);
  const held: Held[] = [];
  for (const [segment, fromOffset = segment.startOffset] of segments) {
    const one: Held = { released: 0 };
    held.push(one);
    addToWindow(window, {
      segment,
      fromOffset,
      held: { stored: undefined, release: () => void one.released++ },
    });
  }
  return { window, held };
}

test('what lies on disk counts as it did in memory, and no segment holds its bytes', () => {
  const window = newWindow('w', { wallMs: 0, monotonicMs: 0 }, {} as TableConfig);
  const segment = rangeSegment(0, 10, { payload: new Uint8Array(50) });
  const stored = { byteLength: 50, read: async () => new Uint8Array(50) };
  addToWindow(window, { segment, fromOffset: 0, held: { stored, release: () => {} } });
  const inMemory = rangeSegment(10, 20, { payload: new Uint8Array(7) });
  addToWindow(window, { segment: inMemory, fromOffset: 10, held: { stored: undefined, release: () => {} } });
  assert.deepEqual([window.bytes, window.records], [57, 20]);
  assert.deepEqual(
    window.segments.map((s) => [s.stored, s.segment.payload.length]),
    [
      [stored, 0],
      [undefined, 7],
    ],
  );
});

const key = (partition = 0) => partitionKey(rangeSegment(0, 1, { partition }));
const decoded = (...records: number[]) => new Map(records.map((n, partition) => [key(partition), n]));
const shape = ({ partition, start, next, counts }: LedgerRange) => [partition, start, next, counts.records];

test('a window has one range a partition, from its first segment to its last', () => {
  const { window } = windowOf(
    [rangeSegment(10, 20)],
    [rangeSegment(0, 5, { partition: 1 })],
    [rangeSegment(20, 25, { leaderEpoch: 7 })],
  );
  const ranges = windowRanges(window, decoded(15, 5));
  assert.deepEqual(ranges.map(shape), [
    [0, 10, 25, 15],
    [1, 0, 5, 5],
  ]);
  assert.equal(ranges[0]?.leaderEpoch, 7);
  assert.equal(window.bytes, 20);
  assert.equal(window.records, 20);
});

const mixed = rangeSegment(100, 120, {
  counts: { records: 8, control: 1, aborted: 6, absent: 5 },
  skipped: [
    { kind: 'aborted', firstOffset: 105, lastOffset: 110, count: 6 },
    { kind: 'control', firstOffset: 111, lastOffset: 111, count: 1 },
  ],
});

test('control, aborted and absent offsets ride along, and are cut where the segment is', () => {
  const counts = (from: number, records: number) =>
    windowRanges(windowOf([mixed, from]).window, decoded(records))[0]?.counts;
  assert.deepEqual(counts(100, 8), { records: 8, control: 1, aborted: 6, absent: 5 });
  assert.deepEqual(counts(108, 5), { records: 5, control: 1, aborted: 3, absent: 3 });
  assert.deepEqual(counts(112, 4), { records: 4, control: 0, aborted: 0, absent: 4 });
});

test('another number of records than the agent counted stops the table, unless the segment was cut', () => {
  const { window } = windowOf([mixed]);
  assert.throws(() => windowRanges(window, decoded(7)), {
    code: 'SEGMENT_COUNTS_DISAGREE',
    place: 'claims-0@100',
  });
  const { window: cut } = windowOf([mixed, 108]);
  assert.equal(windowRanges(cut, decoded(3))[0]?.counts.absent, 5);
  assert.throws(() => windowRanges(cut, decoded(9)), { code: 'SEGMENT_COUNTS_DISAGREE' });
});

test('a hole between two segments is an assertion, not a range', () => {
  const { window } = windowOf([rangeSegment(0, 5)], [rangeSegment(6, 9)]);
  assert.throws(() => windowRanges(window, decoded(8)), {
    code: 'ASSERTION_FAILED',
    message: /hole in claims-0 before 6/,
  });
});

/** A ledger that knows of no cut. */
const ledgerAt = (position: (partition: PartitionId) => number | undefined) => ({
  position,
  leaderEpoch: () => 0,
  forks: () => [],
});

test('trimming drops what another collector has committed, to the record, and lets its bytes go', () => {
  const { window, held } = windowOf(
    [rangeSegment(0, 10)],
    [rangeSegment(10, 20)],
    [rangeSegment(0, 9, { partition: 1 })],
  );
  trimWindow(
    window,
    ledgerAt(({ partition }) => (partition === 0 ? 14 : undefined)),
  );
  assert.deepEqual(
    held.map(({ released }) => released),
    [1, 0, 0],
  );
  assert.deepEqual(windowRanges(window, decoded(6, 9)).map(shape), [
    [0, 14, 20, 6],
    [1, 0, 9, 9],
  ]);
  releaseWindow(window);
  assert.deepEqual(
    held.map(({ released }) => released),
    [1, 1, 1],
    'nothing is released twice',
  );
});

test('a window that begins behind what is committed has lost something: it is never trimmed to fit', () => {
  const { window } = windowOf([rangeSegment(10, 20)]);
  assert.throws(
    () =>
      trimWindow(
        window,
        ledgerAt(() => 9),
      ),
    { code: 'ASSERTION_FAILED', message: /at 10, behind 9/ },
  );
  const { window: torn } = windowOf([rangeSegment(0, 10)], [rangeSegment(11, 20)]);
  assert.throws(
    () =>
      trimWindow(
        torn,
        ledgerAt(() => 5),
      ),
    { code: 'ASSERTION_FAILED', message: /at 11, behind 10/ },
  );
});

test('wherever it is trimmed, the ranges of a window balance', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(lengths, fc.nat(50), (list, cut) => {
      let at = 0;
      const segments = list.map((length) => {
        const aborted = Math.floor(length / 2);
        const skipped =
          aborted > 0
            ? [{ kind: 'aborted' as const, firstOffset: at, lastOffset: at + aborted - 1, count: aborted }]
            : [];
        const counts = { records: length - aborted, control: 0, aborted, absent: 0 };
        const segment = rangeSegment(at, at + length, { counts, skipped });
        at += length;
        return [segment] as const;
      });
      const isRecord = (offset: number) =>
        !segments.some(([s]) =>
          s.skipped.some((span) => span.firstOffset <= offset && offset <= span.lastOffset),
        );
      const { window } = windowOf(...segments);
      trimWindow(
        window,
        ledgerAt(() => cut),
      );
      const records = Array.from({ length: at }, (_, o) => o).filter((o) => o >= cut && isRecord(o)).length;
      const [range] = windowRanges(window, decoded(records));
      if (cut >= at) {
        assert.equal(range, undefined);
        return;
      }
      assert.ok(range !== undefined);
      const { control, aborted, absent } = range.counts;
      assert.equal(range.next - range.start, records + control + aborted + absent);
      assert.deepEqual([range.start, range.next], [cut, at]);
    }),
  );
});

test('what was read from a log that another collector has recorded as cut is given up, and told', () => {
  const { window, held } = windowOf(
    [rangeSegment(10, 20)],
    [rangeSegment(20, 30)],
    [rangeSegment(0, 9, { partition: 1 })],
    [rangeSegment(10, 20, { partition: 2, leaderEpoch: 1 })],
  );
  const ledger = {
    position: ({ partition }: PartitionId) => (partition === 1 ? 0 : 5),
    leaderEpoch: ({ partition }: PartitionId) => (partition === 1 ? 0 : 1),
    forks: ({ partition }: PartitionId) => (partition === 1 ? [] : [{ offset: 5, leaderEpoch: 1 }]),
  };
  const cut = trimWindow(window, ledger);
  assert.deepEqual(
    cut.map(({ partition }) => partition),
    [0, 2],
  );
  assert.deepEqual(
    window.segments.map(({ segment }) => segment.partition),
    [1],
  );
  assert.deepEqual(
    held.map(({ released }) => released),
    [1, 1, 0, 1],
  );
});

test('what was read in an older epoch than what another collector has committed below it is given up, and told', () => {
  const newer = { leaderEpoch: 1 };
  const { window } = windowOf(
    [rangeSegment(10, 20)],
    [rangeSegment(20, 30)],
    [rangeSegment(10, 15, { partition: 1 })],
    [rangeSegment(10, 20, { ...newer, partition: 2 })],
    [rangeSegment(10, 20, { leaderEpoch: -1, partition: 3 })],
  );
  const ledger = { position: () => 15, leaderEpoch: () => 1, forks: () => [] };
  assert.deepEqual(
    trimWindow(window, ledger).map(({ partition }) => partition),
    [0],
  );
  assert.deepEqual(
    window.segments.map(({ segment, fromOffset }) => [segment.partition, fromOffset]),
    [
      [2, 15],
      [3, 15],
    ],
  );
});

test('what another collector has committed of an older epoch is not gone on from with what is of a newer one', () => {
  const newer = { leaderEpoch: 1 };
  const { window } = windowOf(
    [rangeSegment(15, 25, newer)],
    [rangeSegment(25, 30, newer)],
    [rangeSegment(20, 30, { ...newer, partition: 1 })],
    [rangeSegment(15, 20, { ...newer, partition: 2 })],
    [rangeSegment(20, 30, { ...newer, partition: 2 })],
  );
  const ledger = { position: () => 20, leaderEpoch: () => 0, forks: () => [] };
  assert.deepEqual(
    trimWindow(window, ledger).map(({ partition }) => partition),
    [0, 2],
  );
  assert.deepEqual(
    window.segments.map(({ segment }) => segment.partition),
    [1],
  );
});
