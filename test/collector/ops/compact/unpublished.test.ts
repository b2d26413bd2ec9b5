// A compaction whose entry is decided and cannot be published says so, and which: no entry was lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Compacted, formatCompacted } from '@sluice/collector/ops/compact/report.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { compactOn, manyWindows, rowsOf } from '../../../support/compacted-lake.ts';
import { findingsOf, type RebuiltLake, rightDay, seenBy, swapsOf } from '../../../support/rebuilt-lake.ts';

function withoutMoves({ lake, ...rest }: RebuiltLake): RebuiltLake {
  const denied = () =>
    Promise.reject(new SluiceError('CATALOG_DENIED', 'glue:BatchUpdatePartition', { place: 'claims' }));
  return { ...rest, lake: { ...lake, catalog: { ...lake.catalog, movePartitions: denied } } };
}

test('an entry that stands when the command ends is named, and published by the next one', async () => {
  const lake = await manyWindows(5);
  let told: Compacted | undefined;
  const onEntry = (so: Compacted) => {
    told = so;
  };
  await assert.rejects(compactOn(withoutMoves(lake), rightDay, { onEntry }), { code: 'REBUILD_STOPPED' });
  const [swap] = swapsOf(lake);
  assert.ok(swap !== undefined && told !== undefined);
  assert.deepEqual([told.entries, told.unpublished, told.moved], [[], [swap.sequence], 0]);
  const entry = `claims: ledger entry ${swap.sequence} stands and could not be published: `;
  assert.ok(formatCompacted(told).startsWith(entry), formatCompacted(told));
  assert.match(formatCompacted(told), /or this command when it is called again\n$/);
  assert.deepEqual(await seenBy(lake), rowsOf(5));
  assert.deepEqual((await compactOn(lake)).unpublished, []);
  assert.equal(swapsOf(lake).length, 1);
  assert.deepEqual(await seenBy(lake), rowsOf(5));
  assert.deepEqual(await findingsOf(lake), []);
});
