// Avro's logical types as texts that a column is read from: dates and times as ISO 8601, decimals digit for
// digit. A logical type that is unknown or does not fit its type is none, as the specification says.
import type { AvroReader } from './avro-reader.ts';
import { decimalText, isoTime } from './json-text.ts';

/** Writes JSON. */
export type Decode = (reader: AvroReader) => string;

interface Annotated {
  readonly type: string;
  readonly logicalType?: unknown;
  readonly scale?: unknown;
  readonly size?: unknown;
}

/** undefined where the type stays what it is. */
export function logicalDecoder(schema: Annotated): Decode | undefined {
  const { type, logicalType, scale, size } = schema;
  const isBytes = type === 'bytes' || (type === 'fixed' && typeof size === 'number');
  const bytesOf = (reader: AvroReader) => (type === 'bytes' ? reader.sized() : reader.take(size as number));
  if (logicalType === 'decimal' && isBytes)
    return (reader) => {
      const text = decimalText(bytesOf(reader), typeof scale === 'number' ? scale : 0);
      if (text === undefined) throw reader.fail();
      return `"${text}"`;
    };
  if (logicalType === 'uuid' && type === 'fixed' && size === 16) return (r) => `"${uuidText(r.take(16))}"`;
  if (logicalType === 'date' && type === 'int') return (r) => quoted(isoTime(BigInt(r.int()) * DAY, 0), 10);
  const unit = typeof logicalType === 'string' ? UNITS[logicalType] : undefined;
  if (unit === undefined || unit.type !== type) return undefined;
  return (reader) => {
    const text = isoTime(BigInt(reader.long()) * unit.nanos, unit.digits);
    return unit.kind === 'time' ? `"${text.slice(11)}"` : `"${text}${unit.kind === 'instant' ? 'Z' : ''}"`;
  };
}

const DAY = 86_400_000_000_000n;

interface Unit {
  readonly type: string;
  readonly kind: 'time' | 'instant' | 'local';
  readonly nanos: bigint;
  readonly digits: number;
}

const unitsOf = (kind: Unit['kind'], name: string): [string, Unit][] =>
  (
    [
      ['millis', 1_000_000n, 3],
      ['micros', 1_000n, 6],
      ['nanos', 1n, 9],
    ] as const
  ).map(([of, nanos, digits]) => [
    `${name}-${of}`,
    { type: kind === 'time' && of === 'millis' ? 'int' : 'long', kind, nanos, digits },
  ]);

const UNITS: Readonly<Record<string, Unit>> = Object.fromEntries([
  ...unitsOf('time', 'time'),
  ...unitsOf('instant', 'timestamp'),
  ...unitsOf('local', 'local-timestamp'),
]);

const quoted = (text: string, length: number) => `"${text.length > 19 ? text : text.slice(0, length)}"`;

function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
