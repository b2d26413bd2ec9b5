// How each output format is described to Glue, so that Athena, Spark and Trino read what was written. Pure.
import type { OutputFormat } from '../contracts.ts';

export interface FormatDescription {
  readonly inputFormat: string;
  readonly outputFormat: string;
  readonly serde: string;
  readonly serdeParameters: Readonly<Record<string, string>>;
  readonly classification: string;
}

const TEXT_INPUT = 'org.apache.hadoop.mapred.TextInputFormat';
const TEXT_OUTPUT = 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat';

/**
 * CSV needs escapeChar = quote, or backslashes are eaten; JSON the openx SerDe, which reads our timestamps.
 */
export function describeFormat(output: OutputFormat): FormatDescription {
  switch (output.kind) {
    case 'parquet':
      return {
        inputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
        outputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
        serde: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe',
        serdeParameters: { 'serialization.format': '1' },
        classification: 'parquet',
      };
    case 'csv':
      return {
        inputFormat: TEXT_INPUT,
        outputFormat: TEXT_OUTPUT,
        serde: 'org.apache.hadoop.hive.serde2.OpenCSVSerde',
        serdeParameters: { separatorChar: ',', quoteChar: '"', escapeChar: '"' },
        classification: 'csv',
      };
    case 'json':
      return {
        inputFormat: TEXT_INPUT,
        outputFormat: TEXT_OUTPUT,
        serde: 'org.openx.data.jsonserde.JsonSerDe',
        serdeParameters: { 'ignore.malformed.json': 'false' },
        classification: 'json',
      };
  }
}

/** Which format a catalogued SerDe means; undefined for one that is not ours. */
export function formatOf(serde: string): OutputFormat | undefined {
  const formats: readonly OutputFormat[] = [
    { kind: 'parquet', compression: 'zstd' },
    { kind: 'csv', compression: 'none' },
    { kind: 'json', compression: 'none' },
  ];
  return formats.find((format) => describeFormat(format).serde === serde);
}
