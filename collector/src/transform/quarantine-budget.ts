// A table's error budget: of many records, bad ones beyond a share are a change at the source, which is
// better stopped than written to quarantine. Few records prove nothing. Pure.
import { SluiceError } from '@sluice/shared/errors.ts';
import type { Classes, TableConfig } from '../contracts.ts';

/** Below as many bad records no share of them counts. */
const BUDGET_RECORDS_MIN = 10;

/** QUARANTINE_BUDGET_EXCEEDED */
export function assertWithinBudget(
  { quarantineRatioMax, name }: TableConfig,
  { in: total, quarantined }: Classes,
): void {
  if (quarantineRatioMax === undefined || quarantined < BUDGET_RECORDS_MIN) return;
  if (quarantined <= total * quarantineRatioMax) return;
  const message = `${quarantined} of ${total} records of a window would go to quarantine, and ${quarantineRatioMax} of them may`;
  throw new SluiceError('QUARANTINE_BUDGET_EXCEEDED', message, { place: name });
}
