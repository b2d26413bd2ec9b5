// What is known of every record beside its value, as columns that steps may name and `provenance` writes.
import type { Column } from '../../contracts.ts';
import { type FieldType, parseType } from './types.ts';

const METADATA: Readonly<Record<string, string>> = {
  _topic: 'string',
  _partition: 'int',
  _offset: 'bigint',
  _timestamp: 'timestamp',
  _key: 'string',
  _headers: 'string',
};

export const metadataColumns: readonly Column[] = Object.entries(METADATA).map(([name, type]) => ({
  name,
  type,
}));

export const metadataFields: readonly { readonly name: string; readonly type: FieldType }[] =
  metadataColumns.map(({ name, type }) => ({ name, type: parseType(type) as FieldType }));

export function isMetadata(name: string): boolean {
  return Object.hasOwn(METADATA, name);
}
