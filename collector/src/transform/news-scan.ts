// What the records of a window have that the table's schema has not: found while they pass, by their names
// alone, so that only records with something new are looked at closely. What the columns shall be is for a
// survey of the whole window to say: records whose field is still empty have a say in its type.
import { type NestedType, parseNested } from '../nested-type.ts';
import type { DetectedSchema, SchemaNews } from '../tables.ts';
import type { ColumnChunk } from './columns.ts';
import { resolveContract } from './contract-columns.ts';
import { type Growth, growColumns } from './grown-columns.ts';
import { parseJson } from './json-parse.ts';
import { parseObject, SeenObject } from './seen-values.ts';

export class NewsScan {
  readonly #schema: DetectedSchema;
  readonly #known: KnownFields;
  readonly #seen = new SeenObject();
  #found = false;

  constructor(schema: DetectedSchema) {
    this.#schema = schema;
    const columns = schema.columns.filter(({ isUnseen }) => isUnseen !== true);
    this.#known = new Map(columns.map(({ source, type }) => [source, knownOf(parseNested(type))]));
  }

  /** Before rows are struck from it: what is no JSON has no names. */
  look(chunk: ColumnChunk): void {
    for (let row = 0; row < chunk.rows; row++) {
      const text = chunk.value(row).toString();
      if (!hasNewsIn(text, this.#known)) continue;
      this.#found = true;
      this.#seen.add(parseObject(text) ?? {});
    }
  }

  /** Columns, where there will be new ones; undefined where nothing is new. */
  news(): SchemaNews | undefined {
    return this.#found ? newsOf(this.#schema, grownSchema(this.#schema, this.#seen)) : undefined;
  }
}

/** What a schema became that grew. */
export function newsOf({ columns: standing }: DetectedSchema, { columns, remarks }: Growth): SchemaNews {
  const isNew = JSON.stringify(columns) !== JSON.stringify(standing);
  return { columns: isNew ? columns : undefined, leftOut: remarks.fieldsWhere('left out') };
}

/** What a sample makes of a schema. */
export function grownSchema(schema: DetectedSchema | undefined, seen: SeenObject): Growth {
  const { columns, isContract } = schema ?? { columns: [], isContract: false };
  return isContract ? resolveContract(columns, seen) : growColumns(columns, seen);
}

/** What a type has a place for below it; undefined where nothing of what is inside can be new. */
type Known = { readonly fields: KnownFields } | { readonly every: Known } | undefined;
type KnownFields = ReadonlyMap<string, Known>;

function knownOf(type: NestedType): Known {
  if (type.kind === 'struct')
    return { fields: new Map(type.fields.map((field) => [field.name, knownOf(field.type)])) };
  if (type.kind === 'scalar') return undefined;
  const every = knownOf(type.kind === 'array' ? type.element : type.value);
  return every === undefined ? undefined : { every };
}

function hasNewsIn(text: string, known: KnownFields): boolean {
  try {
    const value = parseJson(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) && hasNew(value, known);
  } catch {
    return false;
  }
}

function hasNew(object: object, known: KnownFields): boolean {
  for (const [key, value] of Object.entries(object)) {
    if (value === null) continue;
    if (known.has(key) ? isNewBelow(value, known.get(key)) : isSomething(value)) return true;
  }
  return false;
}

function isNewBelow(value: unknown, known: Known): boolean {
  if (known === undefined || typeof value !== 'object' || value === null) return false;
  if ('fields' in known) return !Array.isArray(value) && hasNew(value, known.fields);
  return Object.values(value).some((inner) => isNewBelow(inner, known.every));
}

/** Nulls, empty arrays and empty objects say nothing about a type. */
function isSomething(value: unknown): boolean {
  if (typeof value !== 'object') return true;
  return value !== null && Object.values(value).some(isSomething);
}
