// What `bench transform` compares: a table of ours, and the plain SELECT that a person would write, of the
// same records.
import { MAPPED_ORDER } from '../orders/order-file.ts';
import type { RecordSize } from '../orders/orders.ts';
import { ordersTable, TABLE } from '../orders/orders-table.ts';

export interface TransformCase {
  readonly name: string;
  readonly size: RecordSize;
  /** As collector.yaml has it. */
  readonly table: object;
  /** Over `orders`, DuckDB's own reading of the file; `undefined` where plain DuckDB has no such thing. */
  readonly plain: string;
}

const common = {
  name: TABLE,
  topic: TABLE,
  format: 'json',
  window: { every: '10s', bytesMax: '64MiB' },
};

export const CASES: readonly TransformCase[] = [
  {
    name: 'identity',
    size: 'small',
    table: {
      ...common,
      columns: {
        order_id: 'bigint',
        customer_id: 'string',
        sku: 'string',
        quantity: 'int',
        price: 'string',
        status: 'string',
        ts: 'timestamp',
        region: 'string',
      },
    },
    plain: 'SELECT * FROM orders',
  },
  {
    name: 'applyMapping',
    size: 'small',
    table: { ...common, steps: ordersTable(TABLE, 'small').steps },
    plain: `SELECT ${MAPPED_ORDER} FROM orders WHERE status <> 'void'`,
  },
  {
    name: 'nested',
    size: 'big',
    table: {
      ...common,
      columns: {
        order_id: 'bigint',
        customer: 'struct<name:string,email:string,tier:int,address:struct<city:string,zip:string>>',
        items: 'array<struct<sku:string,qty:int,unit_price:double>>',
        ts: 'timestamp',
      },
      steps: [
        { explode: { field: 'items', column: 'item', position: 'line' } },
        { unnest: ['customer', 'item'] },
        { partial_mask: { fields: ['customer_email'], keep_last: 4 } },
      ],
      quarantine: { raw: 'drop' },
    },
    plain:
      'SELECT order_id, ts, line, customer.name AS customer_name, ' +
      "repeat('*', greatest(length(customer.email) - 4, 0)) || right(customer.email, 4) AS customer_email, " +
      'customer.tier AS customer_tier, ' +
      'customer.address AS customer_address, item.sku AS item_sku, item.qty AS item_qty, ' +
      'item.unit_price AS item_unit_price ' +
      'FROM (SELECT *, unnest(items) AS item, unnest(range(len(items))) AS line FROM orders)',
  },
];
