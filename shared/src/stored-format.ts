// Formats of what outlives the process that wrote it. One that is newer than the reader knows is refused by
// name, before anything of it is read or changed: whoever goes back a version finds it as it was. Documents
// that say no format are of the first.
import { type ErrorCode, SluiceError } from './errors.ts';

export interface KnownFormat {
  /** The newest that the reader knows. */
  readonly format: number;
  readonly code: ErrorCode;
  /** What to call it, and who reads it: "it", "this agent". */
  readonly what: string;
  readonly reader: string;
}

export function isNewerFormat(found: unknown, known: number): found is number {
  return typeof found === 'number' && found > known;
}

export function assertKnownFormat(found: unknown, known: KnownFormat, place: string): void {
  if (!isNewerFormat(found, known.format)) return;
  const message = `${known.what} has format ${found}, ${known.reader} knows ${known.format}`;
  throw new SluiceError(known.code, message, { place });
}
