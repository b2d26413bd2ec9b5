// A table's error budget: of many records, bad ones beyond a share are a change at the source, which is
// better stopped than written to quarantine. Few records prove nothing. Pure.
import { SluiceError } from '@sluice/shared/errors.ts';
import type { Classes, TableConfig } from '../contracts.ts';

/** Below as many bad records no share of them counts. */
const BUDGET_RECORDS_MIN = 10;

type Counted = Pick<Classes, 'in' | 'quarantined'>;

/** What is over the budget, or undefined. `what`: whose records they are. */
export function overBudget(
  { quarantineRatioMax }: Pick<TableConfig, 'quarantineRatioMax'>,
  { in: total, quarantined }: Counted,
  what: string,
): string | undefined {
  if (quarantineRatioMax === undefined || quarantined < BUDGET_RECORDS_MIN) return undefined;
  if (quarantined <= total * quarantineRatioMax) return undefined;
  return `${quarantined} of ${total} records of ${what} would go to quarantine, and ${quarantineRatioMax} of them may`;
}

/** QUARANTINE_BUDGET_EXCEEDED */
export function assertWithinBudget(table: TableConfig, classes: Counted): void {
  const message = overBudget(table, classes, 'a window');
  if (message !== undefined)
    throw new SluiceError('QUARANTINE_BUDGET_EXCEEDED', message, { place: table.name });
}
