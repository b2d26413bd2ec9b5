// How the values of most producers are spelled, by the type that a field wants: so plainly that what DuckDB's
// own typed reading makes of them is what the careful conversions would make. A chunk in which every value
// under these names is spelled so, or null, needs no check of each value in SQL. Pure: plain-values.ts looks
// for the forms in the bytes, read-layers.ts reads what they prove.
import { DATE_FORM, TIMESTAMP_FORM } from './conversions.ts';
import type { SourceField } from './fields.ts';
import type { FieldType, ScalarType } from './types.ts';

/** By the name of a field, wherever it stands: a regular expression, of what begins behind the colon. */
export type PlainForms = ReadonlyMap<string, string>;

/** No number goes on behind it. */
const END = '(?![-+.eE0-9])';
const NOT_MINUS_ZERO = '(?!-0[.0]*[^.0-9])';
/** So many digits fit, whatever they are; one more where the first is small. */
const INTEGERS: Readonly<Record<string, string>> = {
  TINYINT: '[1-9][0-9]?',
  SMALLINT: '[1-9][0-9]{0,3}|[12][0-9]{4}',
  INTEGER: '[1-9][0-9]{0,8}|1[0-9]{9}',
  BIGINT: '[1-9][0-9]{0,17}|[1-8][0-9]{18}',
};

/** An escape could hide one of these names, but none that this does not find: see plain-values.ts. */
const NAME = /^[A-Za-z0-9_. -]+$/;

export function plainForms(source: readonly SourceField[]): PlainForms {
  const forms = new Map<string, string | undefined>();
  const put = (name: string, type: FieldType) => {
    const form = formOf(type);
    const isSame = !forms.has(name) || forms.get(name) === form;
    forms.set(name, isSame && NAME.test(name) ? form : undefined);
    within(type);
  };
  const within = (type: FieldType): void => {
    if (type.kind === 'array') within(type.element);
    if (type.kind === 'struct') for (const field of type.fields) put(field.source, field.type);
  };
  for (const { path, type } of source) put(path.at(-1) ?? '', type);
  return new Map([...forms].flatMap(([name, form]) => (form === undefined ? [] : [[name, form]])));
}

/** Whether values under this name, being plain, are of this type: of one that holds others, it itself. */
export function isProven(forms: PlainForms, name: string, type: FieldType): boolean {
  const form = forms.get(name);
  return form !== undefined && form === formOf(type);
}

function formOf(type: FieldType): string | undefined {
  switch (type.kind) {
    case 'boolean':
      return 'true|false';
    case 'integer':
      return `${NOT_MINUS_ZERO}(?:0|-?(?:${INTEGERS[type.duckdb]}))${END}`;
    case 'float':
      if (type.duckdb !== 'DOUBLE') return undefined;
      return `${NOT_MINUS_ZERO}-?(?:0|[1-9][0-9]{0,14})(?:\\.[0-9]{1,15})?${END}`;
    case 'date':
      return `"${DATE_FORM}"`;
    case 'timestamp':
      return `"${TIMESTAMP_FORM}"`;
    case 'string':
      return '"';
    case 'array':
      return '\\[';
    case 'struct':
      return '\\{';
    default:
      return undefined;
  }
}

export interface PlainReading {
  /** from_json's structure. */
  readonly structure: unknown;
  value(read: string): string;
}

/** How DuckDB reads a value that is proven, and what is made of it: a time that there never was throws. */
export function plainReading(type: ScalarType): PlainReading {
  switch (type.kind) {
    case 'string':
      return { structure: 'VARCHAR', value: (read) => read };
    case 'date':
      return { structure: 'VARCHAR', value: (read) => `CAST(${read} AS DATE)` };
    case 'timestamp':
      return {
        structure: 'VARCHAR',
        value: (read) => `make_timestamp(epoch_us(CAST(${read} AS TIMESTAMPTZ)))`,
      };
    default:
      return { structure: type.duckdb, value: (read) => read };
  }
}
