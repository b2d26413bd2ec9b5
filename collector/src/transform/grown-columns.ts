// The columns of a table that detects them, and what a sample adds: new columns, and new fields at the end of
// structs. What stands never changes, so that a file that was written is read by every later schema. Pure.
import { type NestedField, type NestedType, nestedText, parseNested, scalar } from '../nested-type.ts';
import type { DetectedColumn } from '../tables.ts';
import { safeNames } from './column-names.ts';
import { alongside, areNames, fieldsOf, inferType } from './infer-type.ts';
import { Remarks } from './remarks.ts';
import type { SeenObject, SeenValue } from './seen-values.ts';
import { DELETED, isCarried } from './sql/metadata.ts';

/** Columns that detection gives a table. */
export const COLUMNS_MAX = 400;
/** Glue takes 131,072 characters for a type. */
export const TYPE_CHARACTERS_MAX = 100_000;

export interface Growth {
  readonly columns: readonly DetectedColumn[];
  /** What of the sample has no column of its own type, and why. */
  readonly remarks: Remarks;
}

/** Without columns: what the sample suggests. */
export function growColumns(standing: readonly DetectedColumn[], seen: SeenObject): Growth {
  const remarks = new Remarks();
  const columns = standing.map((column) => grownColumn(column, seen.fields.get(column.source), remarks));
  const added = newColumns(columns, seen, remarks);
  const names = safeNames(
    added.map(({ source }) => source),
    columns.map(({ name }) => name),
  );
  const named = added.map(({ source, type }, i) => ({ source, name: names[i] ?? '', type }));
  return { columns: [...columns, ...named], remarks };
}

function grownColumn(column: DetectedColumn, seen: SeenValue | undefined, remarks: Remarks): DetectedColumn {
  if (seen === undefined || (seen.object === undefined && seen.elements === undefined)) return column;
  const type = parseNested(column.type);
  if (type.kind === 'scalar') return column;
  const grown = nestedText(grow(type, [seen], { path: [column.source], remarks }));
  if (grown.length <= TYPE_CHARACTERS_MAX) return { ...column, type: grown };
  remarks.add('would make its type longer than a catalog takes; left out', [column.source, '*']);
  return column;
}

interface Place {
  readonly path: readonly string[];
  readonly remarks: Remarks;
}

function grow(type: NestedType, seen: readonly SeenValue[], at: Place): NestedType {
  return alongside(type, seen, (fields, objects) => growStruct(fields, objects, at));
}

function growStruct(
  standing: readonly NestedField[],
  objects: readonly SeenObject[],
  at: Place,
): NestedField[] {
  const seen = fieldsOf(objects);
  const inside = (name: string) => ({ ...at, path: [...at.path, name] });
  const fields = standing.map(({ name, type }) => {
    return { name, type: grow(type, seen.get(name) ?? [], inside(name)) };
  });
  if (objects.some(({ rest }) => rest !== undefined))
    at.remarks.add('more fields than a struct has; left out', [...at.path, '*']);
  for (const [name, values] of seen) {
    if (fields.some((field) => field.name === name)) continue;
    const type = inferType(values);
    if (type === undefined) continue;
    if (type.kind === 'none') at.remarks.add(`${type.why} inside a struct; left out`, [...at.path, name]);
    else if (areNames([...fields.map((field) => field.name), name])) fields.push({ name, type });
    else at.remarks.add('no struct takes one more field of this name; left out', [...at.path, name]);
  }
  return fields;
}

interface NewColumn {
  readonly source: string;
  readonly type: string;
  readonly seen: number;
}

/** The fields that have no column yet: of those that differ only in case the one that came more often. */
function newColumns(columns: readonly DetectedColumn[], seen: SeenObject, remarks: Remarks): NewColumn[] {
  const taken = new Set(columns.map(({ source }) => source.toLowerCase()));
  const known = new Set(columns.map(({ source }) => source));
  const fresh = [...seen.fields].flatMap(([source, value]) => {
    const type = known.has(source) ? undefined : columnType(value, source, remarks);
    return type === undefined ? [] : [{ source, type, seen: value.seen }];
  });
  const twins = Map.groupBy(fresh, ({ source }) => source.toLowerCase());
  const found = fresh.filter(({ source }) => {
    const lower = source.toLowerCase();
    const [first] = (twins.get(lower) ?? []).toSorted((a, b) => b.seen - a.seen);
    const isTwin = taken.has(lower) || first?.source !== source;
    if (isReserved(source)) remarks.add('no column can read a field of this name; left out', [source]);
    else if (isTwin) remarks.add('differs from another field only in case; left out', [source]);
    return !isReserved(source) && !isTwin;
  });
  if (seen.rest !== undefined) remarks.add('more fields than are looked at; left out', ['*']);
  return mostSeen(found, COLUMNS_MAX - columns.length, remarks);
}

function columnType(value: SeenValue, source: string, remarks: Remarks): string | undefined {
  const inferred = inferType([value]);
  if (inferred === undefined) {
    if (value.seen > 0) remarks.add('no value yet; left out until one comes', [source]);
    return undefined;
  }
  const text = inferred.kind === 'none' ? undefined : nestedText(inferred);
  if (text !== undefined && text.length <= TYPE_CHARACTERS_MAX) return text;
  remarks.add(`${inferred.kind === 'none' ? inferred.why : 'of too many fields'}, kept as JSON text`, [
    source,
  ]);
  return nestedText(scalar('string'));
}

/** Names that the record's own columns have while SQL reads it, and those that no text of SQL can hold. */
export function isReserved(source: string): boolean {
  const isUnreadable = source === '' || source.includes('\0');
  return isUnreadable || [DELETED, '_row'].includes(source.toLowerCase()) || isCarried(source);
}

function mostSeen(found: readonly NewColumn[], room: number, remarks: Remarks): NewColumn[] {
  if (found.length <= room) return [...found];
  const kept = new Set([...found].sort((a, b) => b.seen - a.seen).slice(0, Math.max(0, room)));
  for (const column of found)
    if (!kept.has(column)) remarks.add(`beyond ${COLUMNS_MAX} columns; left out`, [column.source]);
  return found.filter((column) => kept.has(column));
}
