// Below which keys a table has its objects, as its config says. Pure.
import type { TableConfig } from '../../contracts.ts';
import { outputLocation, rebuiltLocation } from '../../lake/object-keys.ts';
import { outputNames } from '../../step-config.ts';

export function outputsOf({ steps }: Pick<TableConfig, 'steps'>): readonly string[] {
  return ['rows', 'quarantine', ...outputNames(steps)];
}

export function locationsOf(table: TableConfig): readonly string[] {
  return outputsOf(table).map((output) => outputLocation(table, output));
}

/** Prefixes, each with a slash at the end. */
export function rootsOf(table: TableConfig): readonly string[] {
  return locationsOf(table).flatMap((location) => [`${location}/`, `${rebuiltLocation(location)}/`]);
}
