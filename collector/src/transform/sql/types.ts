// Column types: Glue's names, DuckDB's names, and which of them this version converts.
import { splitTypes } from '../../nested-type.ts';

export interface ScalarType {
  readonly kind: 'boolean' | 'integer' | 'float' | 'decimal' | 'string' | 'binary' | 'date' | 'timestamp';
  /** As Glue writes it. */
  readonly glue: string;
  readonly duckdb: string;
  /** Digits behind the point, for decimals. */
  readonly scale: number;
  /** Characters of a text, of which none may have more; undefined where any number may stand. */
  readonly lengthMax?: number;
}

export interface ArrayType {
  readonly kind: 'array';
  readonly glue: string;
  readonly duckdb: string;
  readonly element: FieldType;
}

/** Its keys are text. */
export interface MapType {
  readonly kind: 'map';
  readonly glue: string;
  readonly duckdb: string;
  readonly value: FieldType;
}

export interface StructType {
  readonly kind: 'struct';
  readonly glue: string;
  readonly duckdb: string;
  /** `source` is the name in JSON; `name` the same in lower case, as readers of lakes take it. */
  readonly fields: readonly { readonly source: string; readonly name: string; readonly type: FieldType }[];
}

/** One of several types from record to record, until resolve_choice: a struct with one member that is set. */
export interface ChoiceType {
  readonly kind: 'choice';
  readonly glue: string;
  readonly duckdb: string;
  /** In the order they are tried. */
  readonly members: readonly { readonly name: string; readonly type: FieldType }[];
}

export type FieldType = ScalarType | ArrayType | MapType | StructType | ChoiceType;

const SIMPLE: Readonly<Record<string, readonly [ScalarType['kind'], string, string]>> = {
  boolean: ['boolean', 'boolean', 'BOOLEAN'],
  bool: ['boolean', 'boolean', 'BOOLEAN'],
  tinyint: ['integer', 'tinyint', 'TINYINT'],
  smallint: ['integer', 'smallint', 'SMALLINT'],
  short: ['integer', 'smallint', 'SMALLINT'],
  int: ['integer', 'int', 'INTEGER'],
  integer: ['integer', 'int', 'INTEGER'],
  bigint: ['integer', 'bigint', 'BIGINT'],
  long: ['integer', 'bigint', 'BIGINT'],
  float: ['float', 'float', 'FLOAT'],
  double: ['float', 'double', 'DOUBLE'],
  string: ['string', 'string', 'VARCHAR'],
  binary: ['binary', 'binary', 'BLOB'],
  date: ['date', 'date', 'DATE'],
  timestamp: ['timestamp', 'timestamp', 'TIMESTAMP'],
};

/** undefined for a type that no column can have here. */
export function parseType(text: string): FieldType | undefined {
  const [, outer = '', inner = ''] = /^\s*(array|map|struct|choice)\s*<(.*)>\s*$/is.exec(text) ?? [];
  switch (outer.toLowerCase()) {
    case 'array':
      return arrayOf(nested(inner));
    case 'map': {
      const [key = '', value = '', ...more] = splitTypes(inner);
      return nested(key)?.kind === 'string' && more.length === 0 ? mapOf(nested(value)) : undefined;
    }
    case 'struct':
      return parseStruct(inner);
    case 'choice':
      return parseChoice(inner);
    default:
      return parseScalar(text);
  }
}

/** A choice is of a column, never inside one; so is a text of so many characters, to which rows are held. */
function nested(text: string): FieldType | undefined {
  const type = parseType(text);
  if (type === undefined || type.kind === 'choice') return undefined;
  return isScalar(type) && type.lengthMax !== undefined ? undefined : type;
}

export function arrayOf(element: FieldType | undefined): ArrayType | undefined {
  if (element === undefined) return undefined;
  return { kind: 'array', glue: `array<${element.glue}>`, duckdb: `${element.duckdb}[]`, element };
}

function mapOf(value: FieldType | undefined): MapType | undefined {
  if (value === undefined) return undefined;
  return { kind: 'map', glue: `map<string,${value.glue}>`, duckdb: `MAP(VARCHAR, ${value.duckdb})`, value };
}

export function structOf(
  parts: readonly { readonly source: string; readonly type: FieldType | undefined }[],
): StructType | undefined {
  const fields = parts.flatMap(({ source, type }) =>
    type === undefined ? [] : [{ source, name: source.toLowerCase(), type }],
  );
  const isWhole = fields.length === parts.length && fields.length > 0;
  if (!isWhole || new Set(fields.map(({ name }) => name)).size < fields.length) return undefined;
  return {
    kind: 'struct',
    glue: `struct<${fields.map(({ name, type }) => `${name}:${type.glue}`).join(',')}>`,
    duckdb: `STRUCT(${fields.map(({ name, type }) => `${identifier(name)} ${type.duckdb}`).join(', ')})`,
    fields,
  };
}

function parseStruct(inner: string): StructType | undefined {
  return structOf(
    splitTypes(inner).map((part) => {
      const [, source = '', type = ''] = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*:(.*)$/s.exec(part) ?? [];
      return { source, type: nested(type) };
    }),
  );
}

function parseChoice(inner: string): ChoiceType | undefined {
  const types = splitTypes(inner).map(nested);
  const members = types.flatMap((type) => (type === undefined ? [] : [{ name: memberName(type), type }]));
  const names = new Set(members.map(({ name }) => name));
  if (members.length < 2 || members.length < types.length || names.size < members.length) return undefined;
  const columns = members.map(({ name, type }) => `${identifier(name)} ${type.duckdb}`);
  return {
    kind: 'choice',
    glue: `choice<${members.map(({ type }) => type.glue).join(',')}>`,
    duckdb: `STRUCT(${columns.join(', ')})`,
    members,
  };
}

/** As AWS Glue calls the columns that make_cols makes: by the type without what is in brackets. */
function memberName(type: FieldType): string {
  return type.glue.replace(/[(<].*$/s, '');
}

/** undefined for a type that is none, or holds others. */
function parseScalar(text: string): ScalarType | undefined {
  const name = text.trim().toLowerCase();
  const simple = SIMPLE[name];
  if (simple !== undefined) return { kind: simple[0], glue: simple[1], duckdb: simple[2], scale: 0 };
  return boundedText(name) ?? decimal(name);
}

/** Hive's own bounds of these types. */
const LENGTHS_MAX: Readonly<Record<string, number>> = { varchar: 65_535, char: 255 };

function boundedText(name: string): ScalarType | undefined {
  const [, kind = '', length = ''] = /^(varchar|char)\(\s*(\d{1,5})\s*\)$/.exec(name) ?? [];
  const lengthMax = Number(length);
  if (lengthMax < 1 || lengthMax > (LENGTHS_MAX[kind] ?? 0)) return undefined;
  return { kind: 'string', glue: `${kind}(${lengthMax})`, duckdb: 'VARCHAR', scale: 0, lengthMax };
}

function decimal(name: string): ScalarType | undefined {
  const [, precisionText = '10', scaleText = '0'] =
    /^decimal(?:\(\s*(\d{1,2})\s*(?:,\s*(\d{1,2})\s*)?\))?$/.exec(name) ?? [];
  const precision = Number(precisionText);
  const scale = Number(scaleText);
  if (!name.startsWith('decimal') || precision < 1 || precision > 38 || scale > precision) return undefined;
  if (!/^decimal(\(.*\))?$/.test(name)) return undefined;
  return {
    kind: 'decimal',
    glue: `decimal(${precision},${scale})`,
    duckdb: `DECIMAL(${precision},${scale})`,
    scale,
  };
}

export function isScalar(type: FieldType): type is ScalarType {
  return !['array', 'map', 'struct', 'choice'].includes(type.kind);
}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** DuckDB's parser ends a statement at a NUL. */
export function literal(text: string): string {
  const parts = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`);
  return parts.length === 1 ? (parts[0] ?? "''") : `(${parts.join(' || chr(0) || ')})`;
}

/** A timestamp, which is UTC, as the clocks of `zone` show it. */
export function localTime(utc: string, zone: string | undefined): string {
  return zone === undefined ? utc : `timezone(${literal(zone)}, timezone('UTC', ${utc}))`;
}
