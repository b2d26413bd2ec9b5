// Records that are set aside before SQL, and why.

/** Where the records of a part are from. */
export interface PartSource {
  readonly topic: string;
  readonly partition: number;
}

export const NOWHERE: PartSource = { topic: '', partition: 0 };

/** As the table is told them; undefined for none, or where it is not. */
export interface OddTexts {
  readonly key?: Buffer | undefined;
  readonly headers?: Buffer | undefined;
}

/** One record of a batch as it is decoded: views. */
export interface RecordParts {
  readonly raw: Buffer | null;
  readonly key: Buffer | undefined;
  readonly headers: Buffer;
  readonly offset: number;
  readonly timestamp: number;
}

/** A record that cannot go through SQL, and why. */
export interface OddRecord extends OddTexts, PartSource {
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
  | 'SCHEMAS_MANY'
  | 'MESSAGE_OTHER'
  | `VALUE_UNDECODABLE${string}`
  | `VALUE_TOO_LARGE\u001f${string}`
  | 'CSV_INVALID'
  | 'CSV_COLUMNS'
  | 'CSV_LINES'
  | 'CSV_HEADER'
  | 'JSON_INVALID'
  | `JSON_INVALID\u001f${string}`
  | `NOT_AN_OBJECT\u001f${string}`
  | `NUMBER_INEXACT\u001f${string}`
  | 'SEGMENT_CORRUPT'
  | 'RECORD_BATCH_CORRUPT'
  | 'RECORD_BATCH_TOO_LARGE';
