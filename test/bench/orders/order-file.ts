// Orders in a file, one JSON a line, and DuckDB's own way to read them: types named, nothing asked.
import { closeSync, openSync, writeSync } from 'node:fs';
import { ORDER_BYTES_MAX, OrderGenerator, type OrderOptions, type RecordSize } from './orders.ts';

const BUFFER_BYTES = 4 * 2 ** 20;
const NEWLINE = 10;

export function writeOrders(file: string, orders: OrderOptions): void {
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

const SMALL =
  "order_id: 'BIGINT', customer_id: 'VARCHAR', sku: 'VARCHAR', quantity: 'INTEGER', price: 'VARCHAR', " +
  "status: 'VARCHAR', ts: 'TIMESTAMP', region: 'VARCHAR'";
const BIG =
  ", customer: 'STRUCT(name VARCHAR, email VARCHAR, tier INTEGER, address STRUCT(city VARCHAR, zip VARCHAR))'" +
  ", items: 'STRUCT(sku VARCHAR, qty INTEGER, unit_price DOUBLE)[]', trace: 'VARCHAR'";

/** A table function over the file. */
export function readOrders(file: string, size: RecordSize): string {
  const columns = `{${SMALL}${size === 'big' ? BIG : ''}}`;
  return `read_json('${file}', format = 'newline_delimited', columns = ${columns})`;
}

/** What `ordersTable` maps a small order to. */
export const MAPPED_ORDER =
  'order_id AS id, customer_id AS customer_ref, sku, quantity::SMALLINT AS qty, price::DOUBLE AS unit_price, ' +
  'status, ts AS event_time, region';
