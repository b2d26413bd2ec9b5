// What swaps have moved is looked after output by output: one that cannot be asked about keeps no other away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyFold } from '@sluice/collector/ledger/fold.ts';
import { putBackMoved } from '@sluice/collector/ledger/moved-partitions.ts';
import type { PublishTarget } from '@sluice/collector/ledger/publish.ts';

test('an output whose catalogued table is gone keeps no partition of the others where it is', async () => {
  const fold = emptyFold('claims');
  for (const output of ['quarantine', 'rows'])
    fold.places.set(`${output}\u0000a`, `claims.rebuilt/${output}/`);
  const definitions = { of: (_: string, output: string) => ({ name: output, partitionColumns: [{}] }) };
  const putBackPartitions = async ({ name }: { readonly name: string }, { length }: readonly object[]) => {
    if (name === 'quarantine') throw new Error('it was dropped');
    return length;
  };
  const target = { definitions, catalog: { putBackPartitions } } as unknown as PublishTarget;
  assert.deepEqual(await putBackMoved(target, fold), {
    partitions: 1,
    failures: [new Error('it was dropped')],
  });
});
