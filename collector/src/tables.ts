// Tables, as config compiles them: what is read, what is made of it, and how it is written.
import type { OnError, Step } from './step-config.ts';

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

export type InputFormat =
  | { readonly kind: 'json' }
  | {
      readonly kind: 'csv';
      readonly delimiter: string;
      readonly quote: string;
      readonly columns: readonly string[];
    }
  | { readonly kind: 'text' }
  | { readonly kind: 'bytes' };

export type OutputFormat =
  | {
      readonly kind: 'parquet';
      readonly compression: 'zstd' | 'snappy' | 'gzip';
      /** Rows are in this order within each object; none: in the order they arrived. */
      readonly sortBy?: readonly string[];
      /** Rows of a row group; DuckDB's own 122,880 where it is not set. */
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

export interface TableConfig {
  readonly name: string;
  readonly topic: string;
  readonly input: InputFormat;
  /** Typed columns as read; the steps may rename, cast and drop them. */
  readonly columns: readonly ReadColumn[];
  readonly steps: readonly Step[];
  readonly partitionBy: readonly PartitionSpec[];
  readonly output: OutputFormat;
  readonly provenance: 'none' | 'position' | 'full';
  readonly quarantineRaw: 'keep' | 'hash' | 'drop';
  /** Share of a window's records that may be bad; above it the window waits. */
  readonly quarantineRatioMax?: number | undefined;
  readonly startAt: 'earliest' | 'latest' | undefined;
  /** What becomes of the topic while this table cannot be written and somebody has to help it. */
  readonly whenParked: 'hold' | 'detach';
  readonly windowLengthMs: number;
  readonly windowBytesMax: number;
  /** Key prefix of the table's data under the lake root, without slashes at the ends. */
  readonly location: string;
  /** Hash of everything that decides what rows are: named in each ledger entry. */
  readonly configVersion: string;
}
