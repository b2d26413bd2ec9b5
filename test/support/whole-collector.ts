// A whole collector in this process: real link, real DuckDB, a lake that is a directory which several of them
// may share. Drained after the test.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import { type Collector, createCollector } from '@sluice/collector/collector.ts';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import type { Catalog, CommitEntry, LedgerEntry, ObjectStore } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { ledgerPrefix } from '@sluice/collector/lake/object-keys.ts';
import { createObjectStore } from '@sluice/collector/lake/open-store.ts';
import { type Clock, systemClock } from '@sluice/shared/clock.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { stringify } from 'yaml';
import type { PemFiles } from './link-pki.ts';
import { type RecordingLogger, recordingLogger } from './recording-logger.ts';

export interface WholeCollectorOptions {
  /** Of this collector alone, but for `lake` below it, unless told otherwise. */
  readonly directory: string;
  readonly lake?: string;
  readonly id?: string;
  readonly tls: PemFiles;
  readonly port?: number;
  /** One table of texts for each; its windows are too long to close by themselves in a test. */
  readonly topics: readonly string[];
  /** Instead of those. */
  readonly tables?: readonly object[];
  /** Instead of the directory. */
  readonly openLake?: () => { readonly store: ObjectStore; readonly catalog: Catalog };
  readonly clock?: Clock;
  readonly streamAgeMaxMs?: number;
  readonly limits?: object;
}

export interface WholeCollector {
  readonly port: number;
  readonly log: RecordingLogger;
  /** Streams that are open now. */
  streams(): number;
  readonly schema: Collector['schema'];
  drain(): Promise<void>;
}

export async function startWholeCollector(
  t: Pick<TestContext, 'after'>,
  options: WholeCollectorOptions,
): Promise<WholeCollector> {
  const { directory, id = 'collector', lake = join(directory, 'lake'), clock = systemClock } = options;
  const config = loadConfig(options, { id, lake });
  const { streamAgeMaxMs: streamAgeMax = config.listen.streamAgeMax } = options;
  const { store, catalog } = (options.openLake ?? (() => openDirectory(lake)))();
  const log = recordingLogger();
  const collector = createCollector({
    config: { ...config, listen: { ...config.listen, streamAgeMax } },
    collectorId: id,
    version: '0.0.0',
    store,
    catalog,
    clock,
    random: systemRandom,
    events: createEvents(log, createMetrics()),
  });
  const port = await collector.start();
  let drained: Promise<void> | undefined;
  const drain = () => {
    drained ??= collector.drain('SIGTERM', 30_000);
    return drained;
  };
  t.after(drain);
  const schema: Collector['schema'] = (want) => collector.schema(want);
  return { port, log, schema, streams: () => collector.facts().ingest.agents.length, drain };
}

function openDirectory(lake: string) {
  const store = createObjectStore({ store: lake, region: undefined, endpoint: undefined });
  return { store, catalog: createFileCatalog('sluice', store) };
}

function loadConfig(
  { directory, tls, port = 0, topics, tables, limits = {} }: WholeCollectorOptions,
  { id, lake }: { id: string; lake: string },
) {
  const { ca, cert, key } = tls;
  const file = join(directory, `${id}.yaml`);
  const config = {
    collector: { workDir: join(directory, `work-${id}`) },
    listen: { address: `127.0.0.1:${port}`, tls: { ca, cert, key } },
    agents: [{ id: '*', topics: ['*'] }],
    lake: { store: lake, catalog: 'file' },
    limits,
    tables:
      tables ?? topics.map((topic) => ({ name: topic, topic, format: 'text', window: { every: '1h' } })),
  };
  writeFileSync(file, stringify(config));
  return loadCollectorConfig(file);
}

/** All that was committed to a table of a lake, in the order of the ledger. */
export function committedRanges(lake: string, table: string): CommitEntry['ranges'][number][] {
  const directory = join(lake, ledgerPrefix(table));
  const entries = readdirSync(directory)
    .sort()
    .map((file) => JSON.parse(readFileSync(join(directory, file), 'utf8')) as LedgerEntry);
  return entries.flatMap((entry) => (entry.kind === 'commit' ? entry.ranges : []));
}
