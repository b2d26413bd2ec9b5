// Statements of all windows take turns: each chunk's and each file's. What a window waited for them is told
// apart from what its SQL took.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DuckDBConnection } from '@duckdb/node-api';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { SchemaShelf } from '@sluice/collector/transform/decode/schemas.ts';
import { Places } from '@sluice/collector/transform/places.ts';
import { StatementWatches } from '@sluice/collector/transform/statement-watch.ts';
import { WindowTransform } from '@sluice/collector/transform/window-transform.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const table: TableConfig = {
  ...plainTable,
  columns: [{ name: 'n', type: 'bigint' }],
  partitionBy: [{ kind: 'value', field: 'n', column: 'n_value' }],
};
const WAIT_MS = 1_000;

test('chunks and files are written in turns, for which a window waits apart from its SQL', async (t) => {
  let [nowMs, turns, isTurn] = [0, 0, false];
  class SlowPlaces extends Places {
    override use<T>(task: () => Promise<T>): Promise<T> {
      nowMs += WAIT_MS;
      turns++;
      return super.use(async () => {
        isTurn = true;
        return await task().finally(() => {
          isTurn = false;
        });
      });
    }
  }
  const copies: boolean[] = [];
  const { runAndReadAll } = DuckDBConnection.prototype;
  t.mock.method(DuckDBConnection.prototype, 'runAndReadAll', function (this: DuckDBConnection, sql: string) {
    if (sql.startsWith('COPY')) copies.push(isTurn);
    return runAndReadAll.call(this, sql);
  });
  const window = await WindowTransform.open(
    { table, references: {}, openedMs: 0, directory: temporaryDirectory() },
    {
      limits: { memoryBytesMax: 256e6, threads: 1 },
      clock: { ...systemClock, monotonicMs: () => nowMs },
      statements: new SlowPlaces(1),
      watches: new StatementWatches({ clock: systemClock, cpuMs: () => 0 }),
      shelf: new SchemaShelf(),
      askSchema: async () => undefined,
    },
  );
  try {
    await window.add({ segment: segmentOf(['{"n":1}', '{"n":2}', '{"n":"x"}']), fromOffset: 0 });
    const { waitMs, sqlMs } = await window.finish();
    assert.deepEqual(copies, [true, true, true]);
    assert.deepEqual({ waitMs, sqlMs }, { waitMs: turns * WAIT_MS, sqlMs: 0 });
  } finally {
    await window.close();
  }
});
