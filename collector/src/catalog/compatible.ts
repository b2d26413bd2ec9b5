// Whether rows of a definition may go into a table that stands already. Pure.
import { SluiceError } from '@sluice/shared/errors.ts';
import type { Column, TableDefinition } from '../contracts.ts';
import { comparable, extendedType } from '../nested-type.ts';

/** Pairs that lake clients read although the types differ (measured with Trino 435). */
const WIDER: Readonly<Record<string, readonly string[]>> = {
  tinyint: ['smallint', 'int', 'bigint'],
  smallint: ['int', 'bigint'],
  int: ['bigint'],
  float: ['double'],
};

type Standing = Pick<TableDefinition, 'columns' | 'partitionColumns' | 'output' | 'location'>;

/** Throws CATALOG_INCOMPATIBLE naming the first column that does not fit. */
export function assertCompatible(standing: Standing, ours: TableDefinition): void {
  // Partitions say where they lie; the objects of a table without any are seen at its own place only.
  const isElsewhere = standing.location.replace(/\/$/, '') !== ours.location;
  if (ours.partitionColumns.length === 0 && isElsewhere)
    throw incompatible(ours.name, `lies at '${standing.location}', and the config writes '${ours.location}'`);
  if (standing.output.kind !== ours.output.kind)
    throw incompatible(ours.name, `holds ${standing.output.kind}, and the config writes ${ours.output.kind}`);
  for (const { name, type } of ours.columns) {
    const there = standing.columns.find((c) => c.name.toLowerCase() === name.toLowerCase());
    if (there === undefined) throw lacks(ours, { name, type });
    const [theirs, wanted] = [comparable(there.type), comparable(type)];
    if (theirs !== wanted && !(WIDER[wanted] ?? []).includes(theirs))
      throw incompatible(ours.name, `has '${name}' as ${there.type}, and the config makes ${type}`);
  }
  if (ours.output.kind === 'csv') assertSameOrder(standing, ours);
  const partitions = (columns: readonly Column[]) => columns.map(({ name }) => name).join(', ');
  if (partitions(standing.partitionColumns) !== partitions(ours.partitionColumns))
    throw incompatible(
      ours.name,
      `is partitioned by (${partitions(standing.partitionColumns)}), the config by (${partitions(ours.partitionColumns)})`,
    );
}

/**
 * The columns that a standing table gets so that it takes ours: those it lacks at the end, and in structs the
 * fields it lacks at theirs. undefined where it lacks none. CATALOG_INCOMPATIBLE where that is not enough.
 */
export function extendedColumns(standing: Standing, ours: TableDefinition): readonly Column[] | undefined {
  const columns = [...standing.columns];
  for (const { name, type } of ours.columns) {
    const at = columns.findIndex((c) => c.name.toLowerCase() === name.toLowerCase());
    const there = columns[at];
    if (there === undefined) columns.push({ name, type });
    else columns[at] = { name: there.name, type: extendedType(there.type, type) ?? there.type };
  }
  const taking = ours.columns.map(({ name, type }) => {
    const there = columns.find((c) => c.name.toLowerCase() === name.toLowerCase());
    const isCovered = there !== undefined && extendedType(there.type, type) === there.type;
    return isCovered ? { name, type: there.type } : { name, type };
  });
  assertCompatible({ ...standing, columns }, { ...ours, columns: taking });
  return JSON.stringify(columns) === JSON.stringify(standing.columns) ? undefined : columns;
}

const BY_POSITION = 'CSV is read by position: write a table of another name beside it';

/** What was written would be read in other columns, and what is written in the wrong ones. */
function assertSameOrder(standing: Standing, ours: TableDefinition): void {
  const orderOf = (columns: readonly Column[]) => columns.map(({ name }) => name.toLowerCase()).join(', ');
  const [theirs, wanted] = [orderOf(standing.columns.slice(0, ours.columns.length)), orderOf(ours.columns)];
  if (theirs === wanted) return;
  throw incompatible(ours.name, `begins with (${theirs}), and the config writes (${wanted}); ${BY_POSITION}`);
}

function lacks({ name: table, output }: TableDefinition, { name, type }: Column): SluiceError {
  const remedy = name === '_topic' ? '; add it, as docs/runbook.md has it, or go on with `topic`' : '';
  const what = `has no column '${name}' (${type})`;
  return incompatible(table, `${what}${output.kind === 'csv' ? `; ${BY_POSITION}` : remedy}`);
}

function incompatible(table: string, what: string): SluiceError {
  return new SluiceError('CATALOG_INCOMPATIBLE', `the catalogued table ${what}`, { place: table });
}
