// What you can set on how a table's rows are written: partitions and files. Part of config.ts.
import { byteSize } from '@sluice/shared/units.ts';
import { z } from 'zod';
import { type OutputFormat, type PartitionSpec, type TimeGrain, ZSTD_LEVEL } from './tables.ts';
import { grainOf, isTimeZone } from './time-spelling.ts';

const as =
  'Name of the partition column; else ingest_day or ingest_hour, or the column’s with _day or _hour where `by` is set';
const grain = z.enum(['year', 'month', 'day', 'hour', 'minute']);
const pattern = z
  .string()
  .refine((text) => grainOf(text) !== undefined, 'letters are yyyy MM dd HH mm, with - _ . or blanks between')
  .optional()
  .describe('How the time is spelled, such as yyyy-MM or HH; else 2026-11-27-08, as far as it is cut');
const zone = z
  .string()
  .refine(isTimeZone, 'is no IANA time zone, such as Europe/Berlin')
  .optional()
  .describe('Time zone whose clocks the partition shows; else UTC');
const bound = (date: string, what: string) => z.iso.date().default(date).describe(what);
export const partitionSchema = z.union([
  z.strictObject({
    ingest: grain.describe('By the time the window opened'),
    pattern,
    zone,
    as: z.string().optional().describe(as),
  }),
  z.strictObject({
    field: z.string().min(1).describe('By a column: its value, or its time with `by`'),
    by: grain.describe('What a timestamp or date is cut to'),
    pattern,
    zone,
    notBefore: bound(
      '1970-01-02',
      'Earlier records are quarantined: clocks that were never set say 1970-01-01',
    ),
    notAfter: bound(
      '2100-01-01',
      'Records of this day or later are quarantined: mistaken units make such years',
    ),
    as: z.string().optional().describe(as),
  }),
  z.strictObject({
    field: z.string().min(1).describe('By a column: its value, or its time with `by`'),
    as: z.string().optional().describe(as),
  }),
]);

/** Above it a row group wants memory by the hundred megabytes. */
const ZSTD_LEVEL_MAX = 19;
const compression = 'Of the files';
const format = 'Kind of files';
const sortBy = z
  .array(z.string().min(1))
  .default([])
  .describe('Columns that the rows of a file are sorted by; else they stand as they arrived');
const parquetSchema = z
  .strictObject({
    format: z.literal('parquet').describe(format),
    compression: z.enum(['zstd', 'snappy', 'gzip']).default('zstd').describe(compression),
    compressionLevel: z
      .int()
      .min(1)
      .max(ZSTD_LEVEL_MAX)
      .optional()
      .describe(
        `Of zstd, else ${ZSTD_LEVEL}: a higher one takes more time and makes most files little smaller`,
      ),
    sortBy,
    rowGroupRows: z
      .int()
      .min(2_048)
      .max(10_000_000)
      .optional()
      .describe(
        'Rows of a row group, about; else 81,920 to 122,880. Of up to 81,920 each chunk of records is divided evenly',
      ),
    objectBytes: byteSize()
      .prefault('128MiB')
      .describe('A file that reaches this size is followed by another'),
  })
  .refine(({ compression, compressionLevel }) => compression === 'zstd' || compressionLevel === undefined, {
    path: ['compressionLevel'],
    message: 'only zstd has levels: take it out, or set `compression: zstd`',
  });
export const outputSchema = z.union([
  parquetSchema,
  z.strictObject({
    format: z.enum(['csv', 'json']).describe(format),
    compression: z.enum(['none', 'gzip']).default('none').describe(compression),
    sortBy,
  }),
]);

export function compilePartition(parsed: z.output<typeof partitionSchema>): PartitionSpec {
  if ('ingest' in parsed) {
    const { ingest, as = `ingest_${ingest}` } = parsed;
    return { kind: 'ingest', ...spelling(ingest, parsed), column: as };
  }
  const { field } = parsed;
  if (!('by' in parsed)) return { kind: 'value', field, column: parsed.as ?? field };
  const { by, notBefore, notAfter, as = `${field}_${by}` } = parsed;
  return { kind: 'time', field, ...spelling(by, parsed), column: as, notBefore, notAfter };
}

function spelling(
  by: TimeGrain,
  { pattern, zone }: { pattern?: string | undefined; zone?: string | undefined },
) {
  return {
    by: pattern === undefined ? by : (grainOf(pattern) ?? by),
    ...(pattern === undefined ? {} : { pattern }),
    ...(zone === undefined ? {} : { zone }),
  };
}

export function compileOutput(parsed: z.output<typeof outputSchema>): OutputFormat {
  const { sortBy, compression } = parsed;
  const sorted = sortBy.length === 0 ? {} : { sortBy };
  if (parsed.format !== 'parquet') return { kind: parsed.format, compression, ...sorted } as OutputFormat;
  const { rowGroupRows, compressionLevel, objectBytes } = parsed;
  const groups = rowGroupRows === undefined ? {} : { rowGroupRows };
  const level = compressionLevel === undefined ? {} : { compressionLevel };
  return { kind: 'parquet', compression: parsed.compression, ...level, ...sorted, ...groups, objectBytes };
}
