// A quick look at arrays and structs: DuckDB reads them with the record, in one go, and where every value
// inside is, for certain, what nested.ts would make of it, that is taken. Where anything is in doubt - an
// array that is missing or no array, an object without a value, a value that does not fit - nested.ts
// decides, as if nobody had looked before. DuckDB reads NULL for null and for what is missing, a struct of
// NULLs for what is no object, and NULL for what is no array. Of fields that are plain (plain-forms.ts) the
// values are proven before.
import { fromJson, wantsJsonToken } from './conversions.ts';
import { isProven, type PlainForms, plainReading } from './plain-forms.ts';
import { type FieldType, identifier, literal, type ScalarType } from './types.ts';

export interface QuickLook {
  /** from_json's structure. */
  readonly structure: unknown;
  /** SQL, never NULL: whether `value` of what was read is right. */
  certain(read: string): string;
  value(read: string): string;
}

interface Place {
  readonly depth?: number;
  /** Where all values are plain. */
  readonly plain?: PlainForms | undefined;
  /** Of the field whose value it is; an element of an array has none. */
  readonly name?: string;
}

/** undefined where a type has parts that DuckDB's own reading does not tell apart. */
export function quickLook(type: FieldType, place: Place = {}): QuickLook | undefined {
  const { depth = 0, plain, name } = place;
  const proven = plain !== undefined && name !== undefined && isProven(plain, name, type);
  switch (type.kind) {
    case 'array':
      return ofArray(quickLook(type.element, { depth: depth + 1, plain }), depth, proven);
    case 'struct':
      return ofStruct(
        type.fields,
        type.fields.map((field) => quickLook(field.type, { depth, plain, name: field.source })),
        proven,
      );
    case 'map':
    case 'choice':
    case 'binary':
      return undefined;
    default:
      return proven ? { ...plainReading(type), certain: () => 'true' } : ofScalar(type);
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

/** One that is proven is an array or null. */
function ofArray(element: QuickLook | undefined, depth: number, proven: boolean): QuickLook | undefined {
  if (element === undefined) return undefined;
  const each = `__q${depth}`;
  const certain = element.certain(each);
  return {
    structure: [element.structure],
    certain: (read) => {
      if (proven && certain === 'true') return 'true';
      return `coalesce(len(list_filter(${read}, lambda ${each}: NOT ${certain})) = 0, ${proven})`;
    },
    value: (read) =>
      element.value(each) === each ? read : `list_transform(${read}, lambda ${each}: ${element.value(each)})`,
  };
}

/** Any value inside proves that there is an object; one that is proven is an object or null. */
function ofStruct(
  fields: Extract<FieldType, { kind: 'struct' }>['fields'],
  looks: readonly (QuickLook | undefined)[],
  proven: boolean,
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
      const each = parts.map(({ source, look }) => look.certain(at(read, source)));
      const all = [...(proven ? [] : [`(${some})`]), ...each.filter((one) => one !== 'true')];
      return all.length === 0 ? 'true' : `(${read} IS NULL OR (${all.join(' AND ')}))`;
    },
    value(read) {
      if (parts.every(({ source, name, look }) => source === name && look.value(name) === name)) return read;
      const values = parts.map(
        ({ source, name, look }) => `${identifier(name)} := ${look.value(at(read, source))}`,
      );
      return `CASE WHEN ${read} IS NOT NULL THEN struct_pack(${values.join(', ')}) END`;
    },
  };
}
