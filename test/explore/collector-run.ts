// One collector of the exploration: the product's own table writers, driven as a lane drives them, over a
// store and a catalog whose every operation waits until the explorer answers it. It runs on promises alone,
// so that the same answers in the same order always lead to the same state.
import { createHash } from 'node:crypto';
import type {
  Catalog,
  LedgerEntry,
  ObjectStore,
  ReplayingWriter,
  TableConfig,
  TableWriter,
  WindowCommit,
} from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID, type PartitionId } from '@sluice/shared/position.ts';
import { FAILED, MISSING, type Operation, SELF } from './operation.ts';
import type { Acks } from './oracle.ts';
import { pruneLeft } from './prune.ts';
import { swapFirst } from './rebuild.ts';
import { sweepWithoutEntry } from './wrong-sweep.ts';

/** For each partition the end of what one window holds; a lane begins where the partition stands. */
export type WindowPlan = readonly (number | undefined)[];

export interface CollectorPlan {
  readonly tables: readonly string[];
  readonly partitions: number;
  /** Alternatives, of which each start of a collector takes one: windows in order. */
  readonly windows: readonly (readonly WindowPlan[])[];
  /** Sweeps tried before the windows, while the other collector may be at any point of its own. */
  readonly sweeps: number;
  /** What Kafka lost at the beginning of partition 0: each collector says so, and fills it from a spool. */
  readonly lost?: number;
  /** Where partition 0 is opened; else at its beginning. */
  readonly opensAt?: number;
  /** Each collector begins the history below that, and brings it. */
  readonly history?: true;
  /**
   * Where Kafka cuts the log of partition 0 behind the windows; what stands there then is in the table anew.
   */
  readonly cut?: { readonly at: number; readonly end: number };
  /** Before its windows each collector may make the first that is there again; the rest goes along. */
  readonly rebuilds?: true;
  /** Or join the first two; neither is tried behind the windows then. */
  readonly joins?: true;
  /** Behind all that, and when it has said what is published, each deletes what swaps have left. */
  readonly prunes?: true;
  /** Windows that stand when it begins. */
  readonly written?: readonly WindowPlan[];
  /** Whether it says what is published, and goes on reading, before it rests. */
  readonly flushes: boolean;
  readonly checkpointEvery: number;
  /** Makes the store, or what is said to be acknowledged, wrong on purpose. */
  readonly bug?: Bug;
}

export interface Bug {
  /** Staged objects are then not a matter of their owner alone. */
  readonly touchesStaged?: true;
  readonly store?: (store: ObjectStore) => ObjectStore;
  readonly acks?: 'when committed';
  readonly sweep?: 'without entry';
  readonly rebuild?: 'of what it knew when it began';
  readonly prune?: 'before it is published';
  readonly join?: 'before its object stands';
}

export interface Pending {
  readonly slot: number;
  readonly operation: Operation;
}

const events = createEvents(silentLogger, createMetrics());
/** As long as the product waits out of courtesy; every other wait is over at once. */
const COURTESY_MS = 5_000;

export class CollectorRun {
  readonly #pending = new Map<number, { operation: Operation; answer: (reply: string) => void }>();
  readonly #acks: Record<string, number> = {};
  #slots = 0;
  #draws = 0;
  failure: string | undefined;
  isDone = false;

  constructor(plan: CollectorPlan, incarnation: number) {
    void this.#run(plan, incarnation).then(
      () => {
        this.isDone = true;
      },
      (error: unknown) => {
        this.failure = error instanceof SluiceError ? error.code : String(error);
      },
    );
  }

  pending(): Pending[] {
    return [...this.#pending].map(([slot, { operation }]) => ({ slot, operation }));
  }

  acks(): Acks {
    return { ...this.#acks };
  }

  /** Answers one operation; what follows has happened when it resolves. */
  async answer(slot: number, reply: string): Promise<void> {
    const asked = this.#pending.get(slot);
    if (asked === undefined) throw new Error(`nothing waits in slot ${slot}: a run does not repeat itself`);
    this.#pending.delete(slot);
    asked.answer(reply);
    await settled();
  }

  #ask(operation: Operation): Promise<string> {
    const slot = this.#slots++;
    return new Promise((resolve, reject) => {
      const answer = (reply: string) =>
        reply === FAILED ? reject(new SluiceError('STORE_UNAVAILABLE', 'injected')) : resolve(reply);
      this.#pending.set(slot, { operation, answer });
    });
  }

  async #run(plan: CollectorPlan, incarnation: number): Promise<void> {
    const random = { fraction: () => 0, hex: () => `${SELF}${incarnation}x${this.#draws++}` };
    const alternative = plan.windows.length === 1 ? 0 : Number(await this.#choose(plan.windows.length));
    const windows = plan.windows[alternative] ?? [];
    const plain = this.#store();
    const store = plan.bug?.store?.(plain) ?? plain;
    const collector = `${SELF}${incarnation}`;
    await Promise.all(
      plan.tables.map(async (name) => {
        const folded: LedgerEntry[] = [];
        const writer = createTableWriter({
          onFolded: (entry) => void folded.push(entry),
          ...{ table: tableNamed(name), schemas, store, catalog: this.#catalog(), random, events },
          ...{ clock: this.#clock(), writerId: SELF, checkpointEvery: plan.checkpointEvery },
        });
        writer.onAcked((moved) => this.#record(name, (id) => writer.acked(id), moved));
        const loaded = async () => void (await this.#choose(1));
        const record = () => this.#record(name, (id) => writer.position(id), writer.partitions());
        const choose = (of: number) => this.#choose(of);
        const place = () => this.#ask({ op: 'place', table: name });
        const at = { name, writer, windows, plan, collector, store, folded };
        await drive({ ...at, loaded, choose, place, record });
      }),
    );
  }

  #choose(of: number): Promise<string> {
    return this.#ask({ op: 'choose', of });
  }

  #record(table: string, next: (partition: PartitionId) => number | undefined, of: readonly PartitionId[]) {
    for (const id of of) {
      const place = `${table}|${id.partition}`;
      this.#acks[place] = Math.max(this.#acks[place] ?? 0, next(id) ?? 0);
    }
  }

  #clock(): Clock {
    return {
      wallMs: () => 0,
      monotonicMs: () => 0,
      // What is done every so often is done by the plan instead.
      after: () => () => {},
      sleep: (ms, signal) => (ms === COURTESY_MS ? this.#wait(signal) : Promise.resolve()),
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const slot = this.#slots;
    const over = this.#ask({ op: 'wait' }).then(() => {});
    signal?.addEventListener('abort', () => {
      this.#pending.get(slot)?.answer('');
      this.#pending.delete(slot);
    });
    return over;
  }

  #catalog(): Catalog {
    return {
      ensureTable: () => Promise.resolve(),
      registerPartitions: async (_table, partitions) => {
        for (const { key } of partitions) await this.#ask({ op: 'register', key });
      },
      movePartitions: async (_table, partitions, order) => {
        for (const { key } of partitions) await this.#ask({ op: 'move', key, order });
      },
    } as Partial<Catalog> as Catalog;
  }

  #store(): ObjectStore {
    const ask = (operation: Operation) => this.#ask(operation);
    return {
      createIfAbsent: async (key, body) =>
        (await ask({ op: 'create', key, body: text(body) })) as 'created' | 'exists',
      put: async (key, body) => void (await ask({ op: 'put', key, body: text(body) })),
      async read(key) {
        const reply = await ask({ op: 'read', key });
        return reply === MISSING ? undefined : Buffer.from(reply);
      },
      async *list(prefix, after = '') {
        const keys = JSON.parse(await ask({ op: 'list', prefix, after })) as string[];
        for (const key of keys) yield { key, bytes: 0 };
      },
      stage: async (path, key) => void (await ask({ op: 'stage', key, body: path })),
      async publish(from, to) {
        if ((await ask({ op: 'publish', from, to })) === MISSING)
          throw new SluiceError('STORE_STAGED_MISSING', from, { place: to });
      },
      remove: async (keys) => void (await ask({ op: 'remove', keys })),
    } as Partial<ObjectStore> as ObjectStore;
  }
}

interface Drive {
  readonly name: string;
  readonly writer: ReplayingWriter;
  readonly windows: readonly WindowPlan[];
  readonly plan: CollectorPlan;
  readonly collector: string;
  readonly store: ObjectStore;
  /** Entries since it was loaded. */
  readonly folded: readonly LedgerEntry[];
  /** Told when the ledger is read: an exploration may begin there. */
  loaded(): Promise<void>;
  /** What nothing in the world decides. */
  choose(of: number): Promise<string>;
  /** Where the catalog has the table. */
  place(): Promise<string>;
  /** Says too early that everything committed is acknowledged. */
  record(): void;
}

/**
 * As a lane does it: windows in order, each trimmed to what is not committed and tried until none of it is
 * left.
 */
async function drive(given: Drive) {
  const { name, writer, windows, plan, collector, store, loaded, record } = given;
  await writer.load();
  await loaded();
  const partitions = Array.from({ length: plan.partitions }, (_, partition) => idOf(name, partition));
  if (partitions.some((id) => writer.position(id) === undefined))
    await writer.open(
      partitions.map((id) => ({
        ...{ ...id, leaderEpoch: 0, why: '' },
        start: id.partition === 0 ? (plan.opensAt ?? 0) : 0,
      })),
    );
  for (let sweep = 0; sweep < plan.sweeps; sweep++) {
    if (plan.bug?.sweep === 'without entry') await sweepWithoutEntry(name, store);
    else await writer.sweep();
  }
  if (plan.lost !== undefined) await loseAndFill(writer, name, { next: plan.lost, collector });
  if (plan.history) await bringHistory(writer, name, collector);
  if (plan.rebuilds || plan.joins) await swapFirst(given, plan, await given.choose(plan.joins ? 3 : 2));
  for (const [index, ends] of windows.entries())
    await commitUntilDone(
      writer,
      (epoch) => windowOf(writer, { name, ends, id: `${collector}w${index}`, epoch }),
      plan.bug?.acks === 'when committed' ? { record } : {},
    );
  if (plan.rebuilds) await swapFirst(given, plan, '1');
  if (plan.cut !== undefined) await followCut(writer, name, { ...plan.cut, collector });
  if (plan.flushes) await writer.flushPublished();
  if (plan.prunes) await pruneLeft(given, plan.bug);
}

/** Until nothing is left of it: another collector may be first with all of it, or with a part. */
async function commitUntilDone(
  writer: TableWriter,
  windowNow: (epoch: number) => WindowCommit,
  {
    record,
    epoch = 0,
    write = 'commitWindow' as 'commitWindow' | 'fillWindow',
  }: {
    readonly record?: () => void;
    readonly epoch?: number;
    readonly write?: 'commitWindow' | 'fillWindow';
  },
): Promise<void> {
  for (;;) {
    const window = windowNow(epoch);
    if (window.ranges.length === 0) return;
    try {
      await writer[write](window);
      record?.();
      return;
    } catch (error) {
      if (!(error instanceof SluiceError && error.code === 'LEDGER_RANGE_CONFLICT')) throw error;
    }
  }
}

/** The gap is said at once, and whoever has the range fills what is still open. */
async function loseAndFill(
  writer: TableWriter,
  name: string,
  { next, collector }: { readonly next: number; readonly collector: string },
): Promise<void> {
  const id = idOf(name, 0);
  await writer.gap([{ ...id, leaderEpoch: 0, start: 0, next, reason: 'retention' }]);
  const fillNow = (epoch: number) => {
    const [gap] = writer.openGaps(id);
    const range = gap === undefined ? [] : [{ partition: 0, start: gap.startOffset, next: gap.nextOffset }];
    return windowFrom(range, { name, id: `${collector}fill`, epoch });
  };
  await commitUntilDone(writer, fillNow, { write: 'fillWindow' });
}

/** Whoever is first with some of it decides where the other goes on. */
async function bringHistory(writer: TableWriter, name: string, collector: string): Promise<void> {
  const id = idOf(name, 0);
  await writer.beginBackfill([{ ...id, from: 0 }]);
  const fillNow = (epoch: number) => {
    const { next = 0, to = 0 } = writer.backfill(id) ?? {};
    const range = next < to ? [{ partition: 0, start: next, next: to }] : [];
    return windowFrom(range, { name, id: `${collector}history`, epoch });
  };
  await commitUntilDone(writer, fillNow, { write: 'fillWindow' });
}

/** The ledger goes on at the cut, under the next epoch, with other records of the same offsets. */
async function followCut(
  writer: TableWriter,
  name: string,
  { at, end, collector }: { readonly at: number; readonly end: number; readonly collector: string },
): Promise<void> {
  await writer.fork([{ ...idOf(name, 0), leaderEpoch: 1, offset: at, reason: 'unclean election' }]);
  await commitUntilDone(
    writer,
    (epoch) => windowOf(writer, { name, ends: [end], id: `${collector}cut`, epoch }),
    {
      epoch: 1,
    },
  );
}

function windowOf(
  writer: TableWriter,
  { name, ends, id, epoch }: { name: string; ends: WindowPlan; id: string; epoch: number },
): WindowCommit {
  const ranges = ends.flatMap((next, partition) => {
    const start = writer.position(idOf(name, partition)) ?? 0;
    // What was read before the log was cut is not what stands there now.
    const isCut = (writer.leaderEpoch(idOf(name, partition)) ?? 0) > epoch;
    return next === undefined || start >= next || isCut ? [] : [{ partition, start, next }];
  });
  return windowFrom(ranges, { name, id, epoch });
}

/** Records of later epochs are spelled with theirs: they are others under the same offsets. */
function windowFrom(
  spans: readonly { readonly partition: number; readonly start: number; readonly next: number }[],
  { name, id, epoch }: { name: string; id: string; epoch: number },
): WindowCommit {
  const ranges = spans.map(({ partition, start, next }) => {
    const counts = { records: next - start, control: 0, aborted: 0, absent: 0 };
    return { ...idOf(name, partition), leaderEpoch: epoch, start, next, counts };
  });
  const rows = ranges.flatMap(({ partition, start, next }) =>
    Array.from(
      { length: next - start },
      (_, i) => `${partition}:${start + i}${epoch > 0 ? `e${epoch}` : ''}`,
    ),
  );
  const path = rows.join(',');
  const sha256 = createHash('sha256').update(path).digest('hex');
  const file = { output: 'rows', path, index: 0, rows: rows.length, bytes: path.length, sha256 } as const;
  const classes = { in: rows.length, emitted: rows.length, merged: 0, filtered: 0, quarantined: 0 };
  const files = [{ ...file, partition: [], extension: 'p' }];
  return { windowId: id, openedMs: 0, ranges, classes, files, table: tableNamed(name) };
}

const idOf = (topic: string, partition: number) => ({ topic, topicId: NO_TOPIC_ID, partition });
const schemas = { rows: [], quarantine: [], partitionColumns: [], quarantinePartitionColumns: [] };
const tableNamed = (name: string) =>
  ({
    name,
    topic: name,
    location: name,
    partitionBy: [] as TableConfig['partitionBy'],
    configVersion: '',
    output: { kind: 'parquet', compression: 'zstd' },
  }) as TableConfig;
const text = (body: Uint8Array) => Buffer.from(body).toString();

/** Everything that waits on promises alone has gone as far as it can. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
