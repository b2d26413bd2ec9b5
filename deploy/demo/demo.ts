// `npm run demo`: an insurer's claims on a real Kafka that demands client certificates, through agent and
// collector as separate processes, into a CSV and a Parquet table. The agent is killed half-way. It ends with
// its proof, or with 1.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { type Broker, startBroker } from '../local/kafka-broker.ts';
import { type Ministack, startMinistack } from '../local/ministack.ts';
import { projectRoot } from '../local/project-root.ts';
import { createSite, createSitePki, type Site, type SitePki } from '../local/site.ts';
import { CLAIM_COUNT, malformedCount } from './claims.ts';
import { closingReport } from './closing-report.ts';
import { createTopic, produceClaims } from './produce-claims.ts';
import { count, Progress } from './progress.ts';
import { createTerminal, type Terminal } from './terminal.ts';

const PARTITIONS = 4;
const WINDOW = '5s';
/** Short, so that the group lets the killed agent's partitions go soon. */
const SESSION_TIMEOUT = '6s';
const AGENT_DOWN_MS = 4_000;
const CATCH_UP_MS_MAX = 60_000;
const BUCKET = 'sluice-demo';

const TABLES = [
  {
    name: 'claims_csv',
    topic: 'claims',
    format: 'json',
    window: { every: WINDOW },
    steps: [{ apply_mapping: mappings() }],
    partitionBy: [{ ingest: 'day' }],
    output: { format: 'csv' },
  },
  {
    name: 'claims',
    topic: 'claims',
    format: 'json',
    window: { every: WINDOW },
    steps: [{ apply_mapping: mappings() }],
    partitionBy: [{ field: 'incident_time', by: 'day', as: 'incident_day' }],
    output: { format: 'parquet', compression: 'zstd' },
  },
];

function mappings() {
  return [
    ['claim_id', 'string', 'claim_id', 'string'],
    ['account_id', 'string', 'account_id', 'string'],
    ['amount', 'decimal(12,2)', 'amount', 'decimal(12,2)'],
    ['policy.number', 'string', 'policy_number', 'string'],
    ['policy.kind', 'string', 'policy_kind', 'string'],
    ['incident_time', 'timestamp', 'incident_time', 'timestamp'],
    ['status', 'string', 'status', 'string'],
  ];
}

interface Demo {
  readonly terminal: Terminal;
  /** Certificates, broker, spool, logs: gone at the end. */
  readonly temporary: string;
  /** Lake and collector config: they stay. */
  readonly kept: string;
  readonly useAws: boolean;
  readonly keepRunning: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { keep: { type: 'boolean' }, aws: { type: 'boolean' } } });
  const temporary = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
  const kept = join(projectRoot, '.demo', new Date().toISOString().replace(/[:.]/g, '-'));
  mkdirSync(kept, { recursive: true });
  const clean = () => rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
  process.on('exit', clean);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  const terminal = createTerminal(process.stdout);
  try {
    const useAws = values.aws === true;
    return await runDemo({ terminal, temporary, kept, useAws, keepRunning: values.keep === true });
  } catch (error) {
    terminal.line(`\n✗ ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return 1;
  }
}

async function runDemo(demo: Demo): Promise<number> {
  const { terminal } = demo;
  terminal.heading('Sluice demo: an insurer’s claims from its own Kafka into a lake that Athena can query');
  const pki = await terminal.step('a CA and certificates for broker, agent and collector', () =>
    createSitePki(demo.temporary),
  );
  const broker = await terminal.step('Kafka 4, TLS client certificates demanded', () =>
    startBroker({
      directory: join(demo.temporary, 'kafka'),
      tls: { certificate: pki.broker, caPem: pki.caPem },
    }),
  );
  const aws = demo.useAws ? await terminal.step('emulated S3 and Glue', startAws) : undefined;
  const site = await siteOf(demo, { pki, broker, aws });
  await createTopic(kafkaTls(broker, pki), 'claims', PARTITIONS);
  await terminal.step('sluice-collector (on AWS this runs on ECS)', () => site.collector.start());
  await terminal.step('sluice-agent (at home this runs beside the brokers)', () => site.agent.start());
  await story(demo, { site, broker, pki });
  const ok = await closingReport({ terminal, site, directory: demo.kept, expectMalformed: malformedCount() });
  if (demo.keepRunning) await stayUntilInterrupted(demo, site, broker);
  await terminal.step('stopping agent, collector and Kafka', async () => {
    await site.agent.stop();
    await site.collector.stop();
    await broker.stop();
    await aws?.stop();
  });
  nextCommands(demo, site);
  return ok ? 0 : 1;
}

async function startAws(): Promise<Ministack> {
  const aws = await startMinistack();
  const made = await fetch(`${aws.endpoint}/${BUCKET}`, { method: 'PUT' });
  if (!made.ok) throw new Error(`the emulated S3 answered ${made.status} to CreateBucket`);
  return aws;
}

interface Parts {
  readonly pki: SitePki;
  readonly broker: Broker;
  readonly aws: Ministack | undefined;
}

async function siteOf(demo: Demo, { pki, broker, aws }: Parts): Promise<Site> {
  const file = (name: string) => join(pki.directory, name);
  const tls = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client-key.pem') };
  const emulated =
    aws === undefined
      ? {}
      : {
          lake: {
            store: `s3://${BUCKET}/lake`,
            catalog: 'glue',
            database: 'insurer',
            region: 'us-east-1',
            s3Endpoint: aws.endpoint,
            glueEndpoint: aws.endpoint,
          },
          environment: aws.environment,
        };
  return await createSite({
    directory: demo.temporary,
    keptDirectory: demo.kept,
    pki,
    kafka: { brokers: [broker.mutualTls], group: 'sluice-demo', tls, sessionTimeout: SESSION_TIMEOUT },
    topics: ['claims'],
    tables: TABLES,
    ...emulated,
  });
}

function kafkaTls(broker: Broker, pki: SitePki) {
  return { broker: broker.mutualTls, pki: pki.directory };
}

/** Claims arrive for about fifteen seconds; half-way the agent dies without a word and comes back. */
async function story(demo: Demo, at: { site: Site; broker: Broker; pki: SitePki }): Promise<void> {
  const { terminal } = demo;
  terminal.heading(`${CLAIM_COUNT.toLocaleString('en')} claims, windows of ${WINDOW}, two tables`);
  let produced = 0;
  const lead = () => `produced ${count(produced)}`;
  const progress = new Progress({ terminal, site: at.site, lead });
  progress.start();
  let killed: Promise<void> | undefined;
  await produceClaims(kafkaTls(at.broker, at.pki), (sent) => {
    produced = sent;
    if (produced >= CLAIM_COUNT / 2) killed ??= killAndRestart(terminal, at.site);
  });
  await killed;
  await progress.caughtUp(CLAIM_COUNT, CATCH_UP_MS_MAX);
  progress.stop();
}

async function killAndRestart(terminal: Terminal, site: Site): Promise<void> {
  await site.agent.kill();
  terminal.line('  ✗ kill -9 of the agent; claims go on arriving');
  await new Promise((resolve) => setTimeout(resolve, AGENT_DOWN_MS));
  await site.agent.start();
  terminal.line('  ✓ the agent is back; it asks the collector where to go on');
}

async function stayUntilInterrupted(demo: Demo, site: Site, broker: Broker): Promise<void> {
  demo.terminal.heading('Everything stays up until Ctrl-C:');
  demo.terminal.line(`  agent      ${site.agent.httpUrl}/status  /metrics  /healthz`);
  demo.terminal.line(`  collector  ${site.collector.httpUrl}/status  /metrics  /healthz`);
  demo.terminal.line(`  Kafka      ${broker.plaintext} (plaintext), ${broker.mutualTls} (mutual TLS)`);
  await new Promise(() => {
    setInterval(() => {}, 60_000);
  });
}

function nextCommands(demo: Demo, site: Site): void {
  if (demo.useAws) return;
  const config = relative(process.cwd(), site.collector.configFile);
  const collector = 'node_modules/.bin/node collector/bin/sluice-collector.mjs';
  demo.terminal.heading('The lake stays. Next:');
  const sql = 'select incident_day, count(*) from claims group by 1 order by 1';
  demo.terminal.line(`  ${collector} query --config ${config} "${sql}"`);
  demo.terminal.line(`  ${collector} verify --deep --config ${config}`);
  demo.terminal.line(`  ${collector} explain --config ${config} claims`);
}
