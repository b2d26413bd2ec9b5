// What you can set about a table's records: what their values are, how they are packed, and what becomes of
// keys, headers and tombstones.
import { messageOf } from '@sluice/shared/errors.ts';
import { z } from 'zod';
import { readProtobufFiles } from './protobuf-files.ts';
import type { CsvInput, InputFormat, RecordOptions } from './tables.ts';

const character = () => z.string().length(1);

const json = z
  .strictObject({
    array: z
      .enum(['quarantine', 'explode'])
      .default('quarantine')
      .describe('What becomes of a value that is an array; `explode`: each element, an object, is a row'),
    at: z
      .string()
      .regex(/^(?:`[^`]+`|[^.`]+)(?:\.(?:`[^`]+`|[^.`]+))*$/, 'names with points between, as payload.after')
      .optional()
      .describe(
        'Where in the value the object is, or with `array: explode` the array, such as payload; what is around ' +
          'is not read, and a text on the way is what it holds',
      ),
    frame: z
      .enum(['confluent', 'glue'])
      .optional()
      .describe('What a JSON Schema serializer put in front of each value, and what is taken away'),
  })
  .describe('JSON of another kind');

const csv = z
  .strictObject({
    delimiter: character().default(',').describe('Character between fields'),
    quote: z.string().max(1).default('"').describe('Character around fields; empty: fields are never quoted'),
    escape: character()
      .optional()
      .describe('Character that takes the next one as it is; else a quote inside quotes is doubled'),
    header: z
      .enum(['none', 'line', 'each'])
      .default('none')
      .describe(
        '`line`: a record that is the names of the columns is filtered; `each`: every record has the line of ' +
          'names above its own, and fields are found by name',
      ),
    nulls: z.array(z.string()).default(['']).describe('What stands for NULL where it is not quoted'),
    trim: z.boolean().default(false).describe('Takes spaces and tabs around fields away'),
  })
  .describe('CSV of another kind: one record is one line');

const text = z
  .union([
    z.strictObject({
      regex: z
        .string()
        .min(1)
        .describe(
          'Regular expression (RE2) that the whole line must match; its named groups are the columns',
        ),
    }),
    z.strictObject({
      grok: z
        .string()
        .min(1)
        .describe(
          'Grok pattern that the whole line must match; `%{NAME:field}` and `%{NAME:field:int}` are columns',
        ),
      patterns: z.record(z.string(), z.string()).default({}).describe('Grok patterns of your own, by name'),
    }),
  ])
  .describe('One line of text that is taken apart');

const avro = z
  .union([
    z.strictObject({
      schema: z.string().min(1).describe('File with the schema of every value, as JSON'),
    }),
    z.strictObject({
      registry: z
        .enum(['confluent', 'glue'])
        .describe(
          'Each value names its schema: Confluent’s frame, resolved by an agent of the topic, or AWS Glue’s, ' +
            'resolved here',
        ),
    }),
  ])
  .describe('Avro');

const message = () => z.string().regex(/^[A-Za-z_][\w.]*$/, 'a name with its package, as acme.claims.Claim');

const protobuf = z
  .union([
    z.strictObject({
      schema: z
        .string()
        .min(1)
        .describe(
          'File with the schema: .proto, beside which its imports lie, or a FileDescriptorSet with all that ' +
            'it imports',
        ),
      message: message().describe('Message that every value is, with its package'),
    }),
    z.strictObject({
      registry: z
        .enum(['confluent', 'glue'])
        .describe(
          'Each value names its schema and message: Confluent’s frame, resolved by an agent of the topic, or ' +
            'AWS Glue’s, resolved here',
        ),
      message: message().optional().describe('Values that are another message are quarantined'),
    }),
  ])
  .describe('Protocol Buffers');

/** Files that a format names, read once when the config is. */
export type ReadFile = (path: string) => Buffer;

export const inputFormat = z.union([
  z.enum(['json', 'csv', 'text', 'bytes']),
  z.strictObject({ json }),
  z.strictObject({ csv }),
  z.strictObject({ text }),
  z.strictObject({ avro }),
  z.strictObject({ protobuf }),
]);

type ParsedFormat = z.output<typeof inputFormat>;

/** Keys of a table beside `format`. */
export const recordKeys = {
  compression: z
    .enum(['none', 'gzip', 'zstd'])
    .default('none')
    .describe('How producers compress each value themselves, apart from Kafka’s own compression'),
  tombstones: z
    .enum(['quarantine', 'drop', 'keep'])
    .default('quarantine')
    .describe(
      'What becomes of a record without a value; `keep`: a row whose `_deleted` is true, with its `_key`, ' +
        'and NULL in every column read from the value',
    ),
  key: z
    .enum(['text', 'bytes', 'json'])
    .default('text')
    .describe('What `_key` is: text, binary, or text that must be JSON'),
  headers: z
    .enum(['pairs', 'map'])
    .default('pairs')
    .describe(
      'What `_headers` is: JSON text of [name, value] pairs, or map<string,string> with the last value of ' +
        'a repeated name',
    ),
};

type ParsedRecord = { readonly [Key in keyof typeof recordKeys]: z.output<(typeof recordKeys)[Key]> };

export interface InputProblem {
  readonly message: string;
  readonly remedy: string;
}

/** Whether a value may be an array, of which each element is a row. */
export function explodesArrays(input: InputFormat): boolean {
  return input.kind === 'json' && input.array === 'explode';
}

/** Whether only a part of a value is read, or each of several parts. */
export function isUnwrapped(input: InputFormat): boolean {
  return (
    input.kind === 'json' && (explodesArrays(input) || input.at !== undefined || input.frame !== undefined)
  );
}

export function inputProblems(format: ParsedFormat, read: ReadFile): InputProblem[] {
  if (typeof format === 'string' || 'text' in format || 'json' in format) return [];
  if (!('csv' in format)) return unreadable(() => compileInput(format, [], read));
  const { delimiter, quote } = format.csv;
  const remedy = 'name two different characters';
  if (delimiter === quote) return [{ message: 'delimiter and quote are the same', remedy }];
  return delimiter === format.csv.escape ? [{ message: 'delimiter and escape are the same', remedy }] : [];
}

interface DetectingTable {
  readonly columns?: unknown;
  readonly format: ParsedFormat;
  readonly output: { readonly format: string };
}

const DETECTED = ['json', 'csv', 'avro', 'protobuf'];

/** What `columns: detect` cannot do. */
export function detectionProblems(table: DetectingTable | undefined): InputProblem[] {
  if (table?.columns !== 'detect') return [];
  const { format, output } = table;
  const remedy = 'write the columns down; `sluice-collector detect` proposes those of json and csv';
  const kind = typeof format === 'string' ? format : (Object.keys(format)[0] ?? '');
  // Which line has the names is known to whoever saw it, and it need not come again.
  const isLine = typeof format === 'object' && 'csv' in format && format.csv.header === 'line';
  if (!DETECTED.includes(kind) || isLine)
    return [{ message: `columns of ${isLine ? 'csv with header: line' : kind} are not detected`, remedy }];
  if (typeof format === 'object' && 'json' in format && format.json.array === 'explode')
    return [{ message: 'columns of exploded arrays are not detected', remedy }];
  if (output.format !== 'csv') return [];
  return [{ message: 'a csv table cannot get columns later', remedy: 'write parquet or json' }];
}

/** Throws what `read` throws. */
export function compileInput(format: ParsedFormat, columns: readonly string[], read: ReadFile): InputFormat {
  if (typeof format === 'object' && 'json' in format) return jsonInput(format.json);
  if (typeof format === 'object' && 'avro' in format) {
    const { avro: parsed } = format;
    if ('registry' in parsed) return { kind: 'avro', framing: parsed.registry };
    return { kind: 'avro', framing: 'none', schema: read(parsed.schema).toString() };
  }
  if (typeof format === 'object' && 'protobuf' in format) return protobufInput(format.protobuf, read);
  if (typeof format === 'object' && 'text' in format) return patternInput(format.text);
  if (typeof format === 'object') return csvInput(format.csv, columns);
  return format === 'csv' ? csvInput(csv.parse({}), columns) : { kind: format };
}

function jsonInput({ array, at, frame }: z.output<typeof json>): InputFormat {
  return {
    kind: 'json',
    ...(array === 'explode' ? { array } : {}),
    ...(at === undefined ? {} : { at }),
    ...(frame === undefined ? {} : { frame }),
  };
}

function csvInput(parsed: z.output<typeof csv>, columns: readonly string[]): CsvInput {
  return { kind: 'csv', ...parsed, escape: parsed.escape ?? parsed.quote, columns };
}

function protobufInput(parsed: z.output<typeof protobuf>, read: ReadFile): InputFormat {
  const { message: name } = parsed;
  if ('registry' in parsed) return { kind: 'protobuf', framing: parsed.registry, message: name };
  return {
    kind: 'protobuf',
    framing: 'none',
    schema: readProtobufFiles(parsed.schema, read),
    message: parsed.message,
  };
}

function patternInput(parsed: z.output<typeof text>): InputFormat {
  if ('regex' in parsed) return { kind: 'regex', pattern: parsed.regex };
  return { kind: 'grok', pattern: parsed.grok, patterns: parsed.patterns };
}

function unreadable(task: () => unknown): InputProblem[] {
  try {
    task();
    return [];
  } catch (error) {
    const message = messageOf(error);
    return [{ message, remedy: 'name a file that the collector can read, relative to this one' }];
  }
}

export function compileRecord({ compression, tombstones, key, headers }: ParsedRecord): RecordOptions {
  return { compression, tombstones, key, headers };
}
