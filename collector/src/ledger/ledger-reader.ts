// How a ledger is read: hint, newest checkpoint, then each entry behind it. A number that is gone is never
// taken for the end of a shorter ledger, nor an empty ledger for a new one, as far as entries or the hint
// prove that more was there.
import { SluiceError } from '@sluice/shared/errors.ts';
import type { LedgerEntry, ObjectStore } from '../contracts.ts';
import {
  checkpointKey,
  checkpointPrefix,
  hintKey,
  ledgerKey,
  ledgerPrefix,
  sequenceOf,
} from '../lake/object-keys.ts';
import {
  checkpointBehind,
  decodeCheckpoint,
  decodeHint,
  encodeCheckpoint,
  foldAt,
  type Hint,
} from './checkpoint.ts';
import { decodeEntry } from './entry.ts';
import { emptyFold, type Fold, foldEntry } from './fold.ts';

/** Entries read at the same time while loading. */
const READS_MAX = 32;

export interface LedgerPlace {
  readonly table: string;
  readonly store: ObjectStore;
}

export interface DueCheckpoint {
  readonly through: number;
  readonly bytes: Uint8Array;
}

/** What has to be written behind the entry folded last, where a checkpoint belongs there. */
export function checkpointDue(fold: Fold, every: number): DueCheckpoint | undefined {
  const through = fold.nextSequence - 1;
  return checkpointBehind(through, every) === through
    ? { through, bytes: encodeCheckpoint(fold) }
    : undefined;
}

export interface ReadFold {
  readonly fold: Fold;
  /** Number of the checkpoint it started from; -1 where it started from nothing. */
  readonly checkpoint: number;
  /** The newest entry that was read behind it: its writer, or a deletion, may have been at work meanwhile. */
  readonly last: LedgerEntry | undefined;
  /** A newer one that should stand and was not found. */
  readonly unsaved: DueCheckpoint | undefined;
}

export async function readFold(
  place: LedgerPlace,
  from: 'checkpoint' | 'first',
  every: number,
): Promise<ReadFold> {
  const { table, store } = place;
  // The hint before the list: it can only name entries that the list then shows.
  const hint = await readHint(place);
  const fold = from === 'first' ? emptyFold(table) : await readCheckpoint(place, hint.checkpoint);
  const checkpoint = fold.nextSequence - 1;
  const after = checkpoint < 0 ? undefined : ledgerKey(table, checkpoint);
  const numbers: number[] = [];
  for await (const { key } of store.list(ledgerPrefix(table), after)) {
    const sequence = sequenceOf(key);
    if (sequence !== undefined) numbers.push(sequence);
  }
  const end = Math.max(hint.last, numbers.at(-1) ?? -1);
  numbers.forEach((sequence, i) => {
    const expected = checkpoint + 1 + i;
    if (sequence !== expected) throw missing(table, expected, end);
  });
  if (checkpoint + numbers.length < end) throw missing(table, checkpoint + 1 + numbers.length, end);
  let unsaved: DueCheckpoint | undefined;
  let last: LedgerEntry | undefined;
  for await (const entry of readEntries(place, numbers)) {
    foldEntry(fold, entry);
    last = entry;
    unsaved = checkpointDue(fold, every) ?? unsaved;
  }
  return { fold, checkpoint, last, unsaved };
}

async function readCheckpoint(place: LedgerPlace, hinted: number): Promise<Fold> {
  const { table, store } = place;
  let newest = hinted;
  const after = hinted < 0 ? undefined : checkpointKey(table, hinted);
  for await (const { key } of store.list(checkpointPrefix(table), after)) newest = sequenceOf(key) ?? newest;
  if (newest < 0) return emptyFold(table);
  const key = checkpointKey(table, newest);
  const bytes = await store.read(key);
  if (bytes === undefined) return emptyFold(table);
  const checkpoint = decodeCheckpoint(bytes, { key, table, through: newest });
  const named = checkpoint.unpublished;
  const numbers = named.map(({ sequence }) => sequence);
  const unpublished = await Array.fromAsync(readEntries(place, numbers));
  unpublished.forEach(({ token, sequence }, i) => {
    if (token !== named[i]?.token) throw replaced(table, sequence);
  });
  return { ...foldAt(checkpoint), unpublished };
}

/** In order; READS_MAX of them are in memory at a time, however long the ledger is. */
async function* readEntries(place: LedgerPlace, numbers: readonly number[]): AsyncGenerator<LedgerEntry> {
  for (let from = 0; from < numbers.length; from += READS_MAX) {
    const batch = numbers.slice(from, from + READS_MAX);
    const read = await Promise.all(batch.map((sequence) => readEntry(place, sequence)));
    for (const [i, entry] of read.entries()) {
      if (entry === undefined) throw missing(place.table, batch[i] ?? from, numbers.at(-1) ?? from);
      yield entry;
    }
  }
}

export async function readEntry(place: LedgerPlace, sequence: number): Promise<LedgerEntry | undefined> {
  const { table, store } = place;
  const key = ledgerKey(table, sequence);
  const bytes = await store.read(key);
  return bytes === undefined ? undefined : decodeEntry(bytes, { key, table, sequence });
}

/**
 * Whether the ledger says by now that all up to `sequence` is published: for who was asleep, and does not
 * find what it has to publish. It reads what follows the fold, up to where it is told, and changes nothing.
 */
export async function isToldPublished(place: LedgerPlace, fold: Fold, sequence: number): Promise<boolean> {
  let { nextSequence: next, lastToken: token, toldThrough } = fold;
  for (; toldThrough < sequence; next++) {
    const entry = await readEntry(place, next);
    // What does not follow the entry before it proves nothing.
    if (entry === undefined || entry.previous !== token) return false;
    ({ token, publishedThrough: toldThrough } = entry);
  }
  return true;
}

async function readHint({ table, store }: LedgerPlace): Promise<Hint> {
  return decodeHint(await store.read(hintKey(table)));
}

export function missing(table: string, sequence: number, last: number): SluiceError {
  const message = `entry ${sequence} of ${last + 1} is not there`;
  return new SluiceError('LEDGER_MISSING_ENTRY', message, { place: `table ${table}` });
}

export function replaced(table: string, sequence: number): SluiceError {
  const message = 'another entry stood there before: it was deleted and written anew';
  return new SluiceError('LEDGER_ENTRY_INVALID', message, { place: `table ${table} entry ${sequence}` });
}
