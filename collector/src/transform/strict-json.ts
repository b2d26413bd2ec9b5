// What DuckDB's JSON reader lets through and RFC 8259 does not: commas before a closing bracket, NaN and
// Infinity, and numbers that lose digits on their way through a double, or vanish in it. A cheap pass over
// all values at once finds suspects; JSON.parse decides. The same pass tells SQL whether a column of text may
// take an object or an array.
import type { ColumnChunk } from './columns.ts';
import { eachNumber, type JsonPath, losesDigits } from './json-numbers.ts';
import type { JsonShapes } from './json-shapes.ts';
import type { OddCode } from './odd-record.ts';
import type { SourceField } from './sql/fields.ts';
import { type FieldType, isScalar } from './sql/types.ts';

/**
 * Loose syntax can only begin at a comma before a closing bracket, or at a token like NaN or -Infinity in any
 * case. Compiled to native code, which reads a chunk four times as fast as a loop over its bytes, and a
 * second pattern in the same pass costs nothing where both rarely begin. What stands inside strings may match
 * as well.
 */
const TRAILING_COMMA = String.raw`,[ \t\r\n]*[}\]]`;
const NOT_A_NUMBER = String.raw`[:,[][ \t\r\n]*-?(?:[nN][aA]|[iI][nN])`;
/** A short number that is too small for a double has such an exponent; its end tells a UUID apart. */
const TINY = String.raw`[0-9][eE]-[0-9]{3,}[ \t\r\n,}\]]`;

const COMMA_OR_TINY = new RegExp(`${TRAILING_COMMA}|${TINY}`, 'g');
const ONLY_NOT_A_NUMBER = new RegExp(NOT_A_NUMBER, 'g');

const QUOTE = 0x22;
const NUMERIC = new Uint8Array(256);
for (const byte of '0123456789.eE') NUMERIC[byte.charCodeAt(0)] = 1;

/** A number shorter than this is exact as a double and back; dot and e count. */
const LONG_NUMBER = 17;
const PLACES_APART = LONG_NUMBER - 1;

/**
 * Read at once: a longer string is no young one for V8, which collects all garbage for every chunk of them.
 */
const SCANNED_BYTES = 2 ** 16;

/** What the fields of a table ask of a JSON value. */
export interface JsonRules {
  /** Paths of fields whose digits matter, as JSON. */
  readonly exactPaths: ReadonlySet<string>;
  /** Paths of fields that are doubles: digits may be rounded, but no number becomes 0. */
  readonly doublePaths: ReadonlySet<string>;
  /** Fields that hold others. */
  readonly nested: readonly SourceField[];
  /** Stands in front of each element of an array that is exploded. */
  readonly elementMark: string;
  /** NOT_A_NUMBER, and the colon before an object or an array where a text is wanted. */
  readonly values: RegExp;
  /** Names of fields that are read as texts, each byte a character. */
  readonly texts: ReadonlySet<string>;
}

export function jsonRules(source: readonly SourceField[], elementMark: string): JsonRules {
  const pathsOf = (isMeant: (kind: FieldType['kind']) => boolean) =>
    source.filter(({ type }) => isScalar(type) && isMeant(type.kind)).map(({ path }) => JSON.stringify(path));
  const texts = source.filter(({ type }) => type.kind === 'string').map(({ path }) => path.at(-1) ?? '');
  return {
    elementMark,
    // A text has all digits of a number, however many: exact-text.ts.
    exactPaths: new Set(pathsOf((kind) => kind !== 'float' && kind !== 'string')),
    doublePaths: new Set(pathsOf((kind) => kind === 'float')),
    nested: source.filter(({ type }) => !isScalar(type)),
    texts: new Set(texts.map(inLatin1)),
    values: texts.length === 0 ? ONLY_NOT_A_NUMBER : withDocuments(texts),
  };
}

/**
 * Looks for the bracket first, which is rarer, and back at its name: one of `names`, or one with an escape.
 */
function withDocuments(names: readonly string[]): RegExp {
  const space = String.raw`[ \t\r\n]*`;
  const known = String.raw`(?:"(?:${names.map((name) => RegExp.escape(inLatin1(name))).join('|')})|\\[^"]*)"`;
  const key = names.some((name) => name.includes('"')) ? '' : `${known}${space}`;
  return new RegExp(`:${space}[{[](?<=${key}:${space}.)|${NOT_A_NUMBER}`, 'g');
}

/** The UTF-8 of a name, each byte a character, as a chunk is read here. */
function inLatin1(name: string): string {
  return Buffer.from(name).toString('latin1');
}

export interface LookOptions {
  /** Sees each piece that is looked at closely. */
  readonly also?: ((text: string) => void) | undefined;
  /** What they cover needs no close look. */
  readonly shapes?: JsonShapes | undefined;
}

/**
 * A look at the values of one chunk after the other, as they come: what was just decoded is still in the
 * processor's cache.
 */
export class StrictLook {
  readonly #chunk: ColumnChunk;
  readonly #rules: JsonRules;
  readonly #also: LookOptions['also'];
  readonly #shapes: JsonShapes | undefined;
  #row = 0;
  #places: number[] = [];
  #documents = false;

  constructor(chunk: ColumnChunk, rules: JsonRules, { also, shapes }: LookOptions = {}) {
    this.#chunk = chunk;
    this.#rules = rules;
    this.#also = also;
    this.#shapes = shapes;
  }

  /** The rows that the chunk got since the last time. */
  more(): void {
    const { bytes, ends, startOf } = this.#chunk.joined();
    const { rows } = this.#chunk;
    let from = startOf(this.#row);
    for (; this.#row < rows; this.#row++) {
      const end = ends[this.#row] as number;
      if (this.#row + 1 < rows && (ends[this.#row + 1] as number) - from <= SCANNED_BYTES) continue;
      const next = startOf(this.#row + 1);
      this.#look(bytes.subarray(from, next), { from, to: end });
      from = next;
    }
  }

  /** `piece` ends with a separator. */
  #look(piece: Buffer, { from, to }: { readonly from: number; readonly to: number }): void {
    const joined = piece.toString('latin1');
    if (this.#shapes?.cover(joined) === true) return;
    const text = joined.slice(0, to - from);
    for (const at of longNumbers(piece)) this.#places.push(from + at);
    const found = lookAtValues(text, this.#documents ? ONLY_NOT_A_NUMBER : this.#rules.values);
    for (const at of found.suspects) this.#places.push(from + at);
    for (const { index } of text.matchAll(COMMA_OR_TINY)) this.#places.push(from + index);
    this.#also?.(text);
    this.#documents ||= found.documents;
  }

  /**
   * Strikes the rows of the chunk that are not strict JSON, or whose digits would be lost where they matter.
   * True where a column of text may take an object or an array. What comes next is of another chunk.
   */
  end(): boolean {
    this.more();
    const chunk = this.#chunk;
    const { ends } = chunk.joined();
    const rows = new Set(this.#places.map((at) => rowAt(ends, chunk.rows, at)));
    for (const row of [...rows].sort((a, b) => a - b)) {
      const texts = chunk.value(row).toString().split(this.#rules.elementMark);
      const elements = texts.length > 1 ? texts.slice(1) : texts;
      const placeOf = (i: number) => (texts.length > 1 ? `[${i}]` : '');
      const code = elements
        .map((text, i) => verdict(text, this.#rules, placeOf(i)))
        .find((one) => one !== undefined);
      if (code !== undefined) chunk.strike(row, code);
    }
    const documents = this.#documents;
    [this.#row, this.#places, this.#documents] = [0, [], false];
    return documents;
  }
}

/** After the first document only the others are looked for: where there is one there are many. */
function lookAtValues(text: string, values: RegExp): { suspects: number[]; documents: boolean } {
  const suspects: number[] = [];
  let documents = false;
  let pattern = values;
  pattern.lastIndex = 0;
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    if (!/[{[]$/.test(found[0])) suspects.push(found.index);
    else {
      documents = true;
      // The bracket may stand before the next suspect.
      ONLY_NOT_A_NUMBER.lastIndex = found.index + 1;
      pattern = ONLY_NOT_A_NUMBER;
    }
  }
  return { suspects, documents };
}

/** A run of 17 such bytes covers one of every 16 places, and from there at least 8 more on one side. */
function longNumbers(bytes: Buffer): number[] {
  const places: number[] = [];
  for (let at = 0; at < bytes.length; at += PLACES_APART) {
    if (NUMERIC[bytes[at] as number] === 0) continue;
    const reaches =
      (isNumeric(bytes, at - 4) && isNumeric(bytes, at - 8)) ||
      (isNumeric(bytes, at + 4) && isNumeric(bytes, at + 8));
    if (!reaches) continue;
    const end = endOfRun(bytes, at);
    if (isLongNumber(bytes, at, end)) places.push(at);
    // Of the same run the other places say the same, and a look from each takes the square of its length.
    at += Math.floor((end - 1 - at) / PLACES_APART) * PLACES_APART;
  }
  return places;
}

function isNumeric(bytes: Buffer, at: number): boolean {
  return at >= 0 && at < bytes.length && NUMERIC[bytes[at] as number] === 1;
}

/** Digits beside a letter or a quote are of a text: hashes are full of them, and a close look is dear. */
function isLongNumber(bytes: Buffer, at: number, end: number): boolean {
  let low = at;
  while (isNumeric(bytes, low - 1)) low--;
  return end - low >= LONG_NUMBER && !isOfText(bytes[low - 1]) && !isOfText(bytes[end]);
}

function endOfRun(bytes: Buffer, at: number): number {
  let end = at + 1;
  while (isNumeric(bytes, end)) end++;
  return end;
}

/** In no JSON does one stand beside a number, but for the e that counts as part of it. */
function isOfText(byte = 0): boolean {
  const lower = byte | 0x20;
  return byte === QUOTE || (lower >= 0x61 && lower <= 0x7a);
}

/**
 * The row whose value covers `at`: `ends` ascends, and what stands between two values belongs to the later
 * one.
 */
function rowAt(ends: Uint32Array, rows: number, at: number): number {
  let low = 0;
  let high = rows - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] as number) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** `place`: of the text, where it is an element of its record. */
function verdict(text: string, rules: JsonRules, place: string): OddCode | undefined {
  try {
    JSON.parse(text);
  } catch {
    return place === '' ? 'JSON_INVALID' : `JSON_INVALID\u001f${place}`;
  }
  let found: OddCode | undefined;
  eachNumber(text, (path, source) => {
    if (found !== undefined || !losesDigits(source) || !isMissed(path, rules, Number(source) === 0)) return;
    const field = place + path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('');
    found = `NUMBER_INEXACT\u001f${field.replace(/^\./, '')}`;
  });
  return found;
}

/** Whether what a number loses is missed where it is read: any digit, or by a double all of them. */
function isMissed(path: JsonPath, rules: JsonRules, vanishes: boolean): boolean {
  const key = JSON.stringify(path);
  if (rules.exactPaths.has(key) || (vanishes && rules.doublePaths.has(key))) return true;
  const misses = (type: FieldType) => isScalar(type) && (vanishes || type.kind !== 'float');
  return rules.nested.some(
    (field) =>
      field.path.every((part, i) => part === path[i]) &&
      isMissedInside(field.type, path.slice(field.path.length), misses),
  );
}

/** Whether a number at this path of a nested value is read, as a type that misses what it loses. */
function isMissedInside(type: FieldType, path: JsonPath, misses: (type: FieldType) => boolean): boolean {
  const [part, ...rest] = path;
  if (type.kind === 'choice') return type.members.some((member) => isMissedInside(member.type, path, misses));
  if (part === undefined) return misses(type);
  if (type.kind === 'array') return typeof part === 'number' && isMissedInside(type.element, rest, misses);
  if (type.kind === 'map') return typeof part === 'string' && isMissedInside(type.value, rest, misses);
  const field = type.kind === 'struct' ? type.fields.find(({ source }) => source === part) : undefined;
  return field !== undefined && isMissedInside(field.type, rest, misses);
}
