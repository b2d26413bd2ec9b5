// A statement that fails is tried in another form while nothing of its chunk is staged, and never after that:
// rows would be there twice.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DuckDBConnection } from '@duckdb/node-api';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { SchemaShelf } from '@sluice/collector/transform/decode/schemas.ts';
import { Places } from '@sluice/collector/transform/places.ts';
import { StatementWatches } from '@sluice/collector/transform/statement-watch.ts';
import { WindowTransform } from '@sluice/collector/transform/window-transform.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { segmentOfRecords } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { parseSteps } from './step-cases.ts';

const table: TableConfig = {
  ...plainTable,
  columns: [{ name: 'n', type: 'bigint' }],
  steps: parseSteps([{ split_rows: [{ output: 'big', when: 'n > 1' }] }]),
};

/** Rows that each output has where one statement that begins so fails, once. */
async function rowsWhereFails(t: TestContext, beginning: string): Promise<Record<string, number>> {
  const run = DuckDBConnection.prototype.run;
  let failed = false;
  t.mock.method(DuckDBConnection.prototype, 'run', async function (this: DuckDBConnection, sql: string) {
    if (failed || !sql.startsWith(beginning)) return await run.call(this, sql);
    failed = true;
    throw new Error('Out of Memory');
  });
  const window = await WindowTransform.open(
    { table, references: {}, openedMs: 0, directory: temporaryDirectory() },
    {
      limits: { memoryBytesMax: 256e6, threads: 1 },
      clock: systemClock,
      statements: new Places(1),
      watches: new StatementWatches({ clock: systemClock, cpuMs: () => 0 }),
      shelf: new SchemaShelf(),
      askSchema: async () => undefined,
    },
  );
  try {
    const record = (n: number) => ({
      ...{ offset: n, timestamp: 0, key: null, headers: [] },
      value: Buffer.from(`{"n":${n}}`),
    });
    await window.add({ segment: segmentOfRecords([0, 1, 2].map(record)), fromOffset: 0 });
    const { files } = await window.finish();
    assert.equal(failed, true);
    return Object.fromEntries(files.map(({ output, rows }) => [output, rows]));
  } finally {
    await window.close();
  }
}

test('what fails before rows are staged is done again in another form', async (t) => {
  assert.deepEqual(await rowsWhereFails(t, 'CREATE OR REPLACE TEMP TABLE made_big'), { rows: 2, big: 1 });
  assert.deepEqual(await rowsWhereFails(t, 'INSERT INTO staged '), { rows: 2, big: 1 });
});

test('what fails between the outputs of a chunk fails its window, and no row is staged twice', async (t) => {
  await assert.rejects(rowsWhereFails(t, 'INSERT INTO staged_big'), /Out of Memory/);
});
