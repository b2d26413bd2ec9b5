// sluice-agent: run, check, status, spool, sample. The only place where the agent's parts are made from its
// config.
import { type Clock, systemClock } from '@sluice/shared/clock.ts';
import { type Command, runCommandLine, UsageError } from '@sluice/shared/command-line.ts';
import { createLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type HealthReport, startOpsServer } from '@sluice/shared/ops-server.ts';
import { printStatus } from '@sluice/shared/print-status.ts';
import { EXIT, reloadOnHangup, runUntilSignal } from '@sluice/shared/process-life.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { createAgent } from './agent.ts';
import { type AgentConfig, configPath, linkFiles, loadAgentConfig, readSecretFile } from './config.ts';
import type { KafkaSettings, SchemaRegistry } from './contracts.ts';
import { createEvents } from './events.ts';
import { checkAgent } from './ops/check.ts';
import { isAlive } from './ops/health.ts';
import { registerMetrics } from './ops/metrics.ts';
import { sampleTopic } from './ops/sample.ts';
import { runSpoolCommand } from './ops/spool-command.ts';
import { createSystemdNotifier } from './ops/systemd.ts';
import { createRegistryClient } from './schemas/registry-client.ts';
import { createKafkaSource } from './source/kafka-source.ts';
import { createLogReader } from './source/log-reader.ts';
import { createSqliteSpool } from './spool/sqlite-spool.ts';
import { topicSelection } from './topic-selections.ts';
import { createUplink } from './uplink/grpc-uplink.ts';
import { AGENT_VERSION } from './version.ts';

const DEFAULT_CONFIG = '/etc/sluice/agent.yaml';
const STATUS_EVERY_MS = 30_000;

const configOption = { config: `the agent’s YAML file (default ${DEFAULT_CONFIG})` };

const commands: Readonly<Record<string, Command>> = {
  run: {
    summary: 'Consumes, spools and sends until it is told to stop (SIGTERM drains).',
    options: configOption,
    run: ({ options }) => run(options['config'] ?? DEFAULT_CONFIG),
  },
  check: {
    summary:
      'Tries everything that `run` needs, once, and says what is missing: config, Kafka, registry, certificates, disk.',
    options: configOption,
    run: async ({ options }) => {
      const config = loadAgentConfig(options['config'] ?? DEFAULT_CONFIG);
      const { lines, ok } = await checkAgent(config, {
        kafka: kafkaSettings(config),
        topics: config.topics.map(topicSelection),
        schemas: schemaRegistry(config, systemClock),
      });
      process.stdout.write(`${lines.join('\n')}\n`);
      return ok ? EXIT.ok : EXIT.failure;
    },
  },
  status: {
    summary: 'Asks the running agent: exit 0 flowing, 1 degraded, 2 stopped, 3 unknown.',
    options: configOption,
    flags: { json: 'the whole status document' },
    run: ({ options, flags }) => {
      const { address } = loadAgentConfig(options['config'] ?? DEFAULT_CONFIG).http;
      return printStatus(address, flags['json'] === true);
    },
  },
  spool: {
    summary: 'What the spool of a stopped agent holds and Kafka has still; reset renames it.',
    options: configOption,
    flags: { yes: 'reset: do it, after having said what would be missed' },
    positionals: 'status|reset',
    run: ({ options, flags, positionals }) => {
      const config = loadAgentConfig(options['config'] ?? DEFAULT_CONFIG);
      return runSpoolCommand(positionals, {
        directory: configPath(config, config.agent.dataDir),
        kafka: kafkaSettings(config),
        yes: flags['yes'] === true,
        clock: systemClock,
        write: (text) => void process.stdout.write(text),
      });
    },
  },
  sample: {
    summary: 'Writes some values of a topic for `sluice-collector detect --file -`; joins no group.',
    options: configOption,
    positionals: '<topic>',
    run: async ({ options, positionals }) => {
      const [topic] = positionals;
      if (topic === undefined || positionals.length > 1) throw new UsageError('it takes one topic');
      const config = loadAgentConfig(options['config'] ?? DEFAULT_CONFIG);
      const sample = await sampleTopic(kafkaSettings(config), systemClock, topic);
      await new Promise<void>((written) => process.stdout.write(sample, () => written()));
      return EXIT.ok;
    },
  },
};

/** Resolves with the process's exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runCommandLine('sluice-agent', commands, args);
}

async function run(file: string): Promise<number> {
  const config = loadAgentConfig(file);
  const metrics = createMetrics();
  const events = createEvents(createLogger('sluice-agent', config.log.level), metrics);
  const clock = systemClock;
  const systemd = createSystemdNotifier(clock);
  const directory = configPath(config, config.agent.dataDir);
  const { bytesMax, freeSpaceMin } = config.spool;
  const spool = await createSqliteSpool({ directory, bytesMax, freeSpaceMin, clock, events });
  const source = createKafkaSource({
    kafka: kafkaSettings(config),
    topics: config.topics.map(topicSelection),
    commitOffsets: config.kafka.commitOffsets,
    events,
    clock,
    random: systemRandom,
  });
  const uplink = createUplink({
    address: config.collector.address,
    tls: linkFiles(config),
    maxBitsPerSecond: config.collector.maxRate,
    segmentBytesMax: config.spool.segmentBytesMax,
    agentId: config.agent.id,
    instanceId: spool.instanceId,
    version: AGENT_VERSION,
    clock,
    random: systemRandom,
    events,
    schemas: schemaRegistry(config, clock),
  });
  const logReader = createLogReader({ kafka: kafkaSettings(config), clock, events });
  const agent = createAgent({ config, source, logReader, spool, uplink, clock, events });
  reloadOnHangup(() => agent.reload(), events.reloadRefused);
  registerMetrics(metrics, { source, spool, uplink, clock });
  const ops = await startOpsServer({
    host: config.http.address.host,
    port: config.http.address.port,
    metrics,
    report: () => agent.report(),
  });
  events.agentStarted({ agentId: config.agent.id, version: AGENT_VERSION, httpPort: ops.port });
  await agent.start();
  systemd.ready();
  const stopWatchdog = systemd.startWatchdog(() => isAlive(spool.status()));
  const stopTelling = tellSystemd(() => agent.report(), systemd.status);
  const code = await runUntilSignal(
    {
      async drain(signal, graceMs) {
        events.agentDraining(signal);
        systemd.stopping();
        await agent.stop(graceMs);
      },
    },
    config.agent.drainTimeout,
    clock,
  );
  stopWatchdog();
  stopTelling();
  await ops.close();
  events.agentStopped();
  return code;
}

/** What `systemctl status` shows. */
function tellSystemd(report: () => HealthReport, tell: (text: string) => void): () => void {
  let cancel = () => {};
  const next = () => {
    const { verdict, reasons } = report();
    tell([verdict, ...reasons].join('; '));
    cancel = systemClock.after(STATUS_EVERY_MS, next);
  };
  next();
  return () => cancel();
}

function schemaRegistry(config: AgentConfig, clock: Clock): SchemaRegistry | undefined {
  if (config.schemaRegistry === undefined) return undefined;
  const { url, ca, username, passwordFile } = config.schemaRegistry;
  const path = (file: string | undefined) => (file === undefined ? undefined : configPath(config, file));
  return createRegistryClient({ url, ca: path(ca), username, passwordFile: path(passwordFile), clock });
}

function kafkaSettings(config: AgentConfig): KafkaSettings {
  const { brokers, clientId, group, tls, sasl, sessionTimeout } = config.kafka;
  const read = (path: string) => readSecretFile(configPath(config, path));
  const files = typeof tls === 'object' ? tls : {};
  return {
    brokers,
    clientId,
    groupId: group,
    sessionTimeoutMs: sessionTimeout,
    tls:
      tls === undefined
        ? undefined
        : {
            rejectUnauthorized: true,
            ...(files.ca === undefined ? {} : { ca: read(files.ca) }),
            ...(files.cert === undefined ? {} : { cert: read(files.cert) }),
            ...(files.key === undefined ? {} : { key: read(files.key) }),
            ...(files.serverName === undefined ? {} : { serverName: files.serverName }),
          },
    sasl:
      sasl === undefined
        ? undefined
        : { mechanism: sasl.mechanism, username: sasl.username, password: read(sasl.passwordFile) },
  };
}
