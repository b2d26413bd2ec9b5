// A record's key and headers as the texts that SQL reads: what a table is told of a record beside its value.
import { isUtf8 } from 'node:buffer';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { RecordOptions } from '../contracts.ts';
import { parseJson } from './json-parse.ts';

/** In the order of the record; a value that is not UTF-8 is written `base64:...`, a null one null. */
export type HeaderPairs = readonly (readonly [string, string | null])[];

/** A key as text, or why its record cannot be read. */
export type KeyText = (key: Buffer) => Buffer | 'KEY_INVALID';

export const textKey: KeyText = (key) =>
  isUtf8(key) ? key : Buffer.from(`base64:${key.toString('base64')}`);

const base64Key: KeyText = (key) => Buffer.from(key.toString('base64'));

/** The key as it is written, where it is JSON. */
const jsonKey: KeyText = (key) => {
  try {
    if (!isUtf8(key)) return 'KEY_INVALID';
    JSON.parse(key.toString());
    return key;
  } catch {
    return 'KEY_INVALID';
  }
};

export const pairsText = (pairs: HeaderPairs) => Buffer.from(JSON.stringify(pairs));

/** An object; of a name that is repeated the last value, as Kafka's `lastHeader` has it. */
function mapText(pairs: HeaderPairs): Buffer {
  const last = new Map(pairs);
  const members = [...last].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return Buffer.from(`{${members.join(',')}}`);
}

/**
 * The bytes that a text stands for. One that begins with `base64:` is taken for the text of bytes that are
 * not UTF-8, where it is that.
 */
export function bytesOfText(text: string): Buffer {
  const [, base64] = /^base64:([A-Za-z0-9+/]*={0,2})$/.exec(text) ?? [];
  const bytes = base64 === undefined ? undefined : Buffer.from(base64, 'base64');
  return bytes === undefined || isUtf8(bytes) ? Buffer.from(text) : bytes;
}

/** Headers out of either text: pairs, or a map with the last of each name. */
export function headersOfText(text: unknown): [string, Buffer | null][] {
  if (typeof text !== 'string') return [];
  const json = parseJson(text) as [string, string | null][] | Record<string, string | null>;
  const pairs = Array.isArray(json) ? json : Object.entries(json);
  return pairs.map(([name, value]) => [name, value === null ? null : bytesOfText(value)]);
}

/** The headers of a record, `bytes` being what stands behind its value. */
export function readHeaders(bytes: Buffer, place: string): HeaderPairs {
  const corrupt = (message: string) => new SluiceError('RECORD_BATCH_CORRUPT', message, { place });
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw corrupt('a header is wrong');
  };
  const text = (): string | null => {
    const length = number();
    if (length < 0) return null;
    if (at + length > bytes.length) throw corrupt('a header runs past its record');
    const view = bytes.subarray(at, at + length);
    at += length;
    return isUtf8(view) ? view.toString() : `base64:${view.toString('base64')}`;
  };
  const pairs: [string, string | null][] = [];
  for (let left = number(); left > 0; left--) pairs.push([text() ?? '', text()]);
  return pairs;
}

/** How a table wants both. */
export function textsOf({ key, headers }: Pick<RecordOptions, 'key' | 'headers'>) {
  return {
    keyText: { text: textKey, bytes: base64Key, json: jsonKey }[key],
    headersText: { pairs: pairsText, map: mapText }[headers],
  };
}
