// How the files of a table are written: their extension and COPY's options. Pure.
import type { OutputFormat, TableConfig } from '../../contracts.ts';
import { ZSTD_LEVEL } from '../../tables.ts';

type ParquetOutput = Extract<OutputFormat, { kind: 'parquet' }>;

/** Statistics of each column and row group are written anyway. */
function parquetOptions(output: ParquetOutput): string {
  const { objectBytes } = output;
  const bounded = objectBytes === undefined ? '' : `, FILE_SIZE_BYTES ${objectBytes}, RETURN_STATS`;
  return rowGroupOptions(output) + bounded;
}

/** What of a row group may be over, so that no group of it is made. */
const REST_SHARE = 1 / 8;

/** Of one file of so many rows, in row groups of one size. */
export function evenGroupOptions(output: ParquetOutput, rows: number): string {
  const { rowGroupRows } = output;
  if (rowGroupRows === undefined) return rowGroupOptions(output);
  const groups = Math.max(1, Math.ceil(rows / rowGroupRows - REST_SHARE));
  return rowGroupOptions({ ...output, rowGroupRows: Math.ceil(rows / groups) });
}

/** Of one file, however large. */
export function rowGroupOptions({ compression, compressionLevel, rowGroupRows }: ParquetOutput): string {
  const level = compression === 'zstd' ? `, COMPRESSION_LEVEL ${compressionLevel ?? ZSTD_LEVEL}` : '';
  const groups = rowGroupRows === undefined ? '' : `, ROW_GROUP_SIZE ${rowGroupRows}`;
  return `FORMAT parquet, COMPRESSION ${compression}${level}${groups}`;
}

export function fileFormat({ output }: Pick<TableConfig, 'output'>): {
  readonly extension: string;
  readonly options: string;
} {
  if (output.kind === 'parquet') return { extension: 'parquet', options: parquetOptions(output) };
  const gzip = output.compression === 'gzip';
  const compression = gzip ? ', COMPRESSION gzip' : '';
  const suffix = gzip ? '.gz' : '';
  if (output.kind === 'json') return { extension: `json${suffix}`, options: `FORMAT json${compression}` };
  return { extension: `csv${suffix}`, options: `FORMAT csv, HEADER false${compression}` };
}
