// Records that a table could not take: how a problem is written down while SQL finds it, and the quarantine's
// columns and SELECT that tell it to people, with or without the record itself.
import type { Column, TableConfig } from '../../contracts.ts';
import { namesTopic } from '../../table-topics.ts';
import { metadataColumns, placeColumns, topicSql } from './metadata.ts';
import { US } from './problems.ts';
import { literal } from './types.ts';

/**
 * Whether files of the quarantine have key and headers as text: where raw is kept and the table is told them.
 * Its catalogued table has the columns in any case, so that a step that begins to read them changes no table.
 */
export interface KeptBeside {
  readonly key: boolean;
  readonly headers: boolean;
}

export function keptBeside(
  { quarantineRaw }: TableConfig,
  { needsKeys, needsHeaders }: { readonly needsKeys: boolean; readonly needsHeaders: boolean },
): KeptBeside {
  const keeps = quarantineRaw === 'keep';
  return { key: keeps && needsKeys, headers: keeps && needsHeaders };
}

/** A key or headers of any form as text. */
function besideSql({ record }: TableConfig) {
  const blob = (bytes: string, base64: string) =>
    `coalesce(TRY(decode(${bytes})), concat('base64:', ${base64}))`;
  const told = (column: string, text: string) => `CASE WHEN ${column} IS NOT NULL THEN ${text} END`;
  const isBytes = record.key === 'bytes';
  return {
    key: isBytes ? told('_key', blob('_key', 'to_base64(_key)')) : '_key',
    oddKey: isBytes ? told('k', blob('from_base64(k)', 'k')) : 'k',
    headers: record.headers === 'map' ? 'to_json(_headers)::VARCHAR' : '_headers',
  };
}

export function quarantineColumns(table: TableConfig): readonly Column[] {
  const raw = { keep: ['raw', 'binary'], hash: ['raw_sha256', 'string'], drop: undefined }[
    table.quarantineRaw
  ];
  const column = (name: string, type: string) => ({ name, type });
  return [
    ...metadataColumns(table).filter(({ name }) => name !== '_key' && name !== '_headers'),
    ...(table.quarantineRaw === 'keep' ? ['_key', '_headers'] : []).map((name) => column(name, 'string')),
    ...['code', 'field', 'reason'].map((name) => column(name, 'string')),
    ...(raw === undefined ? [] : [column(raw[0] ?? '', raw[1] ?? '')]),
    column('config_version', 'string'),
  ];
}

export function selectQuarantine(table: TableConfig, { key, headers }: KeptBeside): string {
  const raw = { keep: ', raw AS raw', hash: ', sha256(raw) AS raw_sha256', drop: '' }[table.quarantineRaw];
  const shown = table.quarantineRaw === 'keep';
  const part = (index: number) => `split_part(problem, ${US}, ${index})`;
  const wanted = spoken(part(4));
  const named = `coalesce(nullif(${part(2)}, ''), 'the value')`;
  const cast = shown
    ? `concat(${named}, ' ''', ${part(3)}, ''' is not ', ${wanted})`
    : `concat(${named}, ' is not ', ${wanted})`;
  const rule = shown
    ? `concat(CASE WHEN ${part(2)} <> '' THEN concat(${part(2)}, ' ''', ${part(3)}, ''' ') END, 'breaks the rule: ', ${part(4)})`
    : `concat('breaks the rule: ', ${part(4)})`;
  const condition = `concat('the ', ${part(4)}, ' cannot be evaluated for this record')`;
  const beside = (key ? ', _key' : '') + (headers ? ', _headers' : '');
  const sql = besideSql(table);
  const staged = (key ? `, ${sql.key} AS _key` : '') + (headers ? `, ${sql.headers} AS _headers` : '');
  const odd = (key ? `, ${sql.oddKey} AS _key` : '') + (headers ? ', h AS _headers' : '');
  const reasons = Object.entries(REASONS).map(
    ([code, reason]) => `WHEN ${literal(code)} THEN ${literal(reason)}`,
  );
  return (
    `SELECT ${topicSql(table)} AS _topic, _partition, _offset, _timestamp${beside}, ${part(1)} AS code, ` +
    `nullif(${part(2)}, '') AS field, CASE ${part(1)} ${reasons.join(' ')} WHEN 'RULE_BROKEN' THEN ${rule} WHEN 'FILTER_FAILED' THEN ${condition} ELSE ${cast} END AS reason${raw}, ` +
    `${literal(table.configVersion)} AS config_version FROM (\n` +
    `  SELECT ${placeColumns(table).join(', ')}, _timestamp${staged}, __problem AS problem, __raw AS raw FROM staged WHERE __problem IS NOT NULL\n` +
    `  UNION ALL SELECT ${namesTopic(table) ? 'c, ' : ''}p, o, CASE WHEN t BETWEEN 0 AND 9223372036854775 THEN make_timestamp(t * 1000) END${odd}, code, raw FROM odd\n` +
    `) ORDER BY ${placeColumns(table).join(', ')}`
  );
}

/** Types of JSON by DuckDB's names, and by those of JSON: told here, once, and not for each column. */
const JSON_TYPES: Readonly<Record<string, string>> = {
  VARCHAR: 'string',
  BOOLEAN: 'boolean',
  OBJECT: 'object',
  ARRAY: 'array',
  'U?BIGINT|U?HUGEINT|DOUBLE': 'number',
};

function spoken(wanted: string): string {
  return Object.entries(JSON_TYPES).reduce(
    (text, [duckdb, json]) => `regexp_replace(${text}, ' but (${duckdb})$', ' but ${json}')`,
    wanted,
  );
}

/** What each code without a value of its own says to the person who reads the quarantine. */
const REASONS: Readonly<Record<string, string>> = {
  JSON_INVALID: 'the value is not JSON (RFC 8259)',
  TOMBSTONE: 'the record has no value (a tombstone)',
  UTF8_INVALID: 'the value is not UTF-8',
  CSV_INVALID: 'the value is not one CSV line: a quote is not closed, text follows one, or nothing an escape',
  KEY_INVALID: 'the key is not JSON',
  VALUE_COMPRESSION: 'the value cannot be decompressed',
  VALUE_TOO_LARGE: 'the value, or with its batch, is larger than may be decompressed or decoded',
  FRAME_INVALID: 'the value has no frame of a schema registry in front',
  SCHEMA_UNKNOWN: 'the schema registry has no schema of the id that the value names',
  SCHEMA_UNUSABLE: 'the schema that the value names is none that can be read here',
  SCHEMAS_MANY: 'the values of its window name more schemas, or longer ones, than one window may',
  MESSAGE_OTHER: 'the value is another message than the table reads',
  VALUE_UNDECODABLE: 'the value does not follow its schema',
  TEXT_NO_MATCH: 'the line does not match the pattern',
  CSV_LINES: 'the value has more lines than one',
  CSV_HEADER:
    'the line of names is missing above the fields, lacks a column, or names others than the table has',
  CSV_COLUMNS: 'the line has not as many fields as the table has columns',
  CSV_LINE_BREAK: 'a text holds a line break, which no reader of CSV tables takes: write Parquet or JSON',
  NUMBER_INEXACT: 'a number has more digits than can be read exactly, or is too small to be told from 0',
  PARTITION_TOO_LONG: 'the value of a partition column is longer than a path may name',
  SEGMENT_CORRUPT:
    'the payload that came with it cannot be decompressed; all of it stands as raw of its first record',
  RECORD_BATCH_CORRUPT:
    'its record batch is not what the producer wrote; all of the batch stands as raw of its first record',
  RECORD_BATCH_TOO_LARGE:
    'its record batch is larger than may be decompressed; all of the batch stands as raw of its first record',
  DERIVE_FAILED: 'an expression cannot be evaluated for this record',
};
