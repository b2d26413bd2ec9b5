// Column types: Glue's names, DuckDB's names, and which of them this version converts.

export interface ScalarType {
  readonly kind:
    | 'boolean'
    | 'integer'
    | 'float'
    | 'decimal'
    | 'string'
    | 'binary'
    | 'date'
    | 'timestamp'
    | 'map';
  /** As Glue writes it. */
  readonly glue: string;
  readonly duckdb: string;
  /** Digits behind the point, for decimals. */
  readonly scale: number;
}

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
export function parseType(text: string): ScalarType | undefined {
  const name = text.trim().toLowerCase();
  const simple = SIMPLE[name];
  if (simple !== undefined) return { kind: simple[0], glue: simple[1], duckdb: simple[2], scale: 0 };
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

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
