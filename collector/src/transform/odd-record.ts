// Records that are set aside before SQL, and why.

/** A record that cannot go through SQL, and why. */
export interface OddRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly code: OddCode;
  readonly raw: Buffer | null;
}

export type OddCode =
  | 'TOMBSTONE'
  | 'UTF8_INVALID'
  | 'KEY_INVALID'
  | 'VALUE_COMPRESSION'
  | 'VALUE_TOO_LARGE'
  | 'FRAME_INVALID'
  | 'SCHEMA_UNKNOWN'
  | 'SCHEMA_UNUSABLE'
  | 'MESSAGE_OTHER'
  | `VALUE_UNDECODABLE${string}`
  | `VALUE_TOO_LARGE\u001f${string}`
  | 'CSV_INVALID'
  | 'CSV_COLUMNS'
  | 'CSV_LINES'
  | 'CSV_HEADER'
  | 'JSON_INVALID'
  | 'NUMBER_INEXACT'
  | 'SEGMENT_CORRUPT'
  | 'RECORD_BATCH_CORRUPT'
  | 'RECORD_BATCH_TOO_LARGE';
