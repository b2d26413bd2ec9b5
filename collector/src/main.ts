// sluice-collector: run, check, status, verify, replay, rebuild, compact, prune, query, explain, test,
// detect, pki, iam-policy. The place where the collector's parts are made from its config.
import { hostname } from 'node:os';
import { systemClock } from '@sluice/shared/clock.ts';
import { type Command, runCommandLine, UsageError } from '@sluice/shared/command-line.ts';
import { createLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { startOpsServer, VERDICT_EXIT } from '@sluice/shared/ops-server.ts';
import { httpUrl, printStatus } from '@sluice/shared/print-status.ts';
import { EXIT, reloadOnHangup, runUntilSignal } from '@sluice/shared/process-life.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { glueSchemas, s3References, withReferences } from './clients.ts';
import { createCollector } from './collector.ts';
import { type CollectorConfig, configPath, loadCollectorConfig } from './config.ts';
import { createEvents } from './events.ts';
import { openLake, openStore, withReader } from './opened-lake.ts';
import { assertTables, checkCollector } from './ops/check.ts';
import { parseCompactChoice } from './ops/compact/selection.ts';
import { detectCommand } from './ops/detect.ts';
import { formatExamples, runExamples } from './ops/examples.ts';
import { explainTable } from './ops/explain.ts';
import { iamPolicyCommand } from './ops/iam-policy.ts';
import { registerMetrics } from './ops/metrics.ts';
import { pkiCommand } from './ops/pki.ts';
import { parsePruneAge } from './ops/prune/selection.ts';
import { formatTable, runQuery } from './ops/query.ts';
import { parseChosenTime } from './ops/rebuild/selection.ts';
import { configReader } from './ops/reload.ts';
import { parseSelection } from './ops/replay/selection.ts';
import { schemaDocument } from './ops/schema-document.ts';
import { askCollector } from './ops/verify/kafka.ts';
import { type AskedOffset, parseOffset } from './ops/verify/ledger-word.ts';
import { formatVerification } from './ops/verify/report.ts';
import { verify, verifyOffset, withKafka } from './ops/verify/verify.ts';
import { runCompact, runPrune, runRebuild, runReplay, tablesNamed } from './reruns.ts';
import { knownTables } from './schema/known-tables.ts';
import { createTransformer } from './transform/transformer.ts';
import { COLLECTOR_VERSION } from './version.ts';

const DEFAULT_CONFIG = '/etc/sluice/collector.yaml';
const configOption = { config: `the collector’s YAML file (default ${DEFAULT_CONFIG})` };
const load = (options: Readonly<Record<string, string | undefined>>) =>
  loadCollectorConfig(options['config'] ?? DEFAULT_CONFIG);

const commands: Readonly<Record<string, Command>> = {
  run: {
    summary: 'Takes what agents send and writes it to the lake until it is told to stop (SIGTERM drains).',
    options: configOption,
    run: ({ options }) => run(() => load(options)),
  },
  check: {
    summary: 'Tries everything that `run` needs, once: config, tables, certificates, lake, catalog.',
    options: configOption,
    run: async ({ options }) => {
      const config = load(options);
      const { lines, ok } = await withReferences({ config, clock: systemClock }, (references) =>
        checkCollector(config, { ...openLake(config), references }),
      );
      process.stdout.write(`${lines.join('\n')}\n`);
      return ok ? EXIT.ok : EXIT.failure;
    },
  },
  status: {
    summary: 'Asks the running collector: exit 0 flowing, 1 degraded, 2 stopped, 3 unknown.',
    options: configOption,
    flags: { json: 'the whole status document' },
    run: ({ options, flags }) => printStatus(load(options).http.address, flags['json'] === true),
  },
  verify: {
    summary: 'Proves from ledger, catalog and objects that every offset has one fate; exit 1 on a finding.',
    options: {
      ...configOption,
      offset: 'topic:partition:offset: what became of this one record',
      collector: 'with --kafka: the running collector’s HTTP address; else that of the config',
    },
    flags: {
      deep: 'read every object, not only ask for it',
      kafka: 'compare with Kafka’s logs, by a running collector’s agents; exit 3 where none can say',
      json: 'machine-readable: docs/verify.md',
    },
    positionals: '[table ...]',
    run({ options, flags, positionals: only }) {
      const [deep, json] = [flags['deep'] === true, flags['json'] === true];
      const asked = options['offset'] === undefined ? undefined : parseOffset(options['offset']);
      if (asked !== undefined && deep) throw new UsageError('--offset and --deep are two questions: ask one');
      const collector = options['collector'];
      const kafka = flags['kafka'] === true;
      if (asked !== undefined && kafka)
        throw new UsageError('--offset and --kafka are two questions: ask one');
      if (collector !== undefined && !kafka) throw new UsageError('--collector goes with --kafka');
      return known(load(options)).then((config) =>
        runVerify(config, { only, asked, deep, json, kafka, collector }),
      );
    },
  },
  replay: {
    summary: 'Runs quarantined records through the present config, each into the table at most once.',
    options: {
      ...configOption,
      code: 'records quarantined under these codes, with commas between',
      from: 'records of this time or later, as their _timestamp says: 2026-01-31 or 2026-01-31T08:00Z',
      to: 'records before this time',
      offset: 'topic:partition:offset[-offset]: these records',
      collector: 'the running collector’s HTTP address, asked for schemas; else that of the config',
    },
    flags: {
      all: 'every quarantined record',
      'dry-run': 'only say what would become of them',
      json: 'machine-readable: docs/verify.md',
    },
    positionals: '<table>',
    run({ options, flags, positionals }) {
      const [name] = positionals;
      if (name === undefined || positionals.length > 1)
        throw new UsageError('it takes the name of one table');
      const { code, from, to, offset, collector } = options;
      const selection = parseSelection({ code, from, to, offset }, flags['all'] === true);
      const dryRun = flags['dry-run'] === true;
      const call = { name, selection, dryRun, json: flags['json'] === true, collector };
      return runReplay(worldOf(load(options)), call);
    },
  },
  rebuild: {
    summary:
      'Makes windows again from a raw table of the topic, and swaps their partitions by one ledger entry.',
    options: {
      ...configOption,
      from: 'windows opened at this time or later: 2026-01-31 or 2026-01-31T08:00Z',
      to: 'windows opened before this time',
      source: 'name of the raw table; else the first of the config that serves',
      collector: 'the running collector’s HTTP address, asked for schemas; else that of the config',
    },
    flags: {
      all: 'every window',
      'dry-run': 'only say what it would read and replace',
      json: 'machine-readable: docs/verify.md',
    },
    positionals: '<table> [table ...]',
    run({ options, flags, positionals: names }) {
      if (names.length === 0) throw new UsageError('it takes the name of a table');
      const time = parseChosenTime(options['from'], options['to'], flags['all'] === true);
      const [dryRun, json] = [flags['dry-run'] === true, flags['json'] === true];
      return runRebuild(worldOf(load(options)), {
        ...{ names, time, dryRun, json },
        source: options['source'],
        collector: options['collector'],
      });
    },
  },
  compact: {
    summary: 'Joins small objects of a partition, of whichever windows, and swaps the partition.',
    options: {
      ...configOption,
      from: 'of windows opened at this time or later: 2026-01-31 or 2026-01-31T08:00Z',
      to: 'of windows opened before this time',
      'older-than': 'committed longer ago than this: 1h where it is not given',
    },
    flags: {
      all: 'also where much more has to be copied than is joined',
      'dry-run': 'only say what it would join',
      json: 'machine-readable: docs/verify.md',
    },
    positionals: '<table> [table ...]',
    run({ options, flags, positionals: names }) {
      if (names.length === 0) throw new UsageError('it takes the name of a table');
      const choice = parseCompactChoice(options['from'], options['to'], options['older-than']);
      const [dryRun, json, all] = ['dry-run', 'json', 'all'].map((flag) => flags[flag] === true);
      const call = { ...choice, names, all: all === true, dryRun: dryRun === true, json: json === true };
      return runCompact(worldOf(load(options)), { ...call, collector: undefined });
    },
  },
  prune: {
    summary: 'Deletes what rebuilds and compactions have left behind, with a role that may delete.',
    options: {
      ...configOption,
      'older-than':
        'left, by a swap that was published, longer ago than this: 7d where it is not given, 1h at least',
    },
    flags: {
      'dry-run': 'only say what it would delete',
      json: 'machine-readable: docs/verify.md',
    },
    positionals: '<table> [table ...]',
    run({ options, flags, positionals: names }) {
      if (names.length === 0) throw new UsageError('it takes the name of a table');
      const olderThanMs = parsePruneAge(options['older-than']);
      const [dryRun, json] = [flags['dry-run'] === true, flags['json'] === true];
      return runPrune(worldOf(load(options)), { names, olderThanMs, dryRun, json });
    },
  },
  query: {
    summary: 'One SELECT over the tables, reading registered partitions and committed objects only.',
    options: configOption,
    flags: { json: 'rows as JSON' },
    positionals: '"select ..."',
    run({ options, flags, positionals }) {
      const [sql] = positionals;
      if (sql === undefined || positionals.length > 1) throw new UsageError('it takes one SELECT, in quotes');
      return known(load(options)).then((config) => query(config, { sql, json: flags['json'] === true }));
    },
  },
  explain: {
    summary: 'Prints what a table becomes: its SQL, its catalog tables, its paths, and requests an hour.',
    options: configOption,
    positionals: '[table ...]',
    run({ options, positionals }) {
      const config = load(options);
      // What is known of other tables is not asked for.
      return known({ ...config, tables: tablesNamed(config, positionals) }).then(explain);
    },
  },
  test: {
    summary: 'Runs the examples beside each table’s config; exit 1 where something else came of them.',
    options: configOption,
    flags: { json: 'machine-readable' },
    positionals: '[table ...]',
    run: ({ options, flags, positionals }) => testTables(load(options), positionals, flags['json'] === true),
  },
  detect: detectCommand,
  pki: pkiCommand,
  'iam-policy': iamPolicyCommand(configOption, load),
};

/** Resolves with the process's exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runCommandLine('sluice-collector', commands, args);
}

const worldOf = (config: CollectorConfig) => ({ config, clock: systemClock, random: systemRandom });

async function run(read: () => CollectorConfig): Promise<number> {
  const config = read();
  await assertTables(config);
  const metrics = createMetrics();
  const events = createEvents(createLogger('sluice-collector', config.log.level), metrics);
  const collectorId = config.collector.id ?? `${hostname()}-${systemRandom.hex(3)}`;
  const { store, catalog } = openLake(config);
  const collector = createCollector({
    config,
    collectorId,
    version: COLLECTOR_VERSION,
    store,
    catalog,
    glueSchemas: glueSchemas(config),
    references: s3References(config, {
      parent: configPath(config, config.collector.workDir),
      clock: systemClock,
    }),
    clock: systemClock,
    random: systemRandom,
    events,
  });
  registerMetrics(metrics, () => collector.facts());
  const ops = await startOpsServer({
    host: config.http.address.host,
    port: config.http.address.port,
    metrics,
    report: () => collector.report(),
    documents: {
      '/kafka': () => collector.kafka(),
      '/schemas': (query) => schemaDocument(query, (want) => collector.schema(want)),
    },
  });
  const reconfigure = configReader({ read, collector, events });
  reloadOnHangup(() => {
    reconfigure();
    collector.reload();
  }, events.reloadRefused);
  const linkPort = await collector.start();
  events.collectorStarted({ collectorId, version: COLLECTOR_VERSION, linkPort, httpPort: ops.port });
  const code = await runUntilSignal(
    {
      async drain(signal, graceMs) {
        events.collectorDraining(signal);
        await collector.drain(signal, graceMs);
      },
    },
    config.collector.drainTimeout,
    systemClock,
  );
  await ops.close();
  events.collectorStopped();
  return code;
}

/** With the columns that tables have detected by now. */
async function known(config: CollectorConfig): Promise<CollectorConfig> {
  const store = openStore(config);
  try {
    return { ...config, tables: await knownTables(config.tables, store) };
  } finally {
    store.close();
  }
}

interface VerifyCall {
  readonly only: readonly string[];
  readonly asked: AskedOffset | undefined;
  readonly deep: boolean;
  readonly json: boolean;
  readonly kafka: boolean;
  readonly collector: string | undefined;
}

async function runVerify(config: CollectorConfig, call: VerifyCall): Promise<number> {
  const { only, asked, deep, json, kafka, collector = httpUrl(config.http.address) } = call;
  const nowMs = systemClock.wallMs();
  const lake = await withReader(worldOf(config), (at) => {
    const options = { config, ...at, only, nowMs };
    return asked === undefined ? verify(options, deep ? 'deep' : 'shallow') : verifyOffset(options, asked);
  });
  const found = kafka ? await withKafka(config, lake, () => askCollector(collector)) : lake;
  process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : formatVerification(found));
  if (!found.ok) return EXIT.failure;
  return found.kafka.some(({ standing }) => standing === 'unseen') ? VERDICT_EXIT.unknown : EXIT.ok;
}

async function query(
  config: CollectorConfig,
  { sql, json }: { sql: string; json: boolean },
): Promise<number> {
  const result = await withReader(worldOf(config), (at) => runQuery({ config, ...at }, sql));
  const objects = () =>
    result.rows.map((row) => Object.fromEntries(result.columns.map((column, i) => [column, row[i] ?? null])));
  process.stdout.write(json ? `${JSON.stringify(objects())}\n` : formatTable(result));
  return EXIT.ok;
}

async function testTables(config: CollectorConfig, names: readonly string[], json: boolean): Promise<number> {
  const tables = tablesNamed(config, names).map(({ name }) => name);
  await assertTables(config);
  const results = await withReferences({ config, clock: systemClock }, (references) =>
    runExamples(config, tables, references),
  );
  process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : formatExamples(results, tables));
  return results.every(({ differences }) => differences.length === 0) ? EXIT.ok : EXIT.failure;
}

function explain(config: CollectorConfig): number {
  const transformer = createTransformer({ memoryBytesMax: 64e6, threads: 1 });
  const store = openStore(config);
  const { database } = config.lake;
  const nowMs = systemClock.wallMs();
  for (const table of config.tables) {
    const text = explainTable(table, { transformer, database, url: (key) => store.url(key), nowMs });
    process.stdout.write(`${text}\n`);
  }
  store.close();
  return EXIT.ok;
}
