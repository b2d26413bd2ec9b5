// Where a lake's bytes are kept and where its tables are described: what the stages ask of both.
import type { Column, OutputFormat } from './tables.ts';

/** S3, or a directory. Keys are relative to the lake root and use '/'. Errors: STORE_*. */
export interface ObjectStore {
  /** Where a key is, for humans and for the catalog: s3://bucket/prefix/key or an absolute path. */
  url(key: string): string;
  /** Creates the object unless the key exists (If-None-Match: *). Durable when it resolves. */
  createIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'>;
  /** Overwrites. Only for hints. */
  put(key: string, body: Uint8Array): Promise<void>;
  read(key: string): Promise<Uint8Array | undefined>;
  head(key: string): Promise<{ readonly bytes: number; readonly sha256: string | undefined } | undefined>;
  /** Keys under a prefix in ascending order, after `startAfter`. */
  list(prefix: string, startAfter?: string): AsyncIterable<{ readonly key: string; readonly bytes: number }>;
  /** Uploads a local file to a fresh key. */
  stage(path: string, key: string, sha256: string): Promise<void>;
  /**
   * Idempotent: final object stands with these bytes when it resolves. STORE_STAGED_MISSING,
   * STORE_OBJECT_CONFLICT.
   */
  publish(
    stagedKey: string,
    finalKey: string,
    expected: { readonly bytes: number; readonly sha256: string },
  ): Promise<void>;
  /** Missing keys are success. */
  remove(keys: readonly string[]): Promise<void>;
  /** A live round trip for `check`, with the actions tried. */
  probe(): Promise<void>;
  /** Rules of the store by which objects under these prefixes would go: one sentence each. STORE_DENIED. */
  expiring(prefixes: readonly string[]): Promise<readonly string[]>;
  close(): void;
}

export interface TableDefinition {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly partitionColumns: readonly Column[];
  readonly output: OutputFormat;
  /** Key prefix under the lake root. */
  readonly location: string;
  readonly comment: string;
}

export interface CataloguedPartition {
  readonly values: readonly string[];
  readonly location: string;
}

/** Glue, or a local file. Errors: CATALOG_*. */
export interface Catalog {
  /** Creates database and table if missing; CATALOG_INCOMPATIBLE if what is there cannot take our rows. */
  ensureTable(definition: TableDefinition): Promise<void>;
  /** The same, and adds to what is there the columns and the fields of structs that it lacks. */
  growTable(definition: TableDefinition): Promise<void>;
  /**
   * Registers missing partitions, "already there" is success. `key` is the partition's prefix under the lake
   * root.
   */
  registerPartitions(
    table: TableDefinition,
    partitions: readonly { readonly values: readonly string[]; readonly key: string }[],
  ): Promise<void>;
  /**
   * Registers partitions at `key`, wherever they are registered now. `order` is higher for each later move of
   * a partition: a move that comes late, behind one of a higher order, is left out.
   */
  movePartitions(
    table: TableDefinition,
    partitions: readonly { readonly values: readonly string[]; readonly key: string }[],
    order: number,
  ): Promise<void>;
  /**
   * Partitions that are registered elsewhere than at `key` are moved there; resolves with how many were.
   * Missing ones are left out, and so is what was moved by a higher order.
   */
  putBackPartitions(
    table: TableDefinition,
    partitions: readonly { readonly values: readonly string[]; readonly key: string }[],
    order: number,
  ): Promise<number>;
  tables(): Promise<readonly TableDefinition[]>;
  partitions(table: string): Promise<readonly CataloguedPartition[]>;
  probe(): Promise<void>;
  close(): void;
}
