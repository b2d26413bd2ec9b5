// What a prune says before it deletes anything: all that it will delete, and why each other object stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPruned, formatPrunePlan, type Pruned } from '@sluice/collector/ops/prune/report.ts';

const none = { objects: 0, bytes: 0 };
const one = { objects: 1, bytes: 2 ** 20 };
const so: Pruned = {
  ...{ table: 'claims', dryRun: false, left: { objects: 2_500, bytes: 2 ** 30 }, places: 2, entries: [3, 5] },
  ...{ dead: one, younger: one, open: one, more: false, deleted: none },
  kept: [{ place: 'claims day=a', objects: 2, bytes: 2 ** 20, why: 'the catalog does not have it' }],
};

test('each kind of object is told, with its reason', () => {
  assert.deepEqual(formatPrunePlan(so).trimEnd().split('\n'), [
    'claims: 2,500 objects of 1 GiB in 2 places that partitions left by ledger entries 3, 5; ' +
      '1 object of 1 MiB of rebuilds or compactions that came to nothing',
    '  leaves claims day=a, 2 objects of 1 MiB: the catalog does not have it',
    '  leaves 1 object of 1 MiB: left too short a time ago',
    '  leaves 1 object of 1 MiB that no entry names: a rebuild or compaction may be at work',
  ]);
});

test('many entries are counted, and so are partitions that stay', () => {
  const entries = Array.from({ length: 21 }, (_, n) => n);
  const kept = entries.flatMap(() => so.kept);
  const lines = formatPrunePlan({ ...so, entries, kept }).split('\n');
  assert.match(lines[0] ?? '', /left by 21 ledger entries;/);
  assert.equal(lines[21], '  and 1 more');
});

test('where more lies there than it looks at, it says to call it again', () => {
  assert.match(
    formatPrunePlan({ ...so, more: true }),
    /more lies there than one prune looks at: call it again when this one has ended/,
  );
  // The next one at once would look at the same.
  assert.match(
    formatPrunePlan({ ...so, left: none, dead: none, more: true }),
    /call it again when some of what it leaves may go/,
  );
});

test('in the end it says what is gone', () => {
  assert.equal(formatPruned({ ...so, deleted: one }), 'claims: 1 object of 1 MiB deleted\n');
  assert.equal(formatPruned(so), 'claims: nothing deleted\n');
  assert.equal(formatPruned({ ...so, dryRun: true }), 'claims: nothing was deleted: it was only asked\n');
});
