// A table's ledger in the object store: read from its newest checkpoint to its last entry, and appended to
// with the store's own compare-and-set. Whoever creates entry N decides what N is; a loser reads N, folds it
// in and tries the next number. Nothing of an append is acted upon before the entries behind it, and the
// checkpoint that would hold it, were asked for: a number that could be created because an entry had been
// deleted stops the table.

import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import type { Random } from '@sluice/shared/random.ts';
import type { LedgerEntry, Proposal } from '../contracts.ts';
import { checkpointKey, hintKey, ledgerKey } from '../lake/object-keys.ts';
import { CHECKPOINT_EVERY, checkpointBehind, decodeCheckpoint, encodeHint } from './checkpoint.ts';
import { decodeEntry, encodeEntry, formatOf } from './entry.ts';
import { checkEntry } from './entry-check.ts';
import { type Fold, foldEntry } from './fold.ts';
import {
  checkpointDue,
  type DueCheckpoint,
  type LedgerPlace,
  missing,
  type ReadFold,
  readEntry,
  readFold,
  replaced,
} from './ledger-reader.ts';

/** Numbers lost to other collectors in one append before the caller hears of it and waits a little. */
const LOST_APPENDS_MAX = 100;

export interface LedgerOptions extends LedgerPlace {
  /** Named in each entry, for people. */
  readonly writerId: string;
  readonly clock: Clock;
  readonly random: Random;
  /** The same for all who write this ledger. */
  readonly checkpointEvery?: number;
  /** Told of every entry when it is folded, before anything is proposed behind it. */
  readonly onFolded?: (entry: LedgerEntry) => void;
  /**
   * Told of every entry when it is known to stand for good, and whether this process wrote it: now it may be
   * acted on.
   */
  readonly onConfirmed?: (entry: LedgerEntry, own: boolean) => void;
}

export interface Ledger {
  readonly fold: Fold;
  /** For one append and all repetitions of it. */
  newToken(): string;
  /**
   * Reads entries that others wrote since. LEDGER_MISSING_ENTRY, LEDGER_ENTRY_INVALID. Not beside an append.
   */
  refresh(): Promise<void>;
  /**
   * Appends what `propose` makes of the present fold; it is asked again whenever another writer was first,
   * and says no by throwing or by undefined. A success behind a lost reply is recognised by its token:
   * whoever repeats a call whose outcome is unknown must bring the same one, or would take its own entry for
   * another's. One call at a time.
   */
  append(token: string, propose: (fold: Fold) => Proposal | undefined): Promise<LedgerEntry | undefined>;
  /** Writes the checkpoint that should stand behind what was folded, if there is one, and the hint to it. */
  checkpoint(): Promise<void>;
  /** Names the last entry in the hint. */
  writeHint(): Promise<void>;
}

/**
 * `from: 'first'` reads every entry and no checkpoint: for an audit. LEDGER_MISSING_ENTRY,
 * LEDGER_ENTRY_INVALID.
 */
export async function openLedger(
  options: LedgerOptions,
  from: 'checkpoint' | 'first' = 'checkpoint',
): Promise<Ledger> {
  const read = await readFold(options, from, options.checkpointEvery ?? CHECKPOINT_EVERY);
  const ledger = createLedger(options, read);
  await ledger.refresh();
  return ledger;
}

function createLedger(options: LedgerOptions, read: ReadFold): Ledger {
  const { fold } = read;
  const { table, store, random, checkpointEvery = CHECKPOINT_EVERY } = options;
  /** The append under way: its token, and its entry once that was read or written. */
  let current: { readonly token: string; entry: LedgerEntry | undefined } | undefined;
  let checkpointAt = read.checkpoint;
  let due: DueCheckpoint | undefined = read.unsaved;

  /** Folded, and not handed on yet. */
  let unconfirmed: { readonly entry: LedgerEntry; readonly own: boolean }[] =
    read.last === undefined ? [] : [{ entry: read.last, own: false }];

  function take(entry: LedgerEntry): void {
    foldEntry(fold, entry);
    due = checkpointDue(fold, checkpointEvery) ?? due;
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

  /**
   * Hands on what was folded, once the checkpoint behind the newest of it was asked for after it was read.
   */
  async function confirm(): Promise<void> {
    for (let newest = unconfirmed.at(-1); newest !== undefined; ) {
      await confirmOnce(newest.entry.sequence);
      const next = unconfirmed.at(-1);
      if (next === newest) break;
      newest = next;
    }
    const confirmed = unconfirmed;
    unconfirmed = [];
    for (const { entry, own } of confirmed) options.onConfirmed?.(entry, own);
  }

  /**
   * What was folded is the ledger's end, or is followed by entries that name it, and no checkpoint tells of
   * an end farther on or of another entry. Checkpoints are created once: no sleeper can put an old one over a
   * new one.
   */
  async function confirmOnce(sequence: number): Promise<void> {
    const through = checkpointBehind(sequence, checkpointEvery);
    const key = checkpointKey(table, through);
    const bytes = await store.read(key);
    await readOn();
    if (bytes === undefined) return;
    const { token } = decodeCheckpoint(bytes, { key, table, through });
    if (through >= fold.nextSequence) throw missing(table, fold.nextSequence, through);
    const standing = unconfirmed.find(({ entry }) => entry.sequence === through);
    if (standing !== undefined && standing.entry.token !== token) throw replaced(table, through);
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
    if (due === undefined) return;
    const { through, bytes } = due;
    await store.createIfAbsent(checkpointKey(table, through), bytes);
    checkpointAt = through;
    if (due.through === through) due = undefined;
    await writeHint();
  }

  async function writeHint(): Promise<void> {
    if (fold.nextSequence === 0) return;
    const hint = { last: fold.nextSequence - 1, checkpoint: checkpointAt };
    await store.put(hintKey(table), encodeHint(table, hint));
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
  const identity = { format: formatOf(proposal), table, sequence, token, previous };
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
