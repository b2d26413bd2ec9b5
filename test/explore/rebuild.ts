// A rebuild of the exploration: the first window that is committed is made again, as the command does it, and
// every other object of the table goes along. A compaction joins the objects of the first two in the same
// way. Which of two that began together counts, the ledger decides.
import type {
  CommitEntry,
  LedgerEntry,
  LedgerSwap,
  MovedPartition,
  ObjectStore,
  ReplayingWriter,
} from '@sluice/collector/contracts.ts';
import { isKind, SluiceError } from '@sluice/shared/errors.ts';
import type { CollectorPlan } from './collector-run.ts';

export interface Rebuild {
  readonly name: string;
  readonly writer: ReplayingWriter;
  readonly collector: string;
  readonly store: ObjectStore;
  /** Entries since the writer was loaded; it goes on to grow. */
  readonly folded: readonly LedgerEntry[];
}

/** Mistakes on purpose. */
interface Mistakes {
  /** What comes while it makes is not asked for again. */
  readonly knowsNoLater: boolean;
  /** The joined object is put there when the entry that names it is written. */
  readonly joinsLate: boolean;
}

/** 0 neither, 1 a rebuild, 2 a compaction. */
export async function swapFirst(given: Rebuild, { bug = {} }: Pick<CollectorPlan, 'bug'>, chosen: string) {
  const how = { ...given, knowsNoLater: bug.rebuild !== undefined, joinsLate: bug.join !== undefined };
  if (chosen === '1') await rebuildFirst(how);
  if (chosen === '2') await joinFirst(how);
}

const isCommit = (entry: LedgerEntry): entry is CommitEntry => entry.kind === 'commit';

async function rebuildFirst(rebuild: Rebuild & Mistakes): Promise<void> {
  const { name, collector, store } = rebuild;
  const read = await patiently(() => readLedger(store, name));
  const first = read.find(isCommit);
  if (first === undefined || read.some(({ kind }) => kind === 'swap')) return;
  const to = `${name}.rebuilt/${collector}/`;
  const [made] = first.outputs;
  if (made === undefined) return;
  const { bytes, sha256, rows } = made;
  await patiently(() => store.stage(rowsOf(first), `${to}made`, sha256));
  const object = { entry: first.sequence, name: 'made', bytes, sha256, rows };
  await swap(rebuild, read, {
    before: first.classes,
    windows: [{ entry: first.sequence, classes: first.classes, rows: { rows } }],
    replaced: [first.sequence],
    put: { to, made: [object] },
  });
}

async function joinFirst(rebuild: Rebuild & Mistakes): Promise<void> {
  const { name, collector, store, joinsLate } = rebuild;
  const read = await patiently(() => readLedger(store, name));
  const first = read.filter(isCommit).slice(0, 2);
  if (first.length < 2 || read.some(({ kind }) => kind === 'swap')) return;
  const to = `${name}.rebuilt/${collector}join/`;
  const parts = first.flatMap(({ sequence: entry, outputs }) =>
    outputs.map(({ finalKey: from, rows }) => ({ entry, from, rows })),
  );
  const body = first.map(rowsOf).join(',');
  const stage = () => patiently(() => store.stage(body, `${to}joined`, ''));
  if (!joinsLate) await stage();
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const object = { name: 'joined', bytes: body.length, sha256: NO_SHA256, rows, parts };
  await swap(rebuild, read, {
    before: { in: 0, emitted: 0, merged: 0, filtered: 0, quarantined: 0 },
    windows: [],
    replaced: first.map(({ sequence }) => sequence),
    put: { to, made: [], joined: [object] },
  });
  if (joinsLate) await stage();
}

const NO_SHA256 = '0'.repeat(64);

interface Swap extends Pick<LedgerSwap, 'before' | 'windows'> {
  readonly replaced: readonly number[];
  readonly put: Pick<MovedPartition, 'to' | 'made' | 'joined'>;
}

async function swap(
  rebuild: Rebuild & Mistakes,
  read: readonly LedgerEntry[],
  { replaced, put, ...said }: Swap,
) {
  const { writer, collector, folded, knowsNoLater } = rebuild;
  const propose = (): LedgerSwap => {
    const known = new Map([...read, ...(knowsNoLater ? [] : folded)].map((entry) => [entry.sequence, entry]));
    const others = [...known.values()]
      .filter(isCommit)
      .filter(({ sequence }) => !replaced.includes(sequence));
    const carried = others.flatMap(({ sequence: entry, outputs }) =>
      outputs.map((output) => ({ entry, from: output.finalKey, bytes: output.bytes, sha256: output.sha256 })),
    );
    return {
      ...{ rebuildId: collector, configVersion: '', partitionedBy: [], source: '', after: -1, asOf: -1 },
      ...{ ...said, replays: [] },
      moves: [{ output: 'rows', partition: [], carried, ...put }],
    };
  };
  try {
    await writer.swap({ after: -1, propose });
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'REBUILD_OVERTAKEN')) throw error;
  }
}

export async function readLedger(store: ObjectStore, name: string): Promise<LedgerEntry[]> {
  const read: LedgerEntry[] = [];
  for await (const { key } of store.list(`_sluice/ledger/${name}/`))
    read.push(JSON.parse(String(Buffer.from((await store.read(key)) ?? []))) as LedgerEntry);
  return read;
}

/** As the command goes on through what may pass. */
export async function patiently<T>(task: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (!isKind(error, 'retry')) throw error;
    }
  }
}

/** As the windows of the exploration spell their records. */
function rowsOf({ ranges }: CommitEntry): string {
  return ranges
    .flatMap(({ partition, start, next }) =>
      Array.from({ length: next - start }, (_, i) => `${partition}:${start + i}`),
    )
    .join(',');
}
