// A lake with records in quarantine that a corrected config can read, and a replay over it as the command
// runs it: a writer of its own beside that of the collector.
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { runQuery } from '@sluice/collector/ops/query.ts';
import { type Replayed, type ReplayOptions, replay } from '@sluice/collector/ops/replay/replay.ts';
import type { Selection } from '@sluice/collector/ops/replay/selection.ts';
import { withWriter } from '@sluice/collector/ops/replay/writer-session.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import type { FakeObjectStore } from './fake-object-store.ts';
import { seededRandom } from './seeded-random.ts';
import { temporaryDirectory } from './temp.ts';
import { transformer } from './verified-lake.ts';
import { lakeCopies, plainTable, type WrittenLake } from './written-lake.ts';

export const everything: Selection = { codes: [], fromMs: undefined, toMs: undefined, offsets: undefined };

/** The mapping reads `n` as this type, and writes it as a double. */
const reading = (type: string): Pick<TableConfig, 'columns' | 'steps'> => ({
  columns: [{ name: 'n', type }],
  steps: [
    {
      kind: 'apply_mapping',
      mappings: [{ source: 'n', sourceType: type, target: 'n', targetType: 'double' }],
    },
  ],
});

export const wrong: TableConfig = { ...plainTable, ...reading('int') };
export const corrected: TableConfig = { ...plainTable, ...reading('double'), configVersion: 'v2' };

export interface QuarantinedLake {
  readonly lake: WrittenLake;
  readonly store: FakeObjectStore;
}

const written = new Map<string, () => Promise<QuarantinedLake>>();

/** Offsets 1, 2, 4 and 6 of claims-0 are in quarantine; `corrected` reads all of them but 4. */
export function quarantinedLake(table: Partial<TableConfig> = {}): Promise<QuarantinedLake> {
  const key = JSON.stringify(table);
  const copy =
    written.get(key) ??
    lakeCopies(transformer, { ...wrong, ...table }, async (lake) => {
      await lake.write('claims', ['{"n":0}', '{"n":1.5}', '{"n":2.5}', '{"n":3}', 'not JSON']);
      await lake.write('claims', ['{"n":5}', '{"n":6.5}']);
    });
  written.set(key, copy);
  return copy();
}

let sessions = 0;

export interface ReplayCall {
  readonly selection?: Selection;
  readonly dryRun?: boolean;
  readonly transformer?: ReplayOptions['transformer'];
}

export async function replayOn(
  { lake, store }: QuarantinedLake,
  table: TableConfig = corrected,
  call: ReplayCall = {},
): Promise<Replayed> {
  const { catalog, readerOptions, options } = lake;
  const { clock } = readerOptions;
  const scratch = temporaryDirectory();
  const random = seededRandom(1_000 + sessions++);
  const shared = {
    ...{ table, clock, random, scratch, transformer: call.transformer ?? transformer },
    reader: new LakeReader({ ...readerOptions, store, scratch }).readingOnce(),
    directories: [...options.directories, scratch],
    selection: call.selection ?? everything,
    onProgress: () => {},
  };
  if (call.dryRun === true) return replay({ ...shared, writer: undefined });
  const writer = createTableWriter({
    ...{ table, store, catalog, clock, random, writerId: `replay-${sessions}` },
    schemas: transformer.schema(table),
    events: createEvents(silentLogger, createMetrics()),
  });
  return withWriter(writer, () => replay({ ...shared, writer }));
}

/** What readers see of a table, as text. */
export async function rowsOf(
  { lake }: QuarantinedLake,
  table: TableConfig = corrected,
  select = 'SELECT _offset, n FROM claims ORDER BY _offset, n',
): Promise<(string | null)[][]> {
  const { rows } = await runQuery({ ...lake.options, config: { tables: [table] } as never }, select);
  return rows.map((row) => [...row]);
}
