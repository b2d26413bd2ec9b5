// A ledger entry as bytes. Strict in both directions: what cannot be understood wholly is refused, because a
// fold that skips a part of an entry would acknowledge what it does not know.
import { z } from 'zod';
import type { LedgerEntry, Proposal } from '../contracts.ts';
import { decodeStored, invalidStored, type StoredForm } from './stored-json.ts';

/** Swaps that join objects are of the newest; all else is as it was when there were none. */
const PLAIN_FORMAT = 1;
const LEDGER_FORMAT = 2;

/** Of an entry, and of a checkpoint behind it. */
export type LedgerFormat = LedgerEntry['format'];

export function formatOf(entry: Proposal): LedgerFormat {
  const joins = entry.kind === 'swap' && entry.moves.some(({ joined }) => joined !== undefined);
  return joins ? LEDGER_FORMAT : PLAIN_FORMAT;
}

const offset = z.int().min(0);
const partition = {
  topic: z.string(),
  topicId: z.string().regex(/^[0-9a-f]{32}$/),
  partition: z.int().min(0),
};
const counts = z.strictObject({ records: offset, control: offset, aborted: offset, absent: offset });
const base = {
  format: z.literal(PLAIN_FORMAT),
  table: z.string(),
  sequence: offset,
  token: z.string(),
  previous: z.string().nullable(),
  writer: z.string(),
  writtenAt: z.string(),
  publishedThrough: z.int().min(-1),
};
const partitionValues = z.array(z.strictObject({ column: z.string(), value: z.string().nullable() }));
const outputKind = z.string().regex(/^[a-z][a-z0-9_]*$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const output = z.strictObject({
  output: outputKind,
  stagedKey: z.string(),
  finalKey: z.string(),
  bytes: offset,
  sha256,
  rows: offset,
  partition: partitionValues,
});
const account = {
  windowId: z.string(),
  configVersion: z.string(),
  partitionedBy: z.array(z.string()).optional(),
  openedAt: z.string(),
};
const range = z.strictObject({ ...partition, leaderEpoch: z.int(), start: offset, next: offset, counts });
const made = {
  classes: z.strictObject({
    in: offset,
    emitted: offset,
    merged: offset,
    filtered: offset,
    quarantined: offset,
  }),
  rows: z.record(outputKind, offset),
  outputs: z.array(output),
};
const opened = z.strictObject({ ...partition, leaderEpoch: z.int(), start: offset, why: z.string() });
const gap = z.strictObject({
  ...partition,
  leaderEpoch: z.int(),
  start: offset,
  next: offset,
  reason: z.string(),
});
const fork = z.strictObject({ ...partition, leaderEpoch: z.int(), offset, reason: z.string() });
const backfill = z.strictObject({ ...partition, from: offset, to: offset });
const replayedRange = z.strictObject({ ...partition, start: offset, next: offset, records: z.int().min(1) });
const replayed = z.strictObject({
  entry: offset,
  finalKey: z.string(),
  ranges: z.array(replayedRange).min(1),
});

const remadeWindow = z.strictObject({ entry: offset, classes: made.classes, rows: made.rows });
const bytesOf = { bytes: offset, sha256 };
const remadeObject = z.strictObject({ entry: offset, name: z.string().min(1), ...bytesOf, rows: offset });
const moved = z.strictObject({
  output: outputKind,
  partition: partitionValues,
  to: z.string().regex(/[^/]\/$/),
  made: z.array(remadeObject),
  carried: z.array(z.strictObject({ entry: offset, from: z.string(), ...bytesOf })),
});
const joinedPart = z.strictObject({
  ...{ entry: offset, from: z.string(), rows: offset },
  text: z.strictObject({ ...bytesOf, bytes: z.int().min(1) }).optional(),
});
const joined = z.strictObject({
  name: z.string().min(1),
  ...bytesOf,
  rows: offset,
  textBytes: offset.optional(),
  parts: z.array(joinedPart).min(2),
});
const swap = {
  rebuildId: z.string(),
  configVersion: z.string(),
  partitionedBy: z.array(z.string()),
  source: z.string(),
  after: z.int().min(-1),
  asOf: z.int().min(-1),
  before: made.classes,
  windows: z.array(remadeWindow).min(1),
  replays: z.array(offset),
  moves: z.array(moved),
};

const entry = z.discriminatedUnion('kind', [
  z.strictObject({ ...base, kind: z.literal('open'), partitions: z.array(opened) }),
  z.strictObject({ ...base, kind: z.literal('commit'), ...account, ranges: z.array(range), ...made }),
  z.strictObject({ ...base, kind: z.literal('fill'), ...account, ranges: z.array(range), ...made }),
  z.strictObject({ ...base, kind: z.literal('gap'), gaps: z.array(gap) }),
  z.strictObject({ ...base, kind: z.literal('fork'), forks: z.array(fork) }),
  z.strictObject({ ...base, kind: z.literal('backfill'), backfills: z.array(backfill) }),
  z.strictObject({ ...base, kind: z.literal('sweep'), keys: z.array(z.string()).min(1) }),
  z.strictObject({ ...base, kind: z.literal('published') }),
  z.strictObject({
    ...base,
    kind: z.literal('replay'),
    ...account,
    after: z.int().min(-1),
    replayed: z.array(replayed).min(1),
    ...made,
  }),
  z.discriminatedUnion('format', [
    z.strictObject({ ...base, kind: z.literal('swap'), ...swap }),
    z.strictObject({
      ...{ ...base, format: z.literal(LEDGER_FORMAT), kind: z.literal('swap'), ...swap },
      windows: z.array(remadeWindow),
      moves: z.array(moved.extend({ joined: z.array(joined).min(1) })).min(1),
    }),
  ]),
]);

const FORM: StoredForm<LedgerEntry> = { schema: entry, format: LEDGER_FORMAT, what: 'it' };

/** One line of JSON, keys in the order of the contract. */
export function encodeEntry(value: LedgerEntry): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** LEDGER_FORMAT_NEWER; LEDGER_ENTRY_INVALID where the bytes are no entry of this table under this number. */
export function decodeEntry(
  bytes: Uint8Array,
  at: { key: string; table: string; sequence: number },
): LedgerEntry {
  const found: LedgerEntry = decodeStored(bytes, FORM, at.key);
  if (found.table !== at.table || found.sequence !== at.sequence)
    throw invalidStored(FORM, `says ${found.table} ${found.sequence}`, at.key);
  return found;
}
