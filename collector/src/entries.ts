// What stands in a table's ledger. An entry is for ever: each kind here is read by every later version, and a
// kind or a field that a reader does not know makes it stop.
import type { PartitionId } from '@sluice/shared/position.ts';
import type { SegmentCounts } from '@sluice/shared/segment.ts';

export interface LedgerRange extends PartitionId {
  readonly leaderEpoch: number;
  readonly start: number;
  readonly next: number;
  readonly counts: SegmentCounts;
}

/** rows, quarantine, or the name of another table that steps make of the same records. */
export type OutputName = string;

export interface LedgerOutput {
  readonly output: OutputName;
  readonly stagedKey: string;
  readonly finalKey: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly rows: number;
  readonly partition: readonly { readonly column: string; readonly value: string | null }[];
}

export interface Classes {
  readonly in: number;
  readonly emitted: number;
  readonly merged: number;
  readonly filtered: number;
  readonly quarantined: number;
}

export interface LedgerEntryBase {
  /** 2 for a swap that joins objects. */
  readonly format: 1 | 2;
  readonly table: string;
  readonly sequence: number;
  /** Random per append: recognises one's own success behind a lost reply. */
  readonly token: string;
  /**
   * Token of the entry before; null in the first. An entry that was deleted and written anew breaks the
   * chain.
   */
  readonly previous: string | null;
  /** Collector that wrote it and when, for humans. */
  readonly writer: string;
  readonly writtenAt: string;
  /** Every entry up to this number is published; what later entries need not look at again. */
  readonly publishedThrough: number;
}

/** Where a partition begins: resolved once, before its first segment is accepted. */
export interface OpenEntry extends LedgerEntryBase {
  readonly kind: 'open';
  readonly partitions: readonly (PartitionId & {
    readonly leaderEpoch: number;
    readonly start: number;
    readonly why: string;
  })[];
}

/** What a window made: objects, and the account of its records. */
export interface LedgerWindow {
  readonly windowId: string;
  readonly configVersion: string;
  /** How that config makes partition values, one sentence a column. Entries of 0.1.0 may lack it. */
  readonly partitionedBy?: readonly string[] | undefined;
  readonly openedAt: string;
  readonly ranges: readonly LedgerRange[];
  readonly classes: Classes;
  /** Rows of each output; of one record there may be several. */
  readonly rows: Readonly<Record<OutputName, number>>;
  readonly outputs: readonly LedgerOutput[];
}

/** A window whose ranges begin where their partitions stand. */
export interface CommitEntry extends LedgerEntryBase, LedgerWindow {
  readonly kind: 'commit';
}

/**
 * A window whose ranges lie in open gaps, each in one, and close what they cover; or that go on where the
 * history of their partition stands.
 */
export interface FillEntry extends LedgerEntryBase, LedgerWindow {
  readonly kind: 'fill';
}

/**
 * Offsets that Kafka lost before they were read, where the partition stands or where its history does. Nobody
 * waits for them; a spool that still has them may fill them.
 */
export interface GapEntry extends LedgerEntryBase {
  readonly kind: 'gap';
  readonly gaps: readonly (PartitionId & {
    readonly leaderEpoch: number;
    readonly start: number;
    readonly next: number;
    readonly reason: string;
  })[];
}

/**
 * Kafka truncated a log below what is committed: offsets from here on come again, under a newer leader epoch.
 */
export interface ForkEntry extends LedgerEntryBase {
  readonly kind: 'fork';
  readonly forks: readonly (PartitionId & {
    readonly leaderEpoch: number;
    readonly offset: number;
    readonly reason: string;
  })[];
}

/**
 * History begins to be read: from where Kafka's log began then to where the table began. Once for a
 * partition. Fills bring it, each from where the one before ended, and a gap below the table's position says
 * what Kafka has lost of it since.
 */
export interface BackfillEntry extends LedgerEntryBase {
  readonly kind: 'backfill';
  readonly backfills: readonly (PartitionId & { readonly from: number; readonly to: number })[];
}

/** Staged objects that no entry names and that are deleted after this one. Who staged them stages again. */
export interface SweepEntry extends LedgerEntryBase {
  readonly kind: 'sweep';
  readonly keys: readonly string[];
}

/** Says only that entries up to publishedThrough are published (idle or draining). */
export interface PublishedEntry extends LedgerEntryBase {
  readonly kind: 'published';
}

/** Every row that its quarantine object has in [start, next): `records` of them, the first at `start`. */
export interface ReplayedRange extends PartitionId {
  readonly start: number;
  readonly next: number;
  readonly records: number;
}

/** What was taken of one quarantine object. */
export interface ReplayedObject {
  /** Number of the entry that put these records into quarantine. */
  readonly entry: number;
  readonly finalKey: string;
  /** Ascending by partition and offset. */
  readonly ranges: readonly ReplayedRange[];
}

/** What a replay made of quarantined records: those that failed again are not among them. */
export interface LedgerReplay extends Omit<LedgerWindow, 'ranges'> {
  /**
   * Number of the replay or swap before this one, -1 for none: what was taken up to there is not taken here.
   */
  readonly after: number;
  readonly replayed: readonly ReplayedObject[];
}

/** Quarantined records that were run again, each once in all replays. The quarantine keeps their rows. */
export interface ReplayEntry extends LedgerEntryBase, LedgerReplay {
  readonly kind: 'replay';
}

/** A window that was made again, with what became of its records now. */
export interface RemadeWindow {
  /** Number of its entry. */
  readonly entry: number;
  readonly classes: Classes;
  readonly rows: Readonly<Record<OutputName, number>>;
}

/** An object that stands before its entry does, where no reader looks yet. */
export interface RemadeObject {
  /** Number of the window's entry. */
  readonly entry: number;
  /** Its key is the partition's `to` and this. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly rows: number;
}

/** An object that is not made again and goes along: the same bytes, under `to` and the name that it has. */
export interface CarriedObject {
  /** Number of the entry that answers for it; for a joined object that of the swap which put it there. */
  readonly entry: number;
  readonly from: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** An object that has become rows of a joined one. */
export interface JoinedPart {
  /** As of a carried object. */
  readonly entry: number;
  readonly from: string;
  readonly rows: number;
  /** Of an object of lines: its text, unpacked, which stands in the joined one's as it is. */
  readonly text?: { readonly bytes: number; readonly sha256: string } | undefined;
}

/** The rows of several objects, one object's behind the other's. It stands before its entry does. */
export interface JoinedObject {
  /** Its key is the partition's `to` and this. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly rows: number;
  /** Of lines: bytes of its text, unpacked. */
  readonly textBytes?: number | undefined;
  /** In the order in which their rows stand. */
  readonly parts: readonly JoinedPart[];
}

/** One partition of an output that is another place from now on, and all that is there. */
export interface MovedPartition {
  readonly output: OutputName;
  readonly partition: LedgerOutput['partition'];
  /** Prefix of keys, with a slash at its end; nobody else ever writes there. */
  readonly to: string;
  readonly made: readonly RemadeObject[];
  readonly carried: readonly CarriedObject[];
  readonly joined?: readonly JoinedObject[] | undefined;
}

/** What a rebuild made, or a compaction joined. */
export interface LedgerSwap {
  readonly rebuildId: string;
  readonly configVersion: string;
  readonly partitionedBy: readonly string[];
  /** Where the records came from, for people. */
  readonly source: string;
  /** Number of the replay or swap before this one, -1 for none: what came since makes this one void. */
  readonly after: number;
  /** What is carried of entries up to this number stands under `to` already; later ones are copied there. */
  readonly asOf: number;
  /** Classes of the windows until now, added up. */
  readonly before: Classes;
  /** By ascending number; none where objects are joined. */
  readonly windows: readonly RemadeWindow[];
  /** Replays whose records all lie in these windows: their rows are taken back into them. */
  readonly replays: readonly number[];
  readonly moves: readonly MovedPartition[];
}

/**
 * Windows that were made again from their records, or small objects that were joined to larger ones. Each
 * partition that has to do with them moves as a whole: every object of an entry before this one that lies in
 * it is named here, and entries behind this one name their objects where it is now.
 */
export interface SwapEntry extends LedgerEntryBase, LedgerSwap {
  readonly kind: 'swap';
}

export type LedgerEntry =
  | OpenEntry
  | CommitEntry
  | FillEntry
  | GapEntry
  | ForkEntry
  | BackfillEntry
  | SweepEntry
  | PublishedEntry
  | ReplayEntry
  | SwapEntry;

/** Entries that answer for ranges of offsets. */
export type WindowEntry = CommitEntry | FillEntry;

/** Entries with objects to publish. */
export type ObjectsEntry = WindowEntry | ReplayEntry;

/** Entries behind which nothing is acknowledged before they are published. */
export type PublishedFirst = ObjectsEntry | SwapEntry;

type Proposed<E> = E extends LedgerEntry ? Omit<E, keyof LedgerEntryBase> : never;

/** Entry as a writer proposes it; the ledger adds the rest. */
export type Proposal = Proposed<LedgerEntry> extends infer P ? P : never;
