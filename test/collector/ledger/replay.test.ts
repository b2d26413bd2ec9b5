// A replay entry is for ever like every other: one that a reader would refuse is not written, and what stands
// behind it waits for its objects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplayCommit, ReplayedObject } from '@sluice/collector/contracts.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, upTo, visible, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';

const KEY = 'claims_quarantine/q-1.parquet';
const range = { ...claims, start: 0, next: 2, records: 2 };
const taken = (change: Partial<ReplayedObject> = {}): ReplayedObject => ({
  entry: 1,
  finalKey: KEY,
  ranges: [range],
  ...change,
});

/** Its file's bytes are offsets 100 and 101, which no window has. */
function replayOf(change: Partial<ReplayCommit> = {}, id = 'r'): ReplayCommit {
  const { ranges: _ranges, ...made } = windowOf(100, 102, id);
  return { ...made, after: -1, replayed: [taken()], ...change };
}

async function opened(store: FakeObjectStore = fakeObjectStore(), clock = manualClock()) {
  const writer = writerOn(store, clock);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 5));
  return { writer, store };
}

test('a replay is visible when it resolves, and moves no position', async () => {
  const { writer, store } = await opened();
  const sequence = await writer.replay(replayOf());
  assert.deepEqual(visible(store), [...upTo(5), 100, 101]);
  assert.deepEqual([writer.position(claims), writer.acked(claims), sequence], [5, 5, 2]);
  await writer.commitWindow(windowOf(5, 7));
  assert.equal(writer.acked(claims), 7);
});

test('of two replays that know of the same ones the second is void, also after a restart', async () => {
  const { writer, store } = await opened();
  const other = writerOn(store);
  await other.load();
  await writer.replay(replayOf());
  await assert.rejects(other.replay(replayOf({}, 'again')), { code: 'REPLAY_OVERTAKEN' });
  const restarted = writerOn(store);
  await restarted.load();
  await assert.rejects(restarted.replay(replayOf({}, 'late')), { code: 'REPLAY_OVERTAKEN' });
  assert.deepEqual(visible(store), [...upTo(5), 100, 101]);
  assert.deepEqual(
    [...store.objects.keys()].filter((key) => key.includes('/staged/')),
    [],
  );
  await restarted.replay(replayOf({ after: 2, replayed: [taken({ finalKey: 'other' })] }, 'next'));
});

test('a checkpoint knows of the last replay', async () => {
  const store = fakeObjectStore();
  const writer = writerOn(store, undefined, undefined, { checkpointEvery: 4 });
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 5));
  await writer.replay(replayOf());
  for (let n = 5; n < 20; n++) await writer.commitWindow(windowOf(n, n + 1));
  const next = writerOn(store, undefined, undefined, { checkpointEvery: 4 });
  await next.load();
  await assert.rejects(next.replay(replayOf({}, 'late')), { code: 'REPLAY_OVERTAKEN' });
});

test('a window behind a replay is acknowledged only when the objects of both stand', async () => {
  const clock = manualClock();
  const { writer, store } = await opened(fakeObjectStore(), clock);
  let failing = true;
  store.faults = (op, key) => (failing && op === 'publish' && key.includes('/r-') ? 'fails' : undefined);
  const both = Promise.all([writer.replay(replayOf()), writer.commitWindow(windowOf(5, 7))]);
  await settle();
  assert.deepEqual([writer.position(claims), writer.acked(claims)], [7, 5]);
  failing = false;
  await clock.advance(60_000);
  await both;
  assert.equal(writer.acked(claims), 7);
});

const wrong: readonly (readonly [string, Partial<ReplayCommit>])[] = [
  [
    'names an object twice',
    {
      replayed: [
        taken({ ranges: [{ ...range, records: 1 }] }),
        taken({ ranges: [{ ...range, records: 1 }] }),
      ],
    },
  ],
  ['names an entry that is not before it', { replayed: [taken({ entry: 2 })] }],
  [
    'names more records than its range has offsets',
    { replayed: [taken({ ranges: [{ ...range, next: 1 }] })] },
  ],
  [
    'names overlapping ranges',
    {
      replayed: [
        taken({
          ranges: [
            { ...range, records: 1 },
            { ...range, start: 1, records: 1 },
          ],
        }),
      ],
    },
  ],
  [
    'names a partition that was never opened',
    { replayed: [taken({ ranges: [{ ...range, partition: 9 }] })] },
  ],
  ['names other records than it accounts for', { replayed: [taken({ ranges: [{ ...range, records: 1 }] })] }],
  ['quarantines', { classes: { in: 2, emitted: 1, merged: 0, filtered: 0, quarantined: 1 } }],
];

for (const [what, change] of wrong)
  test(`a replay that ${what} is not written`, async () => {
    const { writer, store } = await opened();
    await assert.rejects(writer.replay(replayOf(change)), { code: 'ASSERTION_FAILED' });
    assert.deepEqual(visible(store), upTo(5));
  });
