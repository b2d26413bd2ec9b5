// What is the same of every window on its way, whether it goes on where its table stands, fills a gap or
// brings history: where its files are made, how long a failed attempt waits, what its entry says, and what is
// told of it once that stands.
import { join } from 'node:path';
import type { TableConfig, TransformResult, WindowCommit } from '../contracts.ts';
import type { Events } from '../events.ts';
import { type OpenWindow, windowRanges } from './open-window.ts';
import { isDivisible } from './window-parts.ts';

/** Between two attempts at what may pass by itself, doubled each time. */
export const RETRY_MS_MIN = 500;
export const RETRY_MS_MAX = 30_000;

export function workDirectory(workDir: string, window: OpenWindow): string {
  return join(workDir, 'windows', `${window.table.name}-${window.id}`);
}

/**
 * What one attempt is made with. What cannot be split has no cap: the rows of one record are few. A part has
 * no error budget of its own: its window was within that, unless another config makes it now.
 */
export function tableOfAttempt(window: OpenWindow): TableConfig {
  const { table, state, withinBudgetOf } = window;
  const isWhole = state !== 'open' && !isDivisible(window);
  return {
    ...table,
    ...(isWhole ? { windowPartitionsMax: undefined } : {}),
    ...(withinBudgetOf === table.configVersion ? { quarantineRatioMax: undefined } : {}),
  };
}

export function commitOfWindow(window: OpenWindow, result: TransformResult): WindowCommit {
  const { id: windowId, openedMs, table } = window;
  const { classes, files, configVersion } = result;
  const ranges = windowRanges(window, result.recordsPerPartition);
  return { windowId, openedMs, ranges, classes, files, table, configVersion };
}

/** What its records had that a person should hear of. */
export function tellCommitted(events: Events, { name: table }: TableConfig, result: TransformResult): void {
  const { contradictions, nulled, brokenRules, corrupt } = result;
  if (contradictions !== undefined) events.schemaContradicted({ table, ...contradictions });
  for (const values of nulled) events.valuesNulled({ table, ...values });
  for (const rule of brokenRules) events.ruleBroken({ table, ...rule });
  for (const batch of corrupt) events.recordBatchQuarantined({ table, ...batch });
}
