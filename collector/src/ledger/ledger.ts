// A table's ledger in the object store: read from its first entry to its last, and appended to with the store's own
// compare-and-set. Whoever creates entry N decides what N is; a loser reads N, folds it in and tries the next number.

import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type { LedgerEntry, ObjectStore, Proposal } from '../contracts.ts';
import { hintKey, ledgerKey, ledgerPrefix, ledgerSequence } from '../lake/object-keys.ts';
import { decodeEntry, encodeEntry, LEDGER_FORMAT } from './entry.ts';
import { checkEntry, emptyFold, type Fold, foldEntry } from './fold.ts';

/** Entries read at the same time while loading. */
const READS_MAX = 32;
/** The hint to the newest entry is written with the first and then this often; it proves that entries existed. */
const HINT_EVERY = 50;
/** Numbers lost to other collectors in one append before the caller hears of it. */
const LOST_APPENDS_MAX = 100;

export interface LedgerOptions {
  readonly table: string;
  readonly store: ObjectStore;
  /** Named in each entry, for people. */
  readonly writerId: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Ledger {
  readonly fold: Fold;
  /** For one append and all repetitions of it. */
  newToken(): string;
  /** Reads entries that others wrote since. LEDGER_MISSING_ENTRY, LEDGER_ENTRY_INVALID. */
  refresh(): Promise<void>;
  /**
   * Appends what `propose` makes of the present fold; it is asked again whenever another writer was first, and says no
   * by throwing or by undefined. A success behind a lost reply is recognised by its token: whoever repeats a call whose
   * outcome is unknown must bring the same one, or would take its own entry for another's. One call at a time.
   */
  append(token: string, propose: (fold: Fold) => Proposal | undefined): Promise<LedgerEntry | undefined>;
  writeHint(): Promise<void>;
}

/** Reads the whole ledger. LEDGER_MISSING_ENTRY where a number is gone: never taken for an empty or shorter ledger. */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { table, store } = options;
  const fold = emptyFold(table);
  // The hint before the list: it can only name entries that the list then shows.
  const hinted = await readHint(options);
  const numbers: number[] = [];
  for await (const { key } of store.list(ledgerPrefix(table))) {
    const sequence = ledgerSequence(key);
    if (sequence !== undefined) numbers.push(sequence);
  }
  const last = Math.max(hinted, numbers.at(-1) ?? -1);
  numbers.forEach((sequence, i) => {
    if (sequence !== i) throw missing(table, i, last);
  });
  if (numbers.length <= last) throw missing(table, numbers.length, last);
  for (let from = 0; from < numbers.length; from += READS_MAX) {
    const batch = numbers.slice(from, from + READS_MAX);
    const entries = await Promise.all(batch.map((sequence) => readEntry(options, sequence)));
    entries.forEach((entry, i) => {
      if (entry === undefined) throw missing(table, from + i, last);
      foldEntry(fold, entry);
    });
  }
  return createLedger(options, fold);
}

function createLedger(options: LedgerOptions, fold: Fold): Ledger {
  const { table, store, clock, random, writerId } = options;

  async function refresh(): Promise<void> {
    for (;;) {
      const entry = await readEntry(options, fold.nextSequence);
      if (entry === undefined) return;
      foldEntry(fold, entry);
    }
  }

  function complete(proposal: Proposal, token: string): LedgerEntry {
    const { nextSequence: sequence, publishedThrough } = fold;
    const writtenAt = new Date(clock.wallMs()).toISOString();
    const base = {
      format: LEDGER_FORMAT,
      table,
      sequence,
      token,
      writer: writerId,
      writtenAt,
      publishedThrough,
    };
    return sound({ ...base, ...proposal } as LedgerEntry);
  }

  /** An entry is for ever: one that a reader would refuse must not be written. */
  function sound(entry: LedgerEntry): LedgerEntry {
    const key = ledgerKey(table, entry.sequence);
    try {
      decodeEntry(encodeEntry(entry), { key, table, sequence: entry.sequence });
      checkEntry(fold, entry);
    } catch (cause) {
      const message = `an unsound entry was not written: ${describeError(cause)}`;
      throw new SluiceError('ASSERTION_FAILED', message, { place: key, cause });
    }
    return entry;
  }

  async function append(
    token: string,
    propose: (fold: Fold) => Proposal | undefined,
  ): Promise<LedgerEntry | undefined> {
    for (let lost = 0; lost < LOST_APPENDS_MAX; lost++) {
      const proposal = propose(fold);
      if (proposal === undefined) return undefined;
      const standing = await write(complete(proposal, token));
      if (standing.token === token) return standing;
    }
    throw new SluiceError('LEDGER_APPEND_LOST', `${LOST_APPENDS_MAX} numbers went to others`, {
      place: table,
    });
  }

  /** What stands under that number now, folded in: ours or another's. A lost reply is asked for by reading. */
  async function write(entry: LedgerEntry): Promise<LedgerEntry> {
    let outcome: 'created' | 'exists' | 'unknown';
    let failure: unknown;
    try {
      outcome = await store.createIfAbsent(ledgerKey(table, entry.sequence), encodeEntry(entry));
    } catch (error) {
      outcome = 'unknown';
      failure = error;
    }
    if (outcome === 'created') {
      foldEntry(fold, entry);
      if (entry.sequence % HINT_EVERY === 0) await writeHint().catch(() => {});
      return entry;
    }
    const standing = await readEntry(options, entry.sequence);
    if (standing === undefined) throw failure ?? missing(table, entry.sequence, entry.sequence);
    foldEntry(fold, standing);
    return standing;
  }

  async function writeHint(): Promise<void> {
    if (fold.nextSequence === 0) return;
    await store.put(hintKey(table), Buffer.from(JSON.stringify({ table, last: fold.nextSequence - 1 })));
  }

  return { fold, newToken: () => random.hex(16), refresh, append, writeHint };
}

async function readEntry(options: LedgerOptions, sequence: number): Promise<LedgerEntry | undefined> {
  const key = ledgerKey(options.table, sequence);
  const bytes = await options.store.read(key);
  return bytes === undefined ? undefined : decodeEntry(bytes, { key, table: options.table, sequence });
}

async function readHint({ table, store }: LedgerOptions): Promise<number> {
  const bytes = await store.read(hintKey(table));
  if (bytes === undefined) return -1;
  try {
    const { last } = JSON.parse(Buffer.from(bytes).toString()) as { last?: unknown };
    return typeof last === 'number' ? last : -1;
  } catch {
    return -1;
  }
}

function missing(table: string, sequence: number, last: number): SluiceError {
  const message = `entry ${sequence} of ${last + 1} is not there`;
  return new SluiceError('LEDGER_MISSING_ENTRY', message, { place: `table ${table}` });
}
