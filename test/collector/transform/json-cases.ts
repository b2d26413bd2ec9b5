// JSON values, the type a column wants, and what becomes of them: the value, or the code under which it is
// quarantined.

interface Case {
  readonly type: string;
  readonly json: string;
  /** The value as DuckDB prints it to JSON, or the code of its quarantine. */
  readonly becomes: unknown;
}

const quarantined = (code = 'CAST_FAILED') => ({ code });

export const CASES: readonly Case[] = [
  { type: 'bigint', json: '5', becomes: '5' },
  { type: 'bigint', json: '-9223372036854775808', becomes: '-9223372036854775808' },
  { type: 'bigint', json: '9223372036854775808', becomes: quarantined() },
  { type: 'bigint', json: '"x"', becomes: quarantined() },
  { type: 'bigint', json: '"5"', becomes: quarantined() },
  { type: 'bigint', json: '1.5', becomes: quarantined() },
  { type: 'bigint', json: '5e-7', becomes: quarantined() },
  { type: 'bigint', json: 'true', becomes: quarantined() },
  { type: 'bigint', json: '[1]', becomes: quarantined() },
  { type: 'bigint', json: '{"a":1}', becomes: quarantined() },
  { type: 'bigint', json: 'null', becomes: null },
  { type: 'int', json: '2147483648', becomes: quarantined() },
  { type: 'boolean', json: 'true', becomes: true },
  { type: 'boolean', json: '1', becomes: quarantined() },
  { type: 'boolean', json: '"true"', becomes: quarantined() },
  { type: 'double', json: '1e400', becomes: quarantined() },
  { type: 'double', json: '0.1', becomes: 0.1 },
  { type: 'double', json: '"0.1"', becomes: quarantined() },
  { type: 'double', json: 'NaN', becomes: quarantined('JSON_INVALID') },
  { type: 'double', json: '-Infinity', becomes: quarantined('JSON_INVALID') },
  { type: 'decimal(10,2)', json: '1.99', becomes: '1.99' },
  { type: 'decimal(10,2)', json: '1.990', becomes: '1.99' },
  { type: 'decimal(10,2)', json: '1.999', becomes: quarantined() },
  { type: 'decimal(10,2)', json: '1e3', becomes: '1000.00' },
  { type: 'decimal(10,8)', json: '1e-7', becomes: '0.00000010' },
  { type: 'decimal(10,2)', json: '1e-7', becomes: quarantined() },
  { type: 'decimal(38,2)', json: '12345678901234567890.12', becomes: quarantined('NUMBER_INEXACT') },
  { type: 'decimal(38,0)', json: '12345678901234567890123456789', becomes: '12345678901234567890123456789' },
  { type: 'decimal(3,2)', json: '123.45', becomes: quarantined() },
  { type: 'string', json: '"text"', becomes: 'text' },
  { type: 'string', json: '5', becomes: '5' },
  { type: 'string', json: '{"a":[1,2]}', becomes: '{"a":[1,2]}' },
  { type: 'string', json: '""', becomes: '' },
  { type: 'string', json: '"a\\u0000b"', becomes: 'a\u0000b' },
  { type: 'string', json: '"\\u001e, nan ,}"', becomes: '\u001e, nan ,}' },
  { type: 'string', json: '"\\ud800"', becomes: quarantined('JSON_INVALID') },
  { type: 'string', json: '"😀 ü"', becomes: '😀 ü' },
  { type: 'timestamp', json: '"2026-01-02T03:04:05+02:00"', becomes: '2026-01-02 01:04:05' },
  { type: 'timestamp', json: '"2026-01-02T03:04:05Z"', becomes: '2026-01-02 03:04:05' },
  { type: 'timestamp', json: '"2026-01-02 03:04:05.123456"', becomes: '2026-01-02 03:04:05.123456' },
  { type: 'timestamp', json: '"2026-01-02T03:04:05.1234567Z"', becomes: quarantined() },
  { type: 'timestamp', json: '"2026-01-02T03:04:05.1234560Z"', becomes: '2026-01-02 03:04:05.123456' },
  { type: 'timestamp', json: '"2026-01-02"', becomes: '2026-01-02 00:00:00' },
  { type: 'timestamp', json: '"2026-02-30T00:00:00Z"', becomes: quarantined() },
  { type: 'timestamp', json: '"2026-01-02T25:00:00Z"', becomes: quarantined() },
  { type: 'timestamp', json: '"epoch"', becomes: quarantined() },
  { type: 'timestamp', json: '"infinity"', becomes: quarantined() },
  { type: 'timestamp', json: '1780000000', becomes: quarantined() },
  { type: 'date', json: '"2026-02-28"', becomes: '2026-02-28' },
  { type: 'date', json: '"2026-02-30"', becomes: quarantined() },
  { type: 'date', json: '"epoch"', becomes: quarantined() },
];
