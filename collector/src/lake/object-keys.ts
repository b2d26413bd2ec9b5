// Where every object of the lake lies. Pure; all keys are relative to the lake root. `_sluice/` is ours and
// is read by no lake client, because names that begin with an underscore are hidden from them.
import type { TableConfig } from '../contracts.ts';

export type PartitionValues = readonly { readonly column: string; readonly value: string | null }[];

/** How Hive and Athena spell the partition of NULL. */
const HIVE_DEFAULT_PARTITION = '__HIVE_DEFAULT_PARTITION__';

const SEQUENCE_DIGITS = 20;

/**
 * What nothing but Sluice may ever delete; every other name under `_sluice/` can be lost without harm to what
 * stands.
 */
export const KEPT_PREFIXES: readonly string[] = [
  '_sluice/ledger/',
  '_sluice/checkpoints/',
  '_sluice/staged/',
  '_sluice/catalog/',
  '_sluice/schemas/',
];

export function ledgerPrefix(table: string): string {
  return `_sluice/ledger/${table}/`;
}

export function ledgerKey(table: string, sequence: number): string {
  return `${ledgerPrefix(table)}${String(sequence).padStart(SEQUENCE_DIGITS, '0')}.json`;
}

export function checkpointPrefix(table: string): string {
  return `_sluice/checkpoints/${table}/`;
}

/** `through` is the last entry that the checkpoint holds. */
export function checkpointKey(table: string, through: number): string {
  return `${checkpointPrefix(table)}${String(through).padStart(SEQUENCE_DIGITS, '0')}.json`;
}

/** undefined for a key that is neither a ledger entry nor a checkpoint. */
export function sequenceOf(key: string): number | undefined {
  const [, digits] = /\/(\d{20})\.json$/.exec(key) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** Numbered schemas of a table that detects its columns. */
export function schemaPrefix(table: string): string {
  return `_sluice/schemas/${table}/`;
}

export function schemaKey(table: string, version: number): string {
  return `${schemaPrefix(table)}${String(version).padStart(SEQUENCE_DIGITS, '0')}.json`;
}

export function hintKey(table: string): string {
  return `_sluice/hints/${table}.json`;
}

/** What a prune saw below rebuilt places and no entry named. */
export function unnamedKey(table: string): string {
  return `_sluice/unnamed/${table}.json`;
}

export function stagedPrefix(table: string): string {
  return `_sluice/staged/${table}/`;
}

export function stagedKey(table: string, windowId: string, name: string): string {
  return `${stagedPrefix(table)}${windowId}/${name}`;
}

/** Prefix of a table's rows, of its quarantine or of another output, without a slash at the end. */
export function outputLocation({ location }: Pick<TableConfig, 'location'>, output: string): string {
  return output === 'rows' ? location : `${location}_${output}`;
}

/** As the catalog calls an output of a table. */
export function outputTable({ name }: Pick<TableConfig, 'name'>, output: string): string {
  return output === 'rows' ? name : `${name}_${output}`;
}

/** `<location>/<column>=<value>/...` with a slash at the end. */
export function partitionPrefix(location: string, partition: PartitionValues): string {
  const steps = partition.map(({ column, value }) => `${escapePartition(column)}=${partitionText(value)}/`);
  return `${location}/${steps.join('')}`;
}

function partitionText(value: string | null): string {
  return escapePartition(catalogValue(value));
}

/** A partition value as a catalog holds it: Hive has a name for none. */
export function catalogValue(value: string | null): string {
  return value === null || value === '' ? HIVE_DEFAULT_PARTITION : value;
}

/** Where rebuilds of an output lie, beside it: readers of the one never list the other. */
export function rebuiltLocation(location: string): string {
  return `${location}.rebuilt`;
}

/** What stands behind the last slash. */
export function fileName(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** All up to the last slash, that one included. */
export function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1);
}

export function finalKey(
  location: string,
  partition: PartitionValues,
  file: { windowId: string; index: number; extension: string },
): string {
  return `${partitionPrefix(location, partition)}${file.windowId}-${file.index}.${file.extension}`;
}

const ESCAPED = new Set('"#%\'*/:=?\\{[]^\u007f');

/** Percent-escapes what Hive escapes in partition paths (FileUtils.escapePathName). */
export function escapePartition(text: string): string {
  return [...text]
    .map((char) => {
      if (char >= ' ' && !ESCAPED.has(char)) return char;
      return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
