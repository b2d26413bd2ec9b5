// The table that every row makes of the orders: fields renamed and cast, void ones filtered, zstd Parquet by
// date.
import type { RecordSize } from './orders.ts';

export const TABLE = 'orders';
export const WINDOW = { every: '2s', bytesMax: '64MiB' };

const MAPPINGS = [
  ['order_id', 'bigint', 'id', 'bigint'],
  ['customer_id', 'string', 'customer_ref', 'string'],
  ['sku', 'string', 'sku', 'string'],
  ['quantity', 'int', 'qty', 'smallint'],
  ['price', 'string', 'unit_price', 'double'],
  ['status', 'string', 'status', 'string'],
  ['ts', 'timestamp', 'event_time', 'timestamp'],
  ['region', 'string', 'region', 'string'],
];

/** Big orders hold an array of items beside these, which is read over. */
const CUSTOMER_MAPPINGS = [
  ['customer.name', 'string', 'customer_name', 'string'],
  ['customer.email', 'string', 'customer_email', 'string'],
  ['customer.tier', 'int', 'tier', 'int'],
  ['customer.address.city', 'string', 'city', 'string'],
  ['customer.address.zip', 'string', 'zip', 'string'],
  ['trace', 'string', 'trace', 'string'],
];

/** As collector.yaml has it. */
export function ordersTable(topic: string, size: RecordSize) {
  return {
    name: TABLE,
    topic,
    format: 'json',
    window: WINDOW,
    steps: [
      { apply_mapping: size === 'big' ? [...MAPPINGS, ...CUSTOMER_MAPPINGS] : MAPPINGS },
      { filter: "status <> 'void'" },
    ],
    partitionBy: [{ field: 'event_time', by: 'day', as: 'dt' }],
    output: { format: 'parquet', compression: 'zstd' },
  };
}

/** One row with what the generator's expectation names. */
export const CHECK_SQL =
  'count(*) AS kept, sum(id) AS sum_order_id, sum(qty) AS sum_quantity, count(DISTINCT id) AS distinct_ids';
