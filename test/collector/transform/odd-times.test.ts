// Times that no lake can hold do not stop a window: a table would wait behind one such record for ever.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const home = temporaryDirectory();
const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 });
after(() => transformer.close());
const columns = [{ name: 'at', type: 'timestamp' }];
let windows = 0;

async function transform(table: Partial<TableConfig>, segment: ReturnType<typeof segmentOf>) {
  const directory = join(home, `w${windows++}`);
  mkdirSync(directory);
  const segments = [{ segment, fromOffset: 0 }];
  const whole = { ...plainTable, columns, ...table };
  return await transformer.run({ table: whole, windowId: 'w', segments, openedMs: 0, directory });
}

test('years before 1 and after 9999 have their partition by the hour', async () => {
  const partitionBy = [{ kind: 'time', field: 'at', by: 'hour', column: 'at_hour' }] as const;
  const values = ['9999-12-31T23:59:59-05:00', '2026-11-23T07:10:00Z', '0001-01-01T00:00:00+05:00'];
  const { classes, files } = await transform(
    { partitionBy },
    segmentOf(values.map((at) => JSON.stringify({ at }))),
  );
  const hours = files.map(({ partition }) => partition[0]?.value);
  assert.deepEqual([classes.emitted, new Set(hours).size], [3, 3]);
  assert.ok(hours.includes('2026-11-23-07') && hours.includes('10000-01-01-04'), String(hours));
});

test('record timestamps in nanoseconds are no timestamps, of rows and of quarantined records', async () => {
  const values = ['{"at":"2026-11-23T07:10:00Z"}', 'no JSON', null];
  const { classes } = await transform({ provenance: 'full' }, segmentOf(values, { timestamp: 1.7e18 }));
  assert.deepEqual([classes.emitted, classes.quarantined], [1, 2]);
});
