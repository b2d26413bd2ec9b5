// The fold as bytes, so that a start reads few objects however long the ledger is. Pure. A checkpoint is only
// a short cut: entries are never deleted, and without it the ledger is read from its first entry. It stands
// at fixed numbers, so that a writer finds the one behind its own entry without asking for the newest. The
// hint names the newest one and the newest entry; it is overwritten without a fence, so an old one may stand
// there and only costs requests.
import { partitionKey } from '@sluice/shared/position.ts';
import { isNewerFormat } from '@sluice/shared/stored-format.ts';
import { z } from 'zod';
import { emptyFold, type Fold } from './fold.ts';
import { decodeStored, invalidStored } from './stored-json.ts';

/** The highest format of the entries that it stands for. */
const CHECKPOINT_FORMATS = [1, 2] as const;
const HINT_FORMAT = 1;

const offset = z.int().min(0);
const checkpoint = z.strictObject({
  format: z.literal(CHECKPOINT_FORMATS),
  table: z.string(),
  /** Last entry folded, and its token: the next entry must name it. */
  through: offset,
  token: z.string(),
  publishedThrough: z.int().min(-1),
  lastTelling: z.int().min(-1),
  /** The last rerun, under the name it had before there were swaps. Before replays nobody wrote it. */
  lastReplay: z.int().min(-1).default(-1),
  /** Where no swap moved a partition nobody writes it. */
  places: z.array(z.tuple([z.string(), z.string()])).optional(),
  /**
   * Entries above publishedThrough, which a reader reads as well: these and no others that may stand there
   * now.
   */
  unpublished: z.array(z.strictObject({ sequence: offset, token: z.string() })),
  partitions: z.array(
    z.strictObject({
      topic: z.string(),
      topicId: z.string(),
      partition: offset,
      leaderEpoch: z.int(),
      start: offset,
      next: offset,
      acked: offset,
      records: offset,
      gaps: z.array(z.strictObject({ start: offset, next: offset, reason: z.string() })),
      forks: z.array(z.strictObject({ from: offset, to: offset, leaderEpoch: z.int() })),
      backfill: z.strictObject({ from: offset, next: offset, to: offset }).optional(),
    }),
  ),
  totals: z.strictObject({
    in: offset,
    emitted: offset,
    merged: offset,
    filtered: offset,
    quarantined: offset,
    windows: offset,
  }),
});

/**
 * Entries from one checkpoint to the next: what a start reads at most, once a checkpoint is written. Never
 * changes.
 */
export const CHECKPOINT_EVERY = 100;

/** The entry that the checkpoint behind `sequence` ends with. */
export function checkpointBehind(sequence: number, every: number): number {
  return sequence + every - 1 - (sequence % every);
}

export type Checkpoint = z.infer<typeof checkpoint>;

export function encodeCheckpoint(fold: Fold): Buffer {
  const value: Checkpoint = {
    format: fold.format,
    table: fold.table,
    through: fold.nextSequence - 1,
    token: fold.lastToken ?? '',
    publishedThrough: fold.publishedThrough,
    lastTelling: fold.lastTelling,
    lastReplay: fold.lastRerun,
    ...(fold.places.size === 0 ? {} : { places: [...fold.places] }),
    unpublished: fold.unpublished.map(({ sequence, token }) => ({ sequence, token })),
    partitions: [...fold.partitions.values()],
    totals: fold.totals,
  };
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** Without a checkpoint the ledger is read from its first entry. */
const FORM = { schema: checkpoint, format: Math.max(...CHECKPOINT_FORMATS), what: 'a checkpoint' };

/**
 * LEDGER_FORMAT_NEWER; LEDGER_ENTRY_INVALID where the bytes are no checkpoint of this table at this place.
 */
export function decodeCheckpoint(
  bytes: Uint8Array,
  at: { key: string; table: string; through: number },
): Checkpoint {
  const found = decodeStored(bytes, FORM, at.key);
  if (found.table !== at.table || found.through !== at.through)
    throw invalidStored(FORM, `says ${found.table} ${found.through}`, at.key);
  return found;
}

/**
 * The fold that was written, but for its unpublished entries, which the caller has to read. A table begins no
 * later than where its log was cut; checkpoints of early builds may say otherwise.
 */
export function foldAt({ table, through, token, partitions, totals, ...said }: Checkpoint): Fold {
  return {
    ...emptyFold(table),
    format: said.format,
    nextSequence: through + 1,
    lastToken: token,
    publishedThrough: said.publishedThrough,
    toldThrough: said.publishedThrough,
    lastTelling: said.lastTelling,
    lastRerun: said.lastReplay,
    places: new Map(said.places),
    partitions: new Map(partitions.map((p) => [partitionKey(p), { ...p, start: startOf(p) }])),
    totals: { ...totals },
  };
}

function startOf({ start, forks }: Checkpoint['partitions'][number]): number {
  return Math.min(start, ...forks.map(({ to }) => to));
}

export interface Hint {
  /** An entry that stood when the hint was written; -1 for none. */
  readonly last: number;
  /** Entry that the newest checkpoint ends with; -1 for none. */
  readonly checkpoint: number;
}

export function encodeHint(table: string, hint: Hint): Buffer {
  return Buffer.from(JSON.stringify({ format: HINT_FORMAT, table, ...hint }));
}

type StoredHint = Partial<Hint> & { readonly format?: unknown };

/** What cannot be read, or is of a newer format, hints at nothing. */
export function decodeHint(bytes: Uint8Array | undefined): Hint {
  const none: Hint = { last: -1, checkpoint: -1 };
  if (bytes === undefined) return none;
  try {
    const { format, last, checkpoint } = JSON.parse(Buffer.from(bytes).toString()) as StoredHint;
    if (isNewerFormat(format, HINT_FORMAT)) return none;
    return { last: number(last), checkpoint: number(checkpoint) };
  } catch {
    return none;
  }
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : -1;
}
