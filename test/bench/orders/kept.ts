// Whether what arrived is what the generator says must be left: a figure over wrong data is no figure.
import type { Expectation } from './orders.ts';

/** The row that CHECK_SQL yields, in whatever type a driver has for numbers. */
export interface KeptRow {
  readonly kept: unknown;
  readonly sum_order_id: unknown;
  readonly sum_quantity: unknown;
  readonly distinct_ids: unknown;
}

/** Throws with both sides where they differ. */
export function assertKept(name: string, found: KeptRow, expected: Expectation): void {
  const pairs: [string, unknown, number][] = [
    ['rows', found.kept, expected.kept],
    ['distinct ids', found.distinct_ids, expected.kept],
    ['sum of ids', found.sum_order_id, expected.sumOrderId],
    ['sum of quantities', found.sum_quantity, expected.sumQuantity],
  ];
  const wrong = pairs.filter(([, is, should]) => Number(is) !== should);
  if (wrong.length === 0) return;
  const told = wrong.map(([what, is, should]) => `${what}: ${String(is)} and not ${should}`);
  throw new Error(`${name} has lost or made up records: ${told.join(', ')}`);
}
