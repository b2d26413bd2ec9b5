// A table's ledger in the object store: read from its newest checkpoint to its last entry, and appended to with the
// store's own compare-and-set. Whoever creates entry N decides what N is; a loser reads N, folds it in and tries the next
// number. Nothing of an append is acted upon before the entries and the hint behind it were read again: a number that
// could be created because an entry had been deleted stops the table.

import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type { LedgerEntry, Proposal } from '../contracts.ts';
import { checkpointKey, hintKey, ledgerKey } from '../lake/object-keys.ts';
import { encodeCheckpoint, encodeHint } from './checkpoint.ts';
import { decodeEntry, encodeEntry, LEDGER_FORMAT } from './entry.ts';
import { checkEntry } from './entry-check.ts';
import { type Fold, foldEntry } from './fold.ts';
import { type LedgerPlace, missing, readEntry, readFold, readHint } from './ledger-reader.ts';

/** Entries from one checkpoint to the next: what a start reads at most, but for what was never checkpointed. */
const CHECKPOINT_EVERY = 100;
/** Numbers lost to other collectors in one append before the caller hears of it and waits a little. */
const LOST_APPENDS_MAX = 100;

export interface LedgerOptions extends LedgerPlace {
  /** Named in each entry, for people. */
  readonly writerId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly checkpointEvery?: number;
  /** Told of every entry when it is folded, before anything is proposed behind it. */
  readonly onFolded?: (entry: LedgerEntry) => void;
  /** Told of every entry when it is known to stand for good, and whether this process wrote it: now it may be acted on. */
  readonly onConfirmed?: (entry: LedgerEntry, own: boolean) => void;
}

export interface Ledger {
  readonly fold: Fold;
  /** For one append and all repetitions of it. */
  newToken(): string;
  /** Reads entries that others wrote since. LEDGER_MISSING_ENTRY, LEDGER_ENTRY_INVALID. Not beside an append. */
  refresh(): Promise<void>;
  /**
   * Appends what `propose` makes of the present fold; it is asked again whenever another writer was first, and says no
   * by throwing or by undefined. A success behind a lost reply is recognised by its token: whoever repeats a call whose
   * outcome is unknown must bring the same one, or would take its own entry for another's. One call at a time.
   */
  append(token: string, propose: (fold: Fold) => Proposal | undefined): Promise<LedgerEntry | undefined>;
  /** Writes a checkpoint and the hint to it if as many entries as that takes were folded since the last one. */
  checkpoint(): Promise<void>;
  /** Names the last entry in the hint. */
  writeHint(): Promise<void>;
}

/** `from: 'first'` reads every entry and no checkpoint: for an audit. LEDGER_MISSING_ENTRY, LEDGER_ENTRY_INVALID. */
export async function openLedger(
  options: LedgerOptions,
  from: 'checkpoint' | 'first' = 'checkpoint',
): Promise<Ledger> {
  const { fold, checkpoint } = await readFold(options, from);
  return createLedger(options, fold, checkpoint);
}

function createLedger(options: LedgerOptions, fold: Fold, checkpointed: number): Ledger {
  const { table, store, random, checkpointEvery = CHECKPOINT_EVERY } = options;
  /** The append under way: its token, and its entry once that was read or written. */
  let current: { readonly token: string; entry: LedgerEntry | undefined } | undefined;
  let checkpointAt = checkpointed;

  /** Folded, and not handed on yet. */
  let unconfirmed: { readonly entry: LedgerEntry; readonly own: boolean }[] = [];

  function take(entry: LedgerEntry): void {
    foldEntry(fold, entry);
    const own = entry.token === current?.token;
    if (current !== undefined && own) current.entry = entry;
    unconfirmed.push({ entry, own });
    options.onFolded?.(entry);
  }

  async function refresh(): Promise<void> {
    await readOn();
    await confirm();
  }

  async function readOn(): Promise<void> {
    for (;;) {
      const entry = await readEntry(options, fold.nextSequence);
      if (entry === undefined) return;
      take(entry);
    }
  }

  /** What was folded is the ledger's end, or is followed by entries that name it, as far as the hint says they go. */
  async function confirm(): Promise<void> {
    if (unconfirmed.length === 0) return;
    const { last, checkpoint: theirs } = await readHint(options);
    await readOn();
    if (last >= fold.nextSequence) throw missing(table, fold.nextSequence, last);
    checkpointAt = Math.max(checkpointAt, theirs);
    const standing = unconfirmed;
    unconfirmed = [];
    for (const { entry, own } of standing) options.onConfirmed?.(entry, own);
  }

  async function append(token: string, propose: (fold: Fold) => Proposal | undefined) {
    if (current?.token !== token) current = { token, entry: undefined };
    try {
      await appendOnce(current, propose);
    } finally {
      await confirm();
    }
    if (current.entry === undefined) return undefined;
    if (current.entry.sequence === 0) await writeHint().catch(() => {});
    await checkpoint().catch(() => {});
    return current.entry;
  }

  async function appendOnce(
    wanted: { readonly token: string; readonly entry: LedgerEntry | undefined },
    propose: (fold: Fold) => Proposal | undefined,
  ): Promise<void> {
    for (let lost = 0; wanted.entry === undefined; lost++) {
      if (lost === LOST_APPENDS_MAX)
        throw new SluiceError('LEDGER_APPEND_LOST', `${lost} numbers went to others`, { place: table });
      const proposal = propose(fold);
      if (proposal === undefined) return;
      await write(soundEntry(options, fold, { ...proposal, token: wanted.token }));
    }
  }

  /** Folds what stands under that number now: ours or another's. A lost reply is asked for by reading. */
  async function write(entry: LedgerEntry): Promise<void> {
    let created = false;
    let failure: unknown;
    try {
      const outcome = await store.createIfAbsent(ledgerKey(table, entry.sequence), encodeEntry(entry));
      created = outcome === 'created';
    } catch (error) {
      failure = error;
    }
    const standing = created ? entry : await readEntry(options, entry.sequence);
    if (standing === undefined) throw failure ?? missing(table, entry.sequence, entry.sequence);
    take(standing);
  }

  async function checkpoint(): Promise<void> {
    if (fold.nextSequence - 1 - checkpointAt < checkpointEvery) return;
    const through = fold.nextSequence - 1;
    await store.createIfAbsent(checkpointKey(table, through), encodeCheckpoint(fold));
    checkpointAt = through;
    await writeHint();
  }

  async function writeHint(): Promise<void> {
    if (fold.nextSequence === 0) return;
    await store.put(
      hintKey(table),
      encodeHint(table, { last: fold.nextSequence - 1, checkpoint: checkpointAt }),
    );
  }

  return { fold, newToken: () => random.hex(16), refresh, append, checkpoint, writeHint };
}

/** An entry is for ever: one that a reader would refuse must not be written. */
function soundEntry(
  { table, clock, writerId }: LedgerOptions,
  fold: Fold,
  { token, ...proposal }: Proposal & { token: string },
): LedgerEntry {
  const { nextSequence: sequence, lastToken: previous, publishedThrough } = fold;
  const writtenAt = new Date(clock.wallMs()).toISOString();
  const identity = { format: LEDGER_FORMAT, table, sequence, token, previous };
  const entry = { ...identity, writer: writerId, writtenAt, publishedThrough, ...proposal } as LedgerEntry;
  const key = ledgerKey(table, sequence);
  try {
    decodeEntry(encodeEntry(entry), { key, table, sequence });
    checkEntry(fold, entry);
  } catch (cause) {
    const message = `an unsound entry was not written: ${describeError(cause)}`;
    throw new SluiceError('ASSERTION_FAILED', message, { place: key, cause });
  }
  return entry;
}
