// How the files of a table are written: their extension and COPY's options. Pure.
import type { OutputFormat, TableConfig } from '../../contracts.ts';

/** Statistics of each column and row group are written anyway. */
function parquetOptions(output: Extract<OutputFormat, { kind: 'parquet' }>): string {
  const { compression, rowGroupRows, objectBytes } = output;
  return [
    `FORMAT parquet, COMPRESSION ${compression}`,
    ...(rowGroupRows === undefined ? [] : [`ROW_GROUP_SIZE ${rowGroupRows}`]),
    ...(objectBytes === undefined ? [] : [`FILE_SIZE_BYTES ${objectBytes}, RETURN_STATS`]),
  ].join(', ');
}

export function fileFormat({ output }: TableConfig): { extension: string; options: string } {
  if (output.kind === 'parquet') return { extension: 'parquet', options: parquetOptions(output) };
  const gzip = output.compression === 'gzip';
  const compression = gzip ? ', COMPRESSION gzip' : '';
  const suffix = gzip ? '.gz' : '';
  if (output.kind === 'json') return { extension: `json${suffix}`, options: `FORMAT json${compression}` };
  return { extension: `csv${suffix}`, options: `FORMAT csv, HEADER false${compression}` };
}
