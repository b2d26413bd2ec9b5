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
];
