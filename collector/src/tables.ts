// Tables, as config compiles them: what is read, what is made of it, and how it is written.
import type { OnError, Step } from './step-config.ts';
import type { TableTopics } from './table-topics.ts';

export type { Step };

// a Glue type string: boolean, int, bigint, double, decimal(12,2), string, timestamp ...
export type ColumnType = string;

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** A column as it is read. */
export interface ReadColumn extends Column {
  /** What becomes of a value that is not of the type; quarantine where nothing is said. */
  readonly onError?: OnError | undefined;
}

/** A column that was detected: the field that it reads, and its name in the table. */
export interface DetectedColumn {
  readonly source: string;
  readonly name: string;
  /** With the names of a struct's fields as JSON has them. */
  readonly type: ColumnType;
  /** Of a table that somebody else made: no field came yet that would feed it. */
  readonly isUnseen?: true;
}

/** The columns of a table that detects them, as one of its numbered schemas has them. */
export interface DetectedSchema {
  /** From 1 on. */
  readonly version: number;
  /** The table is somebody else's: it is filled, and never changed. */
  readonly isContract: boolean;
  readonly columns: readonly DetectedColumn[];
}

/** What records have that a schema has not. */
export interface SchemaNews {
  /** All columns of the schema that would have it; undefined where none would. */
  readonly columns: readonly DetectedColumn[] | undefined;
  /** Fields that no column can have. */
  readonly leftOut: readonly string[];
}

export type InputFormat =
  | JsonInput
  | CsvInput
  | { readonly kind: 'text' }
  | PatternInput
  | AvroInput
  | ProtobufInput
  | { readonly kind: 'bytes' };

/** One object a record; or an array of them, each element a row. */
export interface JsonInput {
  readonly kind: 'json';
  readonly array?: 'explode' | undefined;
  /** Where in the value it is: names with points between. */
  readonly at?: string | undefined;
  /** What a schema registry's serializer put in front of the value. */
  readonly frame?: 'confluent' | 'glue' | undefined;
}

/** One line a record. */
export interface CsvInput {
  readonly kind: 'csv';
  readonly delimiter: string;
  /** Around fields; empty where fields are never quoted. */
  readonly quote: string;
  /** Takes the next character as it is; the quote itself where a quote is doubled. */
  readonly escape: string;
  /** `line`: a record may be the names of the columns. `each`: every record has their line above its own. */
  readonly header: 'none' | 'line' | 'each';
  /** A record whose line of names lacks a column has NULL there: its columns were found one by one. */
  readonly mayLack?: true | undefined;
  /** Fields that stand for NULL where they are not quoted. */
  readonly nulls: readonly string[];
  /** Whether spaces and tabs around a field are no part of it. */
  readonly trim: boolean;
  readonly columns: readonly string[];
}

/** One line of text a record, whose named groups are its fields. */
export type PatternInput =
  | { readonly kind: 'regex'; readonly pattern: string }
  | {
      readonly kind: 'grok';
      readonly pattern: string;
      /** Patterns of the table's own, by name; they come before the usual ones. */
      readonly patterns: Readonly<Record<string, string>>;
    };

/**
 * Avro's binary encoding: of one schema, as JSON text, or behind the frame of a registry that names the
 * schema of each value by an id.
 */
export type AvroInput =
  | { readonly kind: 'avro'; readonly framing: 'none'; readonly schema: string }
  | { readonly kind: 'avro'; readonly framing: 'confluent' | 'glue' };

/**
 * Protocol Buffers: one message of one schema, or behind the frame of a registry that names the schema of
 * each value by an id and the message by where it stands there; with `message`, others are quarantined.
 */
export type ProtobufInput =
  | {
      readonly kind: 'protobuf';
      readonly framing: 'none';
      readonly schema: ProtobufFiles;
      readonly message: string;
    }
  | {
      readonly kind: 'protobuf';
      readonly framing: 'confluent' | 'glue';
      readonly message?: string | undefined;
    };

/** Files in the language of .proto, the schema itself last; or a FileDescriptorSet, base64. */
export type ProtobufFiles =
  | { readonly files: readonly { readonly name: string; readonly text: string }[] }
  | { readonly descriptors: string };

/** What becomes of a record's parts other than its value, and how the value is packed. */
export interface RecordOptions {
  /** A record without a value: quarantined, filtered, or a row whose `_deleted` is true. */
  readonly tombstones: 'quarantine' | 'drop' | 'keep';
  readonly key: 'text' | 'bytes' | 'json';
  readonly headers: 'pairs' | 'map';
  readonly compression: 'none' | 'gzip' | 'zstd';
}

/** Where a table sets none: with most rows faster than zstd's own 3, and no larger (`bench -- levels`). */
export const ZSTD_LEVEL = 2;

export type OutputFormat =
  | {
      readonly kind: 'parquet';
      readonly compression: 'zstd' | 'snappy' | 'gzip';
      /** Of zstd. */
      readonly compressionLevel?: number;
      /** Rows are in this order within each object; none: in the order they arrived. */
      readonly sortBy?: readonly string[];
      /** Rows of a row group; where it is not set a chunk's 81,920, or DuckDB's own 122,880. */
      readonly rowGroupRows?: number;
      /** An object is ended, and another begun, once it has this many bytes. */
      readonly objectBytes?: number;
    }
  | {
      readonly kind: 'csv' | 'json';
      readonly compression: 'none' | 'gzip';
      readonly sortBy?: readonly string[];
    };

/** From coarse to fine. */
export type TimeGrain = 'year' | 'month' | 'day' | 'hour' | 'minute';

/** How a time becomes a step of a path: cut to `by`, in `zone` (else UTC), spelled by `pattern`. */
export interface TimeSpelling {
  readonly by: TimeGrain;
  /** Of yyyy, MM, dd, HH, mm and what stands between them; without it 2026-11-27-08, as far as `by` goes. */
  readonly pattern?: string;
  /** IANA name. */
  readonly zone?: string;
}

/**
 * One partition column of the lake. `ingest`: by the window's opening time; `time`: a time column,
 * quarantined where it is not in [notBefore, notAfter); `value`: a column as it is.
 */
export type PartitionSpec =
  | ({ readonly kind: 'ingest'; readonly column: string } & TimeSpelling)
  | ({
      readonly kind: 'time';
      readonly field: string;
      readonly column: string;
      /** ISO dates. */
      readonly notBefore?: string;
      readonly notAfter?: string;
    } & TimeSpelling)
  | { readonly kind: 'value'; readonly field: string; readonly column: string };

export type TableConfig = TableTopics & TableMeaning;

/** What is made of the records, whatever topics they are of. */
export interface TableMeaning {
  readonly name: string;
  readonly input: InputFormat;
  readonly record: RecordOptions;
  /** Its columns are found in its records: see withSchema. */
  readonly detects?: true;
  /** The one that its columns are of. */
  readonly schema?: DetectedSchema;
  /** Typed columns as read; the steps may rename, cast and drop them. */
  readonly columns: readonly ReadColumn[];
  readonly steps: readonly Step[];
  readonly partitionBy: readonly PartitionSpec[];
  readonly output: OutputFormat;
  readonly provenance: 'none' | 'position' | 'full';
  readonly quarantineRaw: 'keep' | 'hash' | 'drop';
  /** Share of a window's records that may be bad; above it the table is parked. */
  readonly quarantineRatioMax?: number | undefined;
  readonly startAt: 'earliest' | 'latest' | undefined;
  /** What lies in Kafka's log below where the table began a partition: read beside live data, or not. */
  readonly backfill: 'earliest' | undefined;
  /** What becomes of the topic while this table cannot be written and somebody has to help it. */
  readonly whenParked: 'hold' | 'detach';
  readonly windowLengthMs: number;
  readonly windowBytesMax: number;
  /** Partition values of one ledger entry; a window with more is committed in parts. */
  readonly windowPartitionsMax?: number | undefined;
  /** How long one statement of a window may run. */
  readonly transformTimeoutMs?: number | undefined;
  /** Key prefix of the table's data under the lake root, without slashes at the ends. */
  readonly location: string;
  /** Hash of everything that decides what rows are: named in each ledger entry. */
  readonly configVersion: string;
}
