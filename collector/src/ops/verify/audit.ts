// One table's audit: the fold has checked its ledger against itself; here each object is held to what its
// entry says, one window at a time. Memory holds the keys of the table's objects and one window's offsets;
// the scratch directory one window's objects.
import { partitionName } from '@sluice/shared/position.ts';
import type { TableConfig, WindowEntry } from '../../contracts.ts';
import { outputLocation, rebuiltLocation } from '../../lake/object-keys.ts';
import { type Fold, hasObjects } from '../../ledger/fold.ts';
import { type StandingEntry, StandingObjects, type StandingOutput } from '../../ledger/standing-objects.ts';
import { allOutputs, isPlural, rowsAreRecords } from '../../step-config.ts';
import type { Database } from '../../transform/duckdb.ts';
import type { LakeReader } from '../lake-reader.ts';
import type { QueryOptions } from '../query.ts';
import { type FindingList, finding } from './findings.ts';
import { SeenHistory } from './history.ts';
import type { ObjectCopies } from './object-copies.ts';
import {
  type Audited,
  fetched,
  outputsOf,
  type Standing,
  seenOutput,
  standingOf,
  unreadable,
} from './objects.ts';
import { countRows, type ObjectFile, OFFSETS_AT_ONCE_MAX, readOffsets, type Strays } from './offsets.ts';
import { ReplayAudit, type ReplaySummary, sourceFindings, windowOfEntry } from './replays.ts';
import { strayFindings } from './strays.ts';
import { SwapAudit } from './swaps.ts';

/** Kept of a table to be told whose they are; there are more only where everything is wrong. */
const STRAYS_MAX = 1_000;

/** Objects that are asked for at the same time. */
const HEADS_MAX = 16;

export interface TableVerdict {
  readonly table: string;
  readonly entries: number;
  readonly windows: number;
  readonly in: number;
  readonly emitted: number;
  readonly merged: number;
  readonly filtered: number;
  readonly quarantined: number;
  readonly objects: number;
  /** Offsets that were read in objects; 0 without `--deep`. */
  readonly offsetsRead: number;
  readonly partitions: readonly {
    readonly partition: string;
    readonly topicId: string;
    readonly start: number;
    readonly next: number;
  }[];
  readonly gaps: readonly string[];
  /** Gaps, or parts of them, that spools have filled: by which entry. */
  readonly fills: readonly string[];
  /** What is read of the history that the table wants. */
  readonly backfills: readonly string[];
  /** Quarantined records that were run again; the classes above are as their windows left them. */
  readonly replayed: ReplaySummary;
  /** Windows that were made again, and partitions that moved: by which entry. */
  readonly swaps: readonly string[];
  /** Objects that were joined, and partitions that moved: by which entry. */
  readonly joins: readonly string[];
  /** Objects at places that partitions have left, or of a swap that never came to be: nobody sees them. */
  readonly leftBehind: number;
  /** Where Kafka truncated a log: the offsets that came twice, each time under another epoch. */
  readonly forks: readonly string[];
  /** What could not be proven, and why. */
  readonly weaker: readonly string[];
}

export interface AuditOptions extends QueryOptions {
  readonly database: Database;
  readonly nowMs: number;
  /** Reads every object. */
  readonly deep: boolean;
  readonly findings: FindingList;
  readonly copies: ObjectCopies;
  readonly offsetsAtOnceMax?: number;
}

interface Audit extends Audited {
  readonly options: AuditOptions;
  readonly strays: Strays[];
  readonly pending: string[];
  offsetsRead: number;
}

export async function auditTable(table: TableConfig, options: AuditOptions): Promise<TableVerdict> {
  const { reader, findings, nowMs, copies } = options;
  // Objects before entries: what lies there now was named before it came.
  const stored = await storedOf(table, reader);
  const { fold } = await reader.ledger(table.name);
  const outputs = await outputsOf(table, options);
  const pending: string[] = [];
  const seenSoFar = { strays: [], pending, offsetsRead: 0 };
  const audit: Audit = { table, reader, fold, outputs, copies, nowMs, options, ...seenSoFar };
  const fills: string[] = [];
  const quarantine = seenOutput(audit, 'quarantine').definition;
  // Where nothing was ever run again, every entry stands as it is.
  const again = fold.lastRerun < 0 ? nothing() : reader.entries(table.name, fold.nextSequence);
  const standing = await StandingObjects.of(again);
  const swaps = new SwapAudit(audit, { stored, standing });
  const replays = new ReplayAudit();
  let objects = 0;
  const joined = new Set<string>();
  const seen = new SeenHistory();
  for await (const entry of reader.entries(table.name, fold.nextSequence)) {
    const history = seen.rangesOf(entry);
    findings.add(...swaps.add(entry));
    if (entry.kind === 'swap') replays.swapped(entry, standing);
    if (!hasObjects(entry)) continue;
    findings.add(...replays.add(entry));
    if (entry.kind === 'fill')
      for (const range of entry.ranges.filter((r) => !history.has(r)))
        fills.push(
          `${partitionName(range)} [${range.start}, ${range.next}): closed by entry ${entry.sequence}`,
        );
    const now = standing.now(entry);
    if (now === undefined) continue;
    for (const output of now.outputs)
      if (output.joined === undefined) objects++;
      else joined.add(output.finalKey);
    await auditEntry(audit, windowOfEntry(now));
    if (entry.kind === 'replay' && options.deep)
      findings.add(...(await sourceFindings({ ...options, standing, quarantine }, entry)));
  }
  findings.add(...swaps.unjoined(), ...swaps.unknown());
  findings.add(...(await strayFindings(audit, audit.strays)));
  const unseen = table.provenance === 'none' ? [WITHOUT_PROVENANCE] : [];
  const { offsetsRead } = audit;
  return {
    table: table.name,
    ...summary(fold),
    fills,
    replayed: replays.summary,
    swaps: swaps.lines,
    joins: swaps.joins,
    leftBehind: swaps.leftBehind,
    objects: objects + joined.size,
    offsetsRead,
    weaker: [...unseen, ...pending],
  };
}

async function* nothing(): AsyncGenerator<never> {}

const WITHOUT_PROVENANCE = "provenance is 'none': rows are counted, their offsets are not seen";

/** Every key below a table's rows and its quarantine. */
async function storedOf(table: TableConfig, reader: LakeReader): Promise<Set<string>> {
  const keys = new Set<string>();
  for (const output of allOutputs(table)) {
    const location = outputLocation(table, output);
    for (const place of [location, rebuiltLocation(location)])
      for (const key of await reader.stored(place)) keys.add(key);
  }
  return keys;
}

interface StandingObject {
  readonly output: StandingOutput;
  readonly standing: Standing;
}

async function auditEntry(audit: Audit, entry: WindowEntry & Pick<StandingEntry, 'outputs'>): Promise<void> {
  const { findings, deep } = audit.options;
  const there: StandingObject[] = [];
  let isPending = false;
  const all: readonly StandingOutput[] = entry.outputs;
  for (let from = 0; from < all.length; from += HEADS_MAX) {
    const outputs = all.slice(from, from + HEADS_MAX);
    const asked = outputs.map(async (output) => ({
      output,
      standing: await standingOf(audit, entry, output),
    }));
    for (const one of await Promise.all(asked)) {
      findings.add(...one.standing.findings);
      isPending ||= one.standing.pending;
      if (one.standing.stands) there.push(one);
    }
  }
  if (isPending) audit.pending.push(`entry ${entry.sequence} is committed and still being published`);
  if (!deep) return;
  try {
    await readEntry(audit, entry, there);
  } finally {
    for (const { output } of there) await audit.copies.release(output);
  }
}

async function readEntry(audit: Audit, entry: WindowEntry, there: readonly StandingObject[]): Promise<void> {
  const { database, findings } = audit.options;
  const rowsHaveOffsets = audit.table.provenance !== 'none';
  const files: ObjectFile[] = [];
  let rows = 0;
  for (const { output, standing } of there) {
    const file = await fetched(audit, output, standing);
    if (file === undefined) continue;
    findings.add(...file.findings);
    const { definition } = seenOutput(audit, output.output);
    const object = { output, definition, path: file.path };
    const counted = await counts(audit, object);
    if (counted === undefined) continue;
    files.push(object);
    if (output.output !== 'quarantine') rows += counted;
  }
  const isComplete = files.length === entry.outputs.length;
  const read = await readOffsets({
    database,
    entry,
    files,
    isComplete,
    rowsHaveOffsets,
    manyRows: isPlural(audit.table),
    offsetsAtOnceMax: audit.options.offsetsAtOnceMax ?? OFFSETS_AT_ONCE_MAX,
  });
  findings.add(...read.findings);
  if (isComplete && !rowsHaveOffsets && rowsAreRecords(audit.table) && rows !== entry.classes.emitted) {
    const place = { table: entry.table, place: `entry ${entry.sequence}` };
    const message = `${entry.classes.emitted} records are emitted by the ledger and ${rows} rows are in the objects`;
    findings.add(finding('CLASSES_MISCOUNTED', place, message));
  }
  audit.offsetsRead += read.offsets;
  audit.strays.push(...read.strays.slice(0, STRAYS_MAX - audit.strays.length));
}

/** The rows of one object, held to its entry; undefined where it cannot be read. */
async function counts(audit: Audit, file: ObjectFile): Promise<number | undefined> {
  const { table, options } = audit;
  const { output } = file;
  const withOffsets = output.output === 'quarantine' || table.provenance !== 'none';
  try {
    const rows = await countRows(options.database, file, withOffsets);
    if (rows !== output.rows) {
      const place = { table: table.name, place: output.finalKey };
      const message = `it holds ${rows} rows and the ledger says ${output.rows}`;
      options.findings.add(finding('ROWS_MISCOUNTED', place, message));
    }
    return rows;
  } catch (error) {
    options.findings.add(unreadable(table.name, output, error));
    return undefined;
  }
}

function summary(fold: Fold) {
  const partitions = [...fold.partitions.values()];
  return {
    entries: fold.nextSequence,
    ...fold.totals,
    partitions: partitions.map(({ topicId, start, next, ...p }) => {
      return { partition: partitionName(p), topicId, start, next };
    }),
    gaps: partitions.flatMap((p) =>
      p.gaps.map((g) => `${partitionName(p)} [${g.start}, ${g.next}): ${g.reason}`),
    ),
    backfills: partitions.flatMap((p) => {
      const { from, next, to } = p.backfill ?? { from: 0, next: 0, to: 0 };
      const span = `${partitionName(p)} [${from}, ${to})`;
      if (from >= to) return [];
      return next >= to ? `${span}: read` : `${span}: read up to ${next}, ${to - next} offsets are not`;
    }),
    forks: partitions.flatMap((p) =>
      p.forks.map((f) => `${partitionName(p)} [${f.to}, ${f.from}): came again in epoch ${f.leaderEpoch}`),
    ),
  };
}
