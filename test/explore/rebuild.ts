// A rebuild of the exploration: the first window that is committed is made again, as the command does it, and
// every other object of the table goes along. Which of two that began together counts, the ledger decides.
import type {
  CommitEntry,
  LedgerEntry,
  LedgerSwap,
  ObjectStore,
  ReplayingWriter,
} from '@sluice/collector/contracts.ts';
import { isKind, SluiceError } from '@sluice/shared/errors.ts';

export interface Rebuild {
  readonly name: string;
  readonly writer: ReplayingWriter;
  readonly collector: string;
  readonly store: ObjectStore;
  /** Entries since the writer was loaded; it goes on to grow. */
  readonly folded: readonly LedgerEntry[];
  /** A mistake on purpose: what comes while it makes is not asked for again. */
  readonly knowsNoLater: boolean;
}

const isCommit = (entry: LedgerEntry): entry is CommitEntry => entry.kind === 'commit';

export async function rebuildFirst(rebuild: Rebuild): Promise<void> {
  const { name, writer, collector, store, folded, knowsNoLater } = rebuild;
  const read = await patiently(() => readLedger(store, name));
  const first = read.find(isCommit);
  if (first === undefined || read.some(({ kind }) => kind === 'swap')) return;
  const to = `${name}.rebuilt/${collector}/`;
  const [made] = first.outputs;
  if (made === undefined) return;
  const { bytes, sha256, rows } = made;
  await patiently(() => store.stage(rowsOf(first), `${to}made`, sha256));
  const propose = (): LedgerSwap => {
    const known = new Map([...read, ...(knowsNoLater ? [] : folded)].map((entry) => [entry.sequence, entry]));
    const others = [...known.values()].filter(isCommit).filter(({ sequence }) => sequence !== first.sequence);
    const carried = others.flatMap(({ sequence: entry, outputs }) =>
      outputs.map((output) => ({ entry, from: output.finalKey, bytes: output.bytes, sha256: output.sha256 })),
    );
    const object = { entry: first.sequence, name: 'made', bytes, sha256, rows };
    return {
      ...{ rebuildId: collector, configVersion: '', partitionedBy: [], source: '', after: -1, asOf: -1 },
      before: first.classes,
      windows: [{ entry: first.sequence, classes: first.classes, rows: { rows } }],
      replays: [],
      moves: [{ output: 'rows', partition: [], to, made: [object], carried }],
    };
  };
  try {
    await writer.swap({ after: -1, propose });
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'REBUILD_OVERTAKEN')) throw error;
  }
}

async function readLedger(store: ObjectStore, name: string): Promise<LedgerEntry[]> {
  const read: LedgerEntry[] = [];
  for await (const { key } of store.list(`_sluice/ledger/${name}/`))
    read.push(JSON.parse(String(Buffer.from((await store.read(key)) ?? []))) as LedgerEntry);
  return read;
}

/** As the command goes on through what may pass. */
async function patiently<T>(task: () => Promise<T>): Promise<T> {
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
