// The limit of the engine: DuckDB's own reader over the same records in a file, with both cores and no
// questions asked.
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ForeignLoad } from '../measure/foreign-load.ts';
import { checkParquet } from '../measure/parquet-check.ts';
import { type Row, row } from '../measure/row.ts';
import { MAPPED_ORDER, readOrders, writeOrders } from '../orders/order-file.ts';
import type { RecordSize } from '../orders/orders.ts';
import type { DuckdbFileArguments } from '../programs/duckdb-file.ts';
import { runProgram, type Usage } from '../programs/run-program.ts';
import type { Stage } from '../stage.ts';

export async function duckdb(stage: Stage): Promise<Row> {
  const { orders } = stage;
  const file = join(stage.directory, 'orders.ndjson');
  const directory = join(stage.subdirectory('duckdb'), 'files');
  const threads = availableParallelism();
  writeOrders(file, orders);
  const foreign = new ForeignLoad();
  const usage = await runProgram<Usage>('duckdb-file', {
    copy: copyOrders(file, directory, orders.size),
    threads,
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

const BIG_VALUES =
  ', customer.name AS customer_name, customer.email AS customer_email, customer.tier AS tier, ' +
  'customer.address.city AS city, customer.address.zip AS zip, trace';

function copyOrders(file: string, directory: string, size: RecordSize): string {
  const values = `${MAPPED_ORDER}${size === 'big' ? BIG_VALUES : ''}, strftime(ts, '%Y-%m-%d') AS dt`;
  return (
    `COPY (SELECT ${values} FROM ${readOrders(file, size)} WHERE status <> 'void') TO '${directory}' ` +
    '(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (dt))'
  );
}
