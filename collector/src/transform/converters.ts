// What is done to a record's value before SQL sees it: unpacked, split, decoded, as the table's config says.
// A value that cannot be is quarantined under a code that says why.
import { decompressBatch } from '@sluice/shared/codecs.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { InputFormat, JsonInput, RecordOptions, TableConfig } from '../contracts.ts';
import { explodesArrays } from '../table-input.ts';
import type { Converter } from './columns.ts';
import { csvConverter } from './csv-line.ts';
import { avroConverter, protobufConverter } from './decode/decoders.ts';
import type { WindowSchemas } from './decode/schemas.ts';
import { markElements } from './json-elements.ts';
import { jsonReader } from './json-inside.ts';
import type { OddCode } from './odd-record.ts';

/** One value, decompressed; Kafka's own default for a whole message is 1 MiB. */
const VALUE_PLAIN_BYTES_MAX = 16 * 2 ** 20;

interface Conversion {
  readonly schemas: WindowSchemas;
  /** In front of each element of an array that becomes rows. */
  readonly elementMark: Buffer;
}

/** undefined where values are handed over as they are. */
export function converterOf({ input, record }: TableConfig, how: Conversion): Converter | undefined {
  const read = readerOf(input, how);
  const unpack = decompressionOf(record);
  if (unpack === undefined || read === undefined) return unpack ?? read;
  return (value) => {
    const plain = unpack(value);
    return typeof plain === 'string' ? plain : read(plain);
  };
}

/** undefined where values are not packed. */
export function decompressionOf({
  compression,
}: Pick<RecordOptions, 'compression'>): ((value: Buffer) => Buffer | OddCode) | undefined {
  return compression === 'none' ? undefined : (value) => decompressValue(compression, value);
}

function readerOf(input: InputFormat, { schemas, elementMark }: Conversion): Converter | undefined {
  if (input.kind === 'avro') return avroConverter(input, schemas);
  if (input.kind === 'protobuf') return protobufConverter(input, schemas);
  if (input.kind === 'json') return jsonConverter(input, elementMark);
  if (input.kind === 'csv') return csvConverter(input);
  if (input.kind === 'bytes') return (value) => Buffer.from(value.toString('base64'));
  return undefined;
}

function jsonConverter(input: JsonInput, mark: Buffer): Converter | undefined {
  const read = jsonReader(input);
  if (!explodesArrays(input)) return read;
  return (value) => {
    const json = read?.(value) ?? value;
    return typeof json === 'string' ? json : markElements(json, mark);
  };
}

function decompressValue(
  codec: 'gzip' | 'zstd',
  value: Buffer,
): Buffer | 'VALUE_COMPRESSION' | 'VALUE_TOO_LARGE' {
  try {
    return decompressBatch(codec, value, VALUE_PLAIN_BYTES_MAX);
  } catch (error) {
    const tooLarge = error instanceof SluiceError && error.code === 'RECORD_BATCH_TOO_LARGE';
    return tooLarge ? 'VALUE_TOO_LARGE' : 'VALUE_COMPRESSION';
  }
}
