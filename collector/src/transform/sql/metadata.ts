// What is known of every record beside its value, as columns that steps may name and `provenance` writes.
import type { Column, TableConfig } from '../../contracts.ts';
import { namesTopic, type TableTopics, topicsOf } from '../../table-topics.ts';
import { type FieldType, literal, parseType } from './types.ts';

export const METADATA: readonly string[] = [
  '_topic',
  '_partition',
  '_offset',
  '_timestamp',
  '_key',
  '_headers',
];

/** True for a tombstone that is kept; written, and no column that a step could read. */
export const DELETED = '_deleted';

/** Where a row stands among those of its record. */
export const ROW = '_row';

/** What SQL carries beside a record's columns, or makes on the way from one step to the next. */
const CARRIED =
  /^__(?:value|original|problem|filtered|nulled|raw|id|nth|unread|at|i|x|key|found|route|tried|[elm][0-9]+)$/;

/** Whether a column of this name would stand beside one of SQL's own, which then is read in its place. */
export function isCarried(name: string): boolean {
  const lower = name.toLowerCase();
  return METADATA.includes(lower) || CARRIED.test(lower);
}

/** SQL of a record's topic: `column` where the table has several. */
export function topicSql(table: TableTopics, column = '_topic'): string {
  return namesTopic(table) ? column : literal(topicsOf(table)[0] ?? '');
}

/** What no two records have in common, in order; of one topic it is left out. */
export function placeColumns(table: TableTopics): readonly string[] {
  return [...(namesTopic(table) ? ['_topic'] : []), '_partition', '_offset'];
}

/** With the types that the table gives them. */
export function metadataColumns({ record }: Pick<TableConfig, 'record'>): readonly Column[] {
  const key = record.key === 'bytes' ? 'binary' : 'string';
  const headers = record.headers === 'map' ? 'map<string,string>' : 'string';
  const types = ['string', 'int', 'bigint', 'timestamp', key, headers];
  return METADATA.map((name, i) => ({ name, type: types[i] ?? '' }));
}

/** A key, or headers, out of the text that was handed over. */
export function keySql({ record }: Pick<TableConfig, 'record'>, text: string): string {
  return record.key === 'bytes' ? `from_base64(${text})` : text;
}

export function headersSql({ record }: Pick<TableConfig, 'record'>, text: string): string {
  return record.headers === 'map' ? `from_json(${text}, '"MAP(VARCHAR, VARCHAR)"')` : text;
}

export function metadataFields(
  table: Pick<TableConfig, 'record'>,
): readonly { readonly name: string; readonly type: FieldType }[] {
  return metadataColumns(table).map(({ name, type }) => ({ name, type: parseType(type) as FieldType }));
}

export function isMetadata(name: string): boolean {
  return METADATA.includes(name);
}
