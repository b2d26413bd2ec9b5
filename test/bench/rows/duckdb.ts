// The limit of the engine: DuckDB's own reader over the same records in a file, with both cores and no
// questions asked.
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ForeignLoad } from '../measure/foreign-load.ts';
import { checkParquet } from '../measure/parquet-check.ts';
import { type Row, row } from '../measure/row.ts';
import { ORDER_BYTES_MAX, OrderGenerator, type OrderOptions } from '../orders/orders.ts';
import type { DuckdbFileArguments } from '../programs/duckdb-file.ts';
import { runProgram, type Usage } from '../programs/run-program.ts';
import type { Stage } from '../stage.ts';

const BUFFER_BYTES = 4 * 2 ** 20;
const NEWLINE = 10;

export async function duckdb(stage: Stage): Promise<Row> {
  const { orders } = stage;
  const file = join(stage.directory, 'orders.ndjson');
  const directory = join(stage.subdirectory('duckdb'), 'files');
  const threads = availableParallelism();
  writeOrders(file, orders);
  const foreign = new ForeignLoad();
  const usage = await runProgram<Usage>('duckdb-file', {
    ...{ file, directory, threads },
    size: orders.size,
  } satisfies DuckdbFileArguments).answer();
  const foreignCpuShare = foreign.share();
  rmSync(file);
  await checkParquet('duckdb', directory, stage.expected);
  return row('duckdb', orders.records, {
    ...usage,
    foreignCpuShare,
    details: {
      measured: 'one COPY of a warm file, start-up left out',
      proven: 'rows, distinct ids and sums in the files',
      threads,
    },
  });
}

function writeOrders(file: string, orders: OrderOptions): void {
  const generator = new OrderGenerator(orders);
  const buffer = Buffer.alloc(BUFFER_BYTES);
  const descriptor = openSync(file, 'w');
  let at = 0;
  for (let index = 0; index < orders.records; index++) {
    at = generator.write(buffer, at, index);
    buffer[at++] = NEWLINE;
    if (at + ORDER_BYTES_MAX < BUFFER_BYTES) continue;
    writeSync(descriptor, buffer, 0, at);
    at = 0;
  }
  writeSync(descriptor, buffer, 0, at);
  closeSync(descriptor);
}
