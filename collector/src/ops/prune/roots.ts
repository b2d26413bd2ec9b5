// Below which keys a table has its objects, as its config says. Pure.
import type { TableConfig } from '../../contracts.ts';
import { outputLocation, rebuiltLocation } from '../../lake/object-keys.ts';
import { allOutputs } from '../../step-config.ts';

function locationsOf(table: TableConfig): readonly string[] {
  return allOutputs(table).map((output) => outputLocation(table, output));
}

/** Prefixes, each with a slash at the end. */
export function rootsOf(table: TableConfig): readonly string[] {
  return locationsOf(table).flatMap((location) => [`${location}/`, `${rebuiltLocation(location)}/`]);
}

/** Those below which rebuilds and compactions put what they make. */
export function rebuiltRootsOf(table: TableConfig): readonly string[] {
  return locationsOf(table).map((location) => `${rebuiltLocation(location)}/`);
}
