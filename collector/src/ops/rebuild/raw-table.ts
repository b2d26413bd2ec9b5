// The raw tables that a rebuild reads: which one serves, or which ones, and which of their objects hold a
// range of offsets. What they do not hold is told by name; nothing is taken for filtered that was never
// there.
import { assert, SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName, slotKey } from '@sluice/shared/position.ts';
import type { LedgerRange, StagedSegment, TableConfig } from '../../contracts.ts';
import { type Fold, hasObjects } from '../../ledger/fold.ts';
import { type StandingEntry, StandingObjects, type StandingOutput } from '../../ledger/standing-objects.ts';
import { readsTopic, topicsOf, topicsText } from '../../table-topics.ts';
import { readsBeside } from '../../transform/sql/compile.ts';
import type { LakeReader } from '../lake-reader.ts';
import { windowOfEntry } from '../verify/replays.ts';

type Span = Pick<LedgerRange, 'start' | 'next'>;

/** The records of windows, out of raw tables. */
export interface WindowRecords {
  /** REBUILD_SOURCE_INCOMPLETE, REBUILD_REFUSED. */
  segments(ranges: readonly LedgerRange[]): AsyncIterable<StagedSegment>;
  /** What none of these ranges needs is given up. */
  keepFor(ranges: readonly LedgerRange[]): Promise<void>;
  close(): void;
}

export interface RecordsOptions {
  readonly reader: LakeReader;
  /** Directories that may be read: the lake, and where objects are fetched to. */
  readonly directories: readonly string[];
  /** Private. */
  readonly scratch: string;
}

export type OpenRecords = (sources: RawSources, options: RecordsOptions) => Promise<WindowRecords>;

/**
 * The raw table of each topic: one that has all of them, else one for each. REBUILD_NO_SOURCE, with what is
 * wrong with each that comes near.
 */
export function rawTablesOf(
  tables: readonly TableConfig[],
  table: TableConfig,
  named: string | undefined,
): ReadonlyMap<string, TableConfig> {
  const near = tables
    .filter((raw) => named === undefined || raw.name === named)
    .filter((raw) => raw.name !== table.name && raw.input.kind === 'bytes')
    .filter((raw) => topicsOf(table).some((topic) => readsTopic(raw, topic)));
  const judged = near.map((raw) => ({ raw, wrong: unfit(raw, table) }));
  const fit = judged.flatMap(({ raw, wrong }) => (wrong === undefined ? [raw] : []));
  const whole = fit.find((raw) => topicsOf(table).every((topic) => readsTopic(raw, topic)));
  const found = new Map<string, TableConfig>();
  for (const topic of topicsOf(table)) {
    const raw = whole ?? fit.find((one) => readsTopic(one, topic));
    if (raw !== undefined) found.set(topic, raw);
  }
  const lacking = topicsOf(table).filter((topic) => !found.has(topic));
  if (lacking.length === 0) return found;
  const which = named === undefined ? 'no table' : `no table ${named}`;
  const [topic = ''] = lacking;
  const lacked = topicsText(lacking.length === 1 ? { topic } : { topics: lacking });
  const none = `the config has ${which} of format bytes for the ${lacked}`;
  const why = judged.flatMap(({ raw, wrong }) => (wrong === undefined ? [] : [`${raw.name} ${wrong}`]));
  throw new SluiceError('REBUILD_NO_SOURCE', [none, ...why].join('; '), { place: table.name });
}

/** Why records do not come out of it as they came in. */
function unfit(raw: TableConfig, table: TableConfig): string | undefined {
  if (raw.steps.length > 0) return 'has steps: what they change or leave out is not the record';
  if (raw.provenance !== 'full') return 'has not provenance full: keys, headers and times are not kept';
  if (raw.record.compression !== 'none') return 'unpacks its values: they are not as they came';
  if (raw.output.kind !== 'parquet') return 'is not written as Parquet';
  if (raw.record.headers === 'map' && readsBeside(table).headers)
    return 'has headers as a map: of a repeated name only the last value is kept';
  return undefined;
}

interface HeldRange extends Span {
  readonly outputs: readonly StandingOutput[];
  /** The same numbers are there of another incarnation of the topic. */
  readonly hasTwin: boolean;
}

/** What the raw tables of several topics hold together. */
export class RawSources {
  readonly #byTopic: ReadonlyMap<string, RawObjects>;

  private constructor(byTopic: ReadonlyMap<string, RawObjects>) {
    this.#byTopic = byTopic;
  }

  static async read(reader: LakeReader, tables: ReadonlyMap<string, TableConfig>): Promise<RawSources> {
    const byName = new Map<string, RawObjects>();
    const byTopic = new Map<string, RawObjects>();
    for (const [topic, raw] of tables) {
      const objects = byName.get(raw.name) ?? (await RawObjects.read(reader, raw));
      byName.set(raw.name, objects);
      byTopic.set(topic, objects);
    }
    return new RawSources(byTopic);
  }

  /** For people: `raw table a`, or `raw tables a, b`. */
  get text(): string {
    const names = [...new Set([...this.#byTopic.values()].map(({ raw }) => raw.name))];
    return `raw table${names.length === 1 ? '' : 's'} ${names.join(', ')}`;
  }

  /** Of a topic that the table reads no more: the first, which may have had it as well. */
  of({ topic }: Pick<PartitionId, 'topic'>): RawObjects {
    const [first] = this.#byTopic.values();
    const found = this.#byTopic.get(topic) ?? first;
    assert(found !== undefined, 'a rebuild has a source');
    return found;
  }

  isAsFarAs(ranges: Parameters<RawObjects['isAsFarAs']>[0]): boolean {
    return ranges.every((range) => this.of(range).isAsFarAs([range]));
  }

  holding(range: PartitionId & Span): readonly StandingOutput[] {
    return this.of(range).holding(range);
  }
}

/** Objects of one raw table by partition and offsets. */
export class RawObjects {
  readonly raw: TableConfig;
  readonly #fold: Fold;
  /** Of windows, ascending; they do not overlap. */
  readonly #windows = new Map<string, HeldRange[]>();
  readonly #replays = new Map<string, HeldRange[]>();

  private constructor(raw: TableConfig, fold: Fold) {
    this.raw = raw;
    this.#fold = fold;
  }

  static async read(reader: LakeReader, raw: TableConfig): Promise<RawObjects> {
    const { fold } = await reader.ledger(raw.name);
    const objects = new RawObjects(raw, fold);
    const standing = await StandingObjects.of(reader.entries(raw.name, fold.nextSequence));
    for await (const entry of reader.entries(raw.name, fold.nextSequence)) {
      const now = hasObjects(entry) ? standing.now(entry) : undefined;
      if (now !== undefined) objects.#add(now);
    }
    for (const ranges of objects.#windows.values()) ranges.sort((a, b) => a.start - b.start);
    return objects;
  }

  #add(entry: StandingEntry): void {
    const { ranges } = windowOfEntry(entry);
    const held = entry.kind === 'replay' ? this.#replays : this.#windows;
    for (const range of ranges) {
      const twins = ranges.filter((other) => isTwin(range, other));
      const of = held.get(partitionKey(range)) ?? [];
      held.set(partitionKey(range), of);
      const { start, next } = range;
      of.push({ start, next, outputs: entry.outputs, hasTwin: twins.length > 0 });
    }
  }

  /** Whether it is as far as these ranges: what it lacks below that will not come by itself. */
  isAsFarAs(ranges: readonly (PartitionId & Span & Pick<LedgerRange, 'counts'>)[]): boolean {
    return ranges.every(({ next, counts, ...id }) => {
      const stands = this.#fold.partitions.get(partitionKey(id))?.next ?? Number.POSITIVE_INFINITY;
      return counts.records === 0 || next <= stands;
    });
  }

  /**
   * Every object that may hold records of the range, of joined ones the rows that may.
   * REBUILD_SOURCE_INCOMPLETE, REBUILD_REFUSED.
   */
  holding(range: PartitionId & Span): readonly StandingOutput[] {
    const windows = overlapping(this.#windows.get(partitionKey(range)) ?? [], range);
    this.#assertWhole(range, windows);
    const replays = this.#replays.get(partitionKey(range)) ?? [];
    const all = [...windows, ...replays.filter((held) => overlaps(held, range))];
    if (all.some(({ hasTwin }) => hasTwin)) {
      const message = `${nameOf(range)} lies in one object of ${this.raw.name} with the same offsets of the topic before it was created again`;
      throw new SluiceError('REBUILD_REFUSED', message, { place: this.raw.name });
    }
    const outputs = all.flatMap((held) => held.outputs);
    return [...new Map(outputs.map((o) => [`${o.finalKey}\u0000${o.joined?.first}`, o])).values()];
  }

  #assertWhole(range: PartitionId & Span, held: readonly HeldRange[]): void {
    let at = range.start;
    for (const { start, next } of held) if (start <= at) at = Math.max(at, next);
    if (at < range.next)
      throw new SluiceError(
        'REBUILD_SOURCE_INCOMPLETE',
        `${nameOf(range)} is not in it from offset ${at} on`,
        {
          place: this.raw.name,
        },
      );
    const { forks = [] } = this.#fold.partitions.get(partitionKey(range)) ?? {};
    if (!forks.some(({ from, to }) => to < range.next && range.start < from)) return;
    const message = `${nameOf(range)} came twice: Kafka cut that log`;
    throw new SluiceError('REBUILD_REFUSED', message, { place: this.raw.name });
  }
}

const nameOf = (range: PartitionId & Span) => `${partitionName(range)} [${range.start}, ${range.next})`;
const overlaps = (a: Span, b: Span) => a.start < b.next && b.start < a.next;

function isTwin(a: LedgerRange, b: LedgerRange): boolean {
  return slotKey(a) === slotKey(b) && a.topicId !== b.topicId && overlaps(a, b);
}

/** Of ranges in order that do not overlap each other. */
function overlapping(ranges: readonly HeldRange[], range: Span): readonly HeldRange[] {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.next ?? 0) <= range.start) low = middle + 1;
    else high = middle;
  }
  const found: HeldRange[] = [];
  for (let at = ranges[low]; at !== undefined && at.start < range.next; at = ranges[++low]) found.push(at);
  return found;
}
