// How the values of most producers are spelled, by the type that a field wants: so plainly that what DuckDB's
// own typed reading makes of them is what the careful conversions would make. A chunk in which every value
// under these names is spelled so, or null, needs no check of each value in SQL. Pure: plain-values.ts looks
// for the forms in the bytes, read-layers.ts reads what they prove.
import type { SourceField } from './fields.ts';
import type { FieldType, ScalarType } from './types.ts';

/** By the name of a field, wherever it stands. */
export type PlainForms = ReadonlyMap<string, PlainForm>;

export interface PlainForm {
  /** A regular expression, of what begins behind the colon. */
  readonly pattern: string;
  /** What every value of the type that is read has; `pattern` may be narrower, as the first step wants it. */
  readonly ofType: string;
  readonly kind: FieldType['kind'];
}

/** By column: the form that no value of a step fails with. Of a text it is what stands between the quotes. */
export type WantedForms = ReadonlyMap<string, string>;

/** No number goes on behind it. */
const END = '(?![-+.eE0-9])';
const NOT_MINUS_ZERO = '(?!-0[.0]*[^.0-9])';
/** The narrower first. So many digits fit, whatever they are; one more where the first is small. */
const INTEGERS: Readonly<Record<string, string>> = {
  TINYINT: '[1-9][0-9]?',
  SMALLINT: '[1-9][0-9]{0,3}|[12][0-9]{4}',
  INTEGER: '[1-9][0-9]{0,8}|1[0-9]{9}',
  BIGINT: '[1-9][0-9]{0,17}|[1-8][0-9]{18}',
};

/**
 * Days of the calendar, all of them: what the form of a date takes beside them, as the 30th of February, no
 * typed reading would tell from null.
 */
const LEAP_YEAR = '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)';
const DAY_OF_YEAR =
  '(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31';
const DAY = `(?!0000)(?:[0-9]{4}-(?:${DAY_OF_YEAR})|${LEAP_YEAR}-02-29)`;
const OFFSET = '(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)';
/** DuckDB takes no offset where there are no seconds, and none behind a space. */
const TIME = `(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,6}0*)?${OFFSET}?)?`;

/** An escape could hide one of these names, but none that this does not find: see plain-values.ts. */
const NAME = /^[A-Za-z0-9_. -]+$/;

export function plainForms(source: readonly SourceField[], wanted: WantedForms = new Map()): PlainForms {
  const forms = new Map<string, PlainForm | undefined>();
  const put = (name: string, type: FieldType, narrower?: string) => {
    const ofType = formOf(type);
    const pattern = narrower ?? ofType;
    const isSame = !forms.has(name) || forms.get(name)?.pattern === pattern;
    const form =
      ofType === undefined || pattern === undefined ? undefined : { pattern, ofType, kind: type.kind };
    forms.set(name, isSame && NAME.test(name) ? form : undefined);
    within(type);
  };
  const within = (type: FieldType): void => {
    if (type.kind === 'array') within(type.element);
    if (type.kind === 'struct') for (const field of type.fields) put(field.source, field.type);
  };
  for (const { name, path, type } of source) put(path.at(-1) ?? '', type, narrowed(type, wanted.get(name)));
  return new Map([...forms].flatMap(([name, form]) => (form === undefined ? [] : [[name, form]])));
}

const narrowed = (type: FieldType, form: string | undefined) =>
  form === undefined || type.kind !== 'string' ? form : `"${form}"`;

/** Whether values under this name, being plain, are of this type: of one that holds others, it itself. */
export function isProven(forms: PlainForms, name: string, type: FieldType): boolean {
  const form = forms.get(name);
  return form !== undefined && form.ofType === formOf(type);
}

/** What of `wanted` holds where values are plain. */
export function heldForms(
  forms: PlainForms,
  source: readonly SourceField[],
  wanted: WantedForms,
): WantedForms {
  return new Map(
    [...wanted].filter(([column, form]) => {
      const field = source.find(({ name }) => name === column);
      const found = field === undefined ? undefined : forms.get(field.path.at(-1) ?? '');
      return field !== undefined && found?.pattern === narrowed(field.type, form);
    }),
  );
}

/** The form of a column's values with which a cast to `to` cannot fail; undefined where there is none. */
export function surelyCasts(from: FieldType, to: FieldType): string | undefined {
  if (to.kind === 'float' && from.kind === 'string') return '-?[0-9]{1,15}(?:\\.[0-9]{1,15})?';
  if (to.kind !== 'integer') return undefined;
  if (from.kind === 'string') return `-?(?:0|${INTEGERS[to.duckdb]})`;
  if (from.kind !== 'integer') return undefined;
  const widths = Object.keys(INTEGERS);
  // The type that it is read as has to hold it, too.
  return formOf(widths.indexOf(from.duckdb) < widths.indexOf(to.duckdb) ? from : to);
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
      return `"${DAY}"`;
    case 'timestamp':
      return `"${DAY}(?:[ T]${TIME})?"`;
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

/** How DuckDB reads a value that is proven, and what is made of it. */
export function plainReading(type: ScalarType): PlainReading {
  switch (type.kind) {
    case 'string':
      return { structure: 'VARCHAR', value: (read) => read };
    case 'timestamp':
      // Read as a TIMESTAMP it would lose its offset.
      return { structure: 'TIMESTAMPTZ', value: (read) => `make_timestamp(epoch_us(${read}))` };
    default:
      return { structure: type.duckdb, value: (read) => read };
  }
}
