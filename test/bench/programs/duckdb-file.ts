// Plain DuckDB over the same records in a file: what the transform would cost if records came from nowhere
// and every value were as it should be.
import { DuckDBInstance } from '@duckdb/node-api';
import type { RecordSize } from '../orders/orders.ts';
import { answer, Meter, programArguments } from './program.ts';

export interface DuckdbFileArguments {
  readonly file: string;
  /** Must not exist. */
  readonly directory: string;
  readonly size: RecordSize;
  readonly threads: number;
}

const SMALL =
  "order_id: 'BIGINT', customer_id: 'VARCHAR', sku: 'VARCHAR', quantity: 'INTEGER', price: 'VARCHAR', " +
  "status: 'VARCHAR', ts: 'TIMESTAMP', region: 'VARCHAR'";
const BIG =
  ", customer: 'STRUCT(name VARCHAR, email VARCHAR, tier INTEGER, address STRUCT(city VARCHAR, zip VARCHAR))'" +
  ", trace: 'VARCHAR'";
const BIG_VALUES =
  ', customer.name AS customer_name, customer.email AS customer_email, customer.tier AS tier, ' +
  'customer.address.city AS city, customer.address.zip AS zip, trace';

const { file, directory, size, threads } = programArguments<DuckdbFileArguments>();
const instance = await DuckDBInstance.create(':memory:', { threads: String(threads) });
const connection = await instance.connect();
await connection.run("SET TimeZone = 'UTC'; SET preserve_insertion_order = false");
const columns = `{${SMALL}${size === 'big' ? BIG : ''}}`;
const values =
  'order_id AS id, customer_id AS customer_ref, sku, quantity::SMALLINT AS qty, price::DOUBLE AS unit_price, ' +
  `status, ts AS event_time, region${size === 'big' ? BIG_VALUES : ''}, strftime(ts, '%Y-%m-%d') AS dt`;
const source = `read_json('${file}', format = 'newline_delimited', columns = ${columns})`;
const meter = new Meter();
meter.start();
await connection.run(
  `COPY (SELECT ${values} FROM ${source} WHERE status <> 'void') TO '${directory}' ` +
    '(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (dt))',
);
meter.stop();
answer(meter.usage());
