// A quick look at arrays and structs: DuckDB reads them with the record, in one go, and where every value
// inside is, for certain, what nested.ts would make of it, that is taken. Where anything is in doubt - an
// array that is missing or no array, an object without a value, a value that does not fit - nested.ts
// decides, as if nobody had looked before. DuckDB reads NULL for null and for what is missing, a struct of
// NULLs for what is no object, and NULL for what is no array.
import { fromJson, wantsJsonToken } from './conversions.ts';
import { type FieldType, identifier, literal, type ScalarType } from './types.ts';

export interface QuickLook {
  /** from_json's structure. */
  readonly structure: unknown;
  /** SQL, never NULL: whether `value` of what was read is right. */
  certain(read: string): string;
  value(read: string): string;
}

/** undefined where a type has parts that DuckDB's own reading does not tell apart. */
export function quickLook(type: FieldType, depth = 0): QuickLook | undefined {
  switch (type.kind) {
    case 'array':
      return ofArray(quickLook(type.element, depth + 1), depth);
    case 'struct':
      return ofStruct(
        type.fields,
        type.fields.map((field) => quickLook(field.type, depth)),
      );
    case 'map':
    case 'choice':
    case 'binary':
      return undefined;
    default:
      return ofScalar(type);
  }
}

/** A number that DuckDB spells in another way as a text than as a token, or a string that looks like one. */
const DOUBLE = "'-0|-?[0-9]*[.eE][-+.eE0-9]*'";

/** Numbers and booleans as tokens, so that 5 and "5" differ. */
function ofScalar(type: ScalarType): QuickLook {
  if (type.kind === 'string')
    return {
      structure: 'VARCHAR',
      certain: (read) =>
        `CASE WHEN ${read} IS NULL THEN true WHEN ${read} >= '-' AND ${read} < ':' ` +
        `THEN NOT regexp_full_match(${read}, ${DOUBLE}) ` +
        `ELSE NOT (starts_with(${read}, '{') OR starts_with(${read}, '[')) END`,
      value: (read) => read,
    };
  const { value, fails } = fromJson(type);
  const isToken = wantsJsonToken(type);
  const text = (read: string) => (isToken ? `nullif(${read}::VARCHAR, 'null')` : read);
  return {
    structure: isToken ? 'JSON' : 'VARCHAR',
    certain: (read) => `NOT ${fails(text(read), value(text(read)))}`,
    value: (read) => value(text(read)),
  };
}

function ofArray(element: QuickLook | undefined, depth: number): QuickLook | undefined {
  if (element === undefined) return undefined;
  const each = `__q${depth}`;
  return {
    structure: [element.structure],
    certain: (read) =>
      `coalesce(len(list_filter(${read}, lambda ${each}: NOT ${element.certain(each)})) = 0, false)`,
    value: (read) =>
      element.value(each) === each ? read : `list_transform(${read}, lambda ${each}: ${element.value(each)})`,
  };
}

/** Any value inside proves that there is an object. */
function ofStruct(
  fields: Extract<FieldType, { kind: 'struct' }>['fields'],
  looks: readonly (QuickLook | undefined)[],
): QuickLook | undefined {
  const parts = fields.flatMap(({ source, name }, i) => {
    const look = looks[i];
    return look === undefined ? [] : [{ source, name, look }];
  });
  if (parts.length < fields.length) return undefined;
  const at = (read: string, source: string) => `struct_extract(${read}, ${literal(source)})`;
  return {
    structure: Object.fromEntries(parts.map(({ source, look }) => [source, look.structure])),
    certain(read) {
      const some = parts.map(({ source }) => `${at(read, source)} IS NOT NULL`).join(' OR ');
      const all = parts.map(({ source, look }) => look.certain(at(read, source))).join(' AND ');
      return `(${read} IS NULL OR ((${some}) AND ${all}))`;
    },
    value(read) {
      const values = parts.map(
        ({ source, name, look }) => `${identifier(name)} := ${look.value(at(read, source))}`,
      );
      return `CASE WHEN ${read} IS NOT NULL THEN struct_pack(${values.join(', ')}) END`;
    },
  };
}
