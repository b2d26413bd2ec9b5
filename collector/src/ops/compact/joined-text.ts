// Objects of lines, JSON or CSV, one behind the other as the text of one: packed as they are, in one stream,
// since not every reader reads on behind the first. Each part's text is told with its SHA-256, and what was
// written is unpacked again and held to that before anybody hears of it.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { assert, messageOf } from '@sluice/shared/errors.ts';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import { fileName } from '../../lake/object-keys.ts';
import { isDamaged, isPacked, textOf } from '../unpacked-text.ts';
import { type JoinedFile, type JoiningFormat, type LocalPart, Unjoinable } from './joiner.ts';
import type { SmallObject } from './plan.ts';

const LINE_END = 10;
const QUOTE = '"'.charCodeAt(0);
const COMMA = ','.charCodeAt(0);

/** An object as part of a text. */
interface TextPart extends SmallObject {
  readonly text: NonNullable<SmallObject['text']>;
}

export function textJoining(kind: 'json' | 'csv'): JoiningFormat {
  return {
    // What a line has by its names may differ from line to line; what it has by position may not.
    async kindOf({ object: { from }, path }) {
      const extension = [kind, `${kind}.gz`].find((known) => fileName(from).endsWith(`.${known}`));
      if (extension === undefined) throw new Unjoinable(`${from} is not named as ${kind} is`);
      return kind === 'json' ? extension : `${extension} of ${await unpacked(from, () => fieldsOf(path))}`;
    },
    joined: textFile,
  };
}

/** Unjoinable where what is done to it finds that its text cannot be read. */
async function unpacked<T>(from: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (!isDamaged(error)) throw error;
    throw new Unjoinable(`${from} cannot be unpacked: ${messageOf(error)}`);
  }
}

/** Of the first line of a CSV file: all are of one statement, and have as many. */
async function fieldsOf(path: string): Promise<number> {
  let fields = 1;
  let isQuoted = false;
  for await (const piece of textOf(path))
    for (const byte of piece) {
      if (byte === QUOTE) isQuoted = !isQuoted;
      if (isQuoted) continue;
      if (byte === LINE_END) return fields;
      if (byte === COMMA) fields++;
    }
  return fields;
}

async function textFile(parts: readonly LocalPart[], path: string): Promise<JoinedFile> {
  const written: TextPart[] = [];
  const target = createWriteStream(path, { flags: 'wx' });
  const text = Readable.from(textsOf(parts, written), { objectMode: false });
  if (isPacked(path)) await pipeline(text, createGzip(), target);
  else await pipeline(text, target);
  const textBytes = written.reduce((sum, part) => sum + part.text.bytes, 0);
  await assertSame(path, written, textBytes);
  const rows = written.reduce((sum, part) => sum + part.rows, 0);
  const { size: bytes } = await stat(path);
  return { path, bytes, sha256: await sha256OfFile(path), rows, textBytes, parts: written };
}

/** The text of all; `written` gets each part when it has been read. */
async function* textsOf(parts: readonly LocalPart[], written: TextPart[]): AsyncGenerator<Buffer> {
  for (const { object, path } of parts) {
    const hash = createHash('sha256');
    const seen = { bytes: 0, lines: 0, last: LINE_END };
    const pieces = textOf(path);
    try {
      for (;;) {
        const next = await unpacked(object.from, () => pieces.next());
        if (next.done === true) break;
        hash.update(next.value);
        count(seen, next.value);
        yield next.value;
      }
    } finally {
      await pieces.return(undefined);
    }
    assertLines(object, seen);
    written.push({ ...object, text: { bytes: seen.bytes, sha256: hash.digest('hex') } });
  }
}

interface SeenLines {
  bytes: number;
  lines: number;
  last: number;
}

function count(seen: SeenLines, piece: Buffer): void {
  seen.bytes += piece.length;
  seen.last = piece.at(-1) ?? seen.last;
  for (let at = piece.indexOf(LINE_END); at >= 0; at = piece.indexOf(LINE_END, at + 1)) seen.lines++;
}

/** Each row is a line, and the last one ends: what comes behind it would be part of it. */
function assertLines({ from, rows }: SmallObject, { bytes, lines, last }: SeenLines): void {
  // No place in a text would be its own.
  if (bytes === 0) throw new Unjoinable(`${from} has no lines: see \`verify\``);
  if (last !== LINE_END) throw new Unjoinable(`${from} ends within a line`);
  if (lines === rows) return;
  throw new Unjoinable(`${from} holds ${lines} lines and the ledger says ${rows} rows: see \`verify\``);
}

/** The ledger will look for each part's text where it is. */
async function assertSame(path: string, parts: readonly TextPart[], textBytes: number): Promise<void> {
  let [at, left] = [0, parts[0]?.text.bytes ?? 0];
  let hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of textOf(path)) {
    bytes += piece.length;
    for (let rest = piece; rest.length > 0; ) {
      hash.update(rest.subarray(0, left));
      const taken = Math.min(left, rest.length);
      rest = rest.subarray(taken);
      left -= taken;
      if (left > 0) break;
      assert(hash.digest('hex') === parts[at]?.text.sha256, 'joined text is other text');
      hash = createHash('sha256');
      left = parts[++at]?.text.bytes ?? Number.POSITIVE_INFINITY;
    }
  }
  assert(at === parts.length && bytes === textBytes, 'joined text is more or less than its parts');
}
