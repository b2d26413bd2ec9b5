// A table that somebody else made is taken as it is: which of a record's fields feeds which of its columns is
// found by their names, and its types are what values must be. Pure.
import { type NestedField, type NestedType, nestedText, parseNested } from '../nested-type.ts';
import type { Column, DetectedColumn } from '../tables.ts';
import { safeName } from './column-names.ts';
import { type Growth, isReserved } from './grown-columns.ts';
import { alongside, fieldsOf } from './infer-type.ts';
import { Remarks } from './remarks.ts';
import type { SeenObject, SeenValue } from './seen-values.ts';

/** As long as no field came that would feed it a column waits for one of its own name. */
export function contractColumns(columns: readonly Column[], seen: SeenObject): Growth {
  const waiting = columns.map(({ name, type }) => ({ source: name, name, type, isUnseen: true as const }));
  return resolveContract(waiting, seen);
}

/** Columns that wait get the field that came; the others stay, and fields without a column are left out. */
export function resolveContract(columns: readonly DetectedColumn[], seen: SeenObject): Growth {
  const remarks = new Remarks();
  const taken = new Set(columns.flatMap(({ source, isUnseen }) => (isUnseen === true ? [] : [source])));
  const names = new Set(columns.map(({ name }) => name.toLowerCase()));
  const resolved = columns.map((column) => {
    if (column.isUnseen !== true) return column;
    const source = fieldFor(column.name, freeFor(column.name, { seen, taken, names }));
    if (source === undefined) return column;
    taken.add(source);
    const value = seen.fields.get(source);
    const type = aligned(parseNested(column.type), value === undefined ? [] : [value]);
    return { source, name: column.name, type: nestedText(type) };
  });
  for (const [key, { kinds, elements, object }] of seen.fields)
    if (!taken.has(key) && (kinds.size > 0 || elements !== undefined || object !== undefined))
      remarks.add('the table has no such column; left out', [key]);
  return { columns: resolved, remarks };
}

interface Fields {
  readonly seen: SeenObject;
  readonly taken: ReadonlySet<string>;
  /** Of all columns, in lower case. */
  readonly names: ReadonlySet<string>;
}

/** No record is read by two names that differ only in case, so that a name is its own column's first. */
function freeFor(name: string, { seen, taken, names }: Fields): string[] {
  const read = new Set([...taken].map((key) => key.toLowerCase()));
  return [...seen.fields.keys()].filter((key) => {
    const lower = key.toLowerCase();
    return !isReserved(key) && !read.has(lower) && (lower === name.toLowerCase() || !names.has(lower));
  });
}

/** Of its very name, of the same in other case, or one whose safe form it is. */
function fieldFor(name: string, free: readonly string[]): string | undefined {
  return (
    free.find((key) => key === name) ??
    free.find((key) => key.toLowerCase() === name) ??
    free.find((key) => safeName(key) === name)
  );
}

/** The names of a struct's fields as JSON has them. */
function aligned(type: NestedType, seen: readonly SeenValue[]): NestedType {
  return alongside(type, seen, alignedFields);
}

function alignedFields(fields: readonly NestedField[], objects: readonly SeenObject[]): NestedField[] {
  const seen = fieldsOf(objects);
  const keys = [...seen.keys()];
  return fields.map(({ name, type }) => {
    const same =
      keys.find((key) => key === name) ?? keys.find((key) => key.toLowerCase() === name.toLowerCase());
    return { name: same ?? name, type: aligned(type, seen.get(same ?? name) ?? []) };
  });
}
