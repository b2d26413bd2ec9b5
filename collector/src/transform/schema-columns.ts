// The columns of a table that detects them, where values have a schema: its fields are the columns, as it
// types them, whatever the values of a window are. What stands never changes; new fields of later schemas are
// added, at the end of structs as well. Pure.
import { extendedType, type NestedType, nestedText, parseNested, scalar } from '../nested-type.ts';
import type { Column, DetectedColumn, DetectedSchema } from '../tables.ts';
import { safeNames } from './column-names.ts';
import { contractColumns, resolveContract } from './contract-columns.ts';
import type { SchemaField } from './decode/schema-fields.ts';
import { COLUMNS_MAX, type Growth, isReserved, TYPE_CHARACTERS_MAX } from './grown-columns.ts';
import { Remarks } from './remarks.ts';
import { SeenObject } from './seen-values.ts';

export interface StandingColumns {
  readonly schema: DetectedSchema | undefined;
  /** Columns of a table that stands already and was made by somebody else. */
  readonly contract?: readonly Column[] | undefined;
}

/** What the fields of all schemas of a window make of the columns that stand. */
export function schemaColumns({ schema, contract }: StandingColumns, fields: readonly SchemaField[]): Growth {
  if (contract !== undefined) return contractColumns(contract, namesSeen(fields));
  if (schema?.isContract === true) return resolveContract(schema.columns, namesSeen(fields));
  return grown(schema?.columns ?? [], fields);
}

/** A table of somebody else's has its types: of a record the names count. */
function namesSeen(fields: readonly SchemaField[]): SeenObject {
  const seen = new SeenObject();
  seen.add(Object.fromEntries(fields.map(({ name, type }) => [name, exampleOf(type)])));
  return seen;
}

function exampleOf(type: NestedType | undefined): unknown {
  if (type?.kind === 'array') return [exampleOf(type.element)];
  if (type?.kind === 'map') return { key: exampleOf(type.value) };
  if (type?.kind !== 'struct') return true;
  return Object.fromEntries(type.fields.map((field) => [field.name, exampleOf(field.type)]));
}

function grown(standing: readonly DetectedColumn[], fields: readonly SchemaField[]): Growth {
  const remarks = new Remarks();
  const byName = new Map(fields.map((field) => [field.name, field]));
  const columns = standing.map((column) => extended(column, byName.get(column.source), remarks));
  const taken = new Set(standing.map(({ source }) => source.toLowerCase()));
  const known = new Set(standing.map(({ source }) => source));
  const added: { readonly source: string; readonly type: string }[] = [];
  for (const { name, type } of fields) {
    if (known.has(name)) continue;
    if (isReserved(name)) remarks.add('no column can read a field of this name; left out', [name]);
    else if (taken.has(name.toLowerCase()))
      remarks.add('differs from another field only in case; left out', [name]);
    else if (columns.length + added.length >= COLUMNS_MAX)
      remarks.add(`beyond ${COLUMNS_MAX} columns; left out`, [name]);
    else {
      taken.add(name.toLowerCase());
      added.push({ source: name, type: textOf(type) });
    }
  }
  const names = safeNames(
    added.map(({ source }) => source),
    columns.map(({ name }) => name),
  );
  const named = added.map((column, i) => ({ ...column, name: names[i] ?? '' }));
  return { columns: [...columns, ...named], remarks };
}

function textOf(type: NestedType | undefined): string {
  const text = nestedText(type ?? scalar('string'));
  return text.length <= TYPE_CHARACTERS_MAX ? text : nestedText(scalar('string'));
}

/** Of another type than its column's a value is quarantined where it does not fit; its column stays. */
function extended(column: DetectedColumn, field: SchemaField | undefined, remarks: Remarks): DetectedColumn {
  if (field?.type === undefined || parseNested(column.type).kind === 'scalar') return column;
  const type = extendedType(column.type, nestedText(field.type));
  if (type !== undefined && type.length <= TYPE_CHARACTERS_MAX) return { ...column, type };
  const why = type === undefined ? 'has another type inside than before' : 'is longer than a catalog takes';
  remarks.add(`${why}; what is new in it is left out`, [column.source]);
  return column;
}
