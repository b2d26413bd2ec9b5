// What is committed to the lake, for `query` and `verify`: the ledger says which objects belong to a table,
// the catalog which partitions readers see. Objects of a bucket are fetched into a scratch directory first.
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type {
  Catalog,
  LedgerEntry,
  ObjectStore,
  OutputName,
  TableConfig,
  TableDefinition,
} from '../contracts.ts';
import { catalogValue, folderOf, ledgerKey, outputTable, type PartitionValues } from '../lake/object-keys.ts';
import { decodeEntry } from '../ledger/entry.ts';
import { hasObjects } from '../ledger/fold.ts';
import { type Ledger, openLedger } from '../ledger/ledger.ts';
import type { StandingOutput } from '../ledger/standing-objects.ts';
import { keysAt, placeOf } from '../ledger/swaps.ts';
import { identifier, literal, parseType } from '../transform/sql/types.ts';
import { entriesOnce, tablesOnce } from './read-once.ts';

/** Entries that are read, and in memory, at the same time. */
const READS_MAX = 32;

export interface LakeReaderOptions {
  readonly store: ObjectStore;
  readonly catalog: Catalog;
  /** Private, empty; removed by the caller. */
  readonly scratch: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface CommittedObject {
  readonly key: string;
  readonly partition: PartitionValues;
}

export class LakeReader {
  readonly #options: LakeReaderOptions;

  constructor(options: LakeReaderOptions) {
    this.#options = options;
  }

  /** The same lake as it is now, for a command that walks its ledgers more than once. */
  readingOnce(): LakeReader {
    const { store, catalog } = this.#options;
    return new LakeReader({ ...this.#options, store: entriesOnce(store), catalog: tablesOnce(catalog) });
  }

  /** The folded ledger of a table; every entry in it was checked against the ones before. */
  ledger(table: string): Promise<Ledger> {
    const { store, clock, random } = this.#options;
    return openLedger({ table, store, clock, random, writerId: 'reader' }, 'first');
  }

  /** Those before number `next`; else all that are there now. */
  async *entries(table: string, next?: number): AsyncGenerator<LedgerEntry> {
    const end = next ?? (await this.ledger(table)).fold.nextSequence;
    for (let from = 0; from < end; from += READS_MAX) {
      const numbers = Array.from({ length: Math.min(READS_MAX, end - from) }, (_, i) => from + i);
      yield* await Promise.all(numbers.map((sequence) => this.#entry(table, sequence)));
    }
  }

  /** Those of these numbers, in their order. */
  async *entriesOf(table: string, numbers: readonly number[]): AsyncGenerator<LedgerEntry> {
    for (const sequence of numbers) yield await this.#entry(table, sequence);
  }

  /** Where swaps have put partitions, as the newest checkpoint and what follows it have them. */
  async folders(table: string): Promise<ReadonlySet<string>> {
    const { store, clock, random } = this.#options;
    const { fold } = await openLedger({ table, store, clock, random, writerId: 'reader' });
    return new Set(fold.places.values());
  }

  async #entry(table: string, sequence: number): Promise<LedgerEntry> {
    const key = ledgerKey(table, sequence);
    const bytes = await this.#options.store.read(key);
    if (bytes === undefined)
      throw new SluiceError('LEDGER_MISSING_ENTRY', 'gone while reading', { place: key });
    return decodeEntry(bytes, { key, table, sequence });
  }

  /** A local path with the object's bytes; undefined where it is gone. */
  async local(key: string): Promise<string | undefined> {
    const { store } = this.#options;
    const url = store.url(key);
    if (this.isLocal) return existsSync(url) ? url : undefined;
    const bytes = await store.read(key);
    if (bytes === undefined) return undefined;
    const path = this.#scratchPath(key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
    return path;
  }

  /** Objects are files of a directory: `local` copies nothing, and `head` has read their bytes. */
  get isLocal(): boolean {
    return isAbsolute(this.#options.store.url(''));
  }

  /** Where local copies lie, and what is made of them: not of a lake that is a directory itself. */
  get scratch(): string {
    return this.#options.scratch;
  }

  #scratchPath(key: string): string {
    return join(this.#options.scratch, key);
  }

  /** The copy that `local` made is not needed any more. */
  async release(key: string): Promise<void> {
    if (!this.isLocal) await rm(this.#scratchPath(key), { force: true });
  }

  head(key: string): ReturnType<ObjectStore['head']> {
    return this.#options.store.head(key);
  }

  /**
   * Objects of one output that are committed and lie in a registered partition. Of one that a swap has moved
   * those at the place where the catalog has it now: all that was there before, or all that is there since.
   */
  async committed(table: Pick<TableConfig, 'name'>, output: OutputName): Promise<CommittedObject[]> {
    const { fold } = await this.ledger(table.name);
    const registered = await this.registered(outputTable(table, output));
    const objects: CommittedObject[] = [];
    const add = (key: string, partition: PartitionValues) => {
      const at = registered(partition);
      if (at === undefined) return;
      const isMoved = placeOf(fold, { output, partition }) !== undefined;
      if (!isMoved || at === folderOf(key)) objects.push({ key, partition });
    };
    for await (const entry of this.entries(table.name, fold.nextSequence)) {
      if (hasObjects(entry))
        for (const object of entry.outputs.filter((o) => o.output === output))
          add(object.finalKey, object.partition);
      if (entry.kind !== 'swap') continue;
      for (const move of entry.moves.filter((moved) => moved.output === output))
        for (const key of keysAt(move)) add(key, move.partition);
    }
    return objects;
  }

  /** Where readers of a catalogued table see a partition of it; undefined where they do not. */
  async registered(table: string): Promise<(partition: PartitionValues) => string | undefined> {
    const key = (values: readonly string[]) => values.join('\u0000');
    const partitions = await this.#options.catalog.partitions(table);
    const known = new Map(partitions.map(({ values, location }) => [key(values), withSlash(location)]));
    return (partition) =>
      partition.length === 0 ? '' : known.get(key(partition.map(({ value }) => catalogValue(value))));
  }

  async cataloguedTables(): Promise<ReadonlySet<string>> {
    return new Set((await this.#options.catalog.tables()).map(({ name }) => name));
  }

  /** Every key below a table's location, committed or not. */
  async stored(location: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.#options.store.list(`${location}/`)) keys.push(key);
    return keys;
  }

  /** SQL that reads these objects as the catalogued table: typed columns, then partition columns. */
  async selectFrom(definition: TableDefinition, objects: readonly CommittedObject[]): Promise<string> {
    const parts: string[] = [];
    const groups = Map.groupBy(objects, ({ partition }) => JSON.stringify(partition));
    for (const group of groups.values()) {
      const paths: string[] = [];
      for (const { key } of group) {
        const path = await this.local(key);
        if (path !== undefined) paths.push(path);
      }
      if (paths.length === 0) continue;
      const values = (group[0]?.partition ?? []).map(
        ({ column, value }) =>
          `${value === null ? 'NULL' : literal(value)}::VARCHAR AS ${identifier(column)}`,
      );
      parts.push(`SELECT ${['*', ...values].join(', ')} FROM ${readerOf(definition, paths)}`);
    }
    if (parts.length > 0) return parts.join('\nUNION ALL BY NAME\n');
    const columns = [...definition.columns, ...definition.partitionColumns];
    const nothing = columns.map(({ name, type }) => `NULL::${duckdbType(type)} AS ${identifier(name)}`);
    return `SELECT ${nothing.join(', ')} WHERE false`;
  }
}

/**
 * A table function over files of the table's format. Partition columns come from the ledger, never from the
 * path.
 */
export function readerOf(definition: TableDefinition, paths: readonly string[]): string {
  const files = `[${paths.map(literal).join(', ')}]`;
  if (definition.output.kind === 'parquet')
    return `read_parquet(${files}, union_by_name = true, hive_partitioning = false)`;
  const types = (csv: boolean) =>
    definition.columns
      .map(({ name, type }) => `${literal(name)}: ${literal(csv ? 'VARCHAR' : duckdbType(type))}`)
      .join(', ');
  if (definition.output.kind === 'csv') {
    // A quoted nothing is an empty text, and only a bare one is NULL.
    const form = `header = false, auto_detect = false, quote = '"', escape = '"', allow_quoted_nulls = false`;
    return `read_csv(${files}, ${form}, hive_partitioning = false, columns = {${types(true)}})`;
  }
  return `read_json(${files}, format = 'newline_delimited', hive_partitioning = false, columns = {${types(false)}})`;
}

/** The same of one output of an entry: some rows of a joined object, or the file of its lines. */
export function readerOfRows(
  definition: TableDefinition,
  path: string,
  output: Pick<StandingOutput, 'rows' | 'joined'>,
): string {
  const isWhole = output.joined === undefined || output.joined.text !== undefined;
  return isWhole ? readerOf(definition, [path]) : joinedRows(path, output);
}

/** DuckDB reads no row groups but those of the rows. What lies behind all of them is held to the last. */
export function joinedRows(path: string, { rows, joined }: Pick<StandingOutput, 'rows' | 'joined'>): string {
  const first = joined?.first ?? 0;
  const next = first + rows;
  const file = `read_parquet([${literal(path)}], hive_partitioning = false, file_row_number = true)`;
  const until = next === joined?.rows ? '' : ` AND file_row_number < ${next}`;
  return `(SELECT * EXCLUDE (file_row_number) FROM ${file} WHERE file_row_number >= ${first}${until})`;
}

/** As the ledger spells places. */
export const withSlash = (location: string) => (location.endsWith('/') ? location : `${location}/`);

function duckdbType(glue: string): string {
  return parseType(glue)?.duckdb ?? glue.toUpperCase();
}
