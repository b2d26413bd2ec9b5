// A real Kafka from jars, for demo, bench and tests: plaintext, mutual TLS and SASL listeners on free
// loopback ports, everything below one directory. One node is a cluster; further brokers may join it.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateFiles } from '@sluice/shared/pki.ts';
import { type StartedProcess, startProcess, waitUntilReady } from './child-process.ts';
import { freePorts } from './free-ports.ts';
import { kafkaJarsPath } from './kafka-jars.mjs';

export interface BrokerOptions {
  readonly directory: string;
  /**
   * Turns on the TLS listeners: the broker's own certificate, and the CA that clients are checked against.
   */
  readonly tls?: { readonly certificate: CertificateFiles; readonly caPem: string };
  /** Users of the SASL listener (SCRAM-SHA-512 and PLAIN). */
  readonly users?: Readonly<Record<string, string>>;
  /** Node 1 of the cluster, which controls it; this node then is a broker alone, of another number. */
  readonly joins?: { readonly first: Broker; readonly nodeId: number };
  /** It lives for a test: it needs half the CPU to start, and never becomes as fast as it could. */
  readonly isBrief?: boolean;
  /** Further lines of server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
}

export interface Broker {
  readonly clusterId: string;
  /** Where the cluster's controller listens. */
  readonly controller: string;
  readonly plaintext: string;
  readonly mutualTls: string;
  readonly sasl: string;
  readonly directory: string;
  /** Its log.dirs. */
  readonly dataDirectory: string;
  stop(): Promise<void>;
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  restart(): Promise<void>;
  /** Runs a class of Kafka's own tools and resolves with its stdout. */
  tool(className: string, args: readonly string[]): Promise<string>;
}

const START_MS_MAX = 90_000;
const STOP_MS_MAX = 30_000;
/** For a JVM that lives for seconds: what makes one fast later only makes it start slowly. */
export const BRIEF_JVM: readonly string[] = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
const LASTING_JVM: readonly string[] = ['-Xms256m', '-Xmx512m', '-XX:+UseG1GC'];

/** A killed broker is let in again, or taken for dead, after four seconds instead of nine. */
export const BRIEF_PROPERTIES: Readonly<Record<string, string>> = {
  'broker.session.timeout.ms': '4000',
  'broker.heartbeat.interval.ms': '500',
};

export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { directory } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const [plain = 0, tls = 0, sasl = 0, controller = 0] = await freePorts(4);
  const ports = { plain, tls, sasl, controller };
  writeFileSync(join(directory, 'server.properties'), serverProperties(options, ports), { mode: 0o600 });
  writeFileSync(join(directory, 'log4j2.properties'), LOG4J);
  const clusterId = options.joins?.first.clusterId ?? newClusterId();
  await format(options, clusterId);
  let process = await boot(options);
  return {
    clusterId,
    controller: options.joins?.first.controller ?? `127.0.0.1:${controller}`,
    plaintext: `127.0.0.1:${plain}`,
    mutualTls: `127.0.0.1:${tls}`,
    sasl: `127.0.0.1:${sasl}`,
    directory,
    dataDirectory: dataDirectoryOf(directory),
    stop: () => process.stop(STOP_MS_MAX),
    async kill() {
      process.kill('SIGKILL');
      await process.ended;
    },
    signal: (signal) => process.kill(signal),
    async restart() {
      await process.stop(STOP_MS_MAX);
      process = await boot(options);
    },
    tool: (className, args) => runTool(directory, className, args),
  };
}

const dataDirectoryOf = (directory: string) => join(directory, 'data');

/**
 * As Kafka's random-uuid makes one, without a second of Java; one that began with a dash would be taken for
 * an option.
 */
function newClusterId(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8(bytes.readUInt8(0) & 0x7f, 0);
  return bytes.toString('base64url');
}

async function format({ directory, users = {} }: BrokerOptions, clusterId: string): Promise<void> {
  const scram = Object.entries(users).flatMap(([name, password]) => [
    '--add-scram',
    `SCRAM-SHA-512=[name=${name},password=${password}]`,
  ]);
  const config = join(directory, 'server.properties');
  await runTool(directory, 'kafka.tools.StorageTool', ['format', '-t', clusterId, '-c', config, ...scram]);
}

async function boot({ directory, isBrief = false }: BrokerOptions): Promise<StartedProcess> {
  let started = false;
  const jvm = isBrief ? BRIEF_JVM : LASTING_JVM;
  const java = startProcess('java', [...jvm, ...classPath(directory), 'kafka.Kafka', 'server.properties'], {
    cwd: directory,
    onOutput: (text) => {
      started ||= text.includes('Kafka Server started');
    },
  });
  await waitUntilReady(java, 'Kafka', () => started, START_MS_MAX);
  return java;
}

function classPath(directory: string): string[] {
  const log4j = `-Dlog4j2.configurationFile=${join(directory, 'log4j2.properties')}`;
  return [log4j, '-cp', join(kafkaJarsPath(), '*')];
}

async function runTool(directory: string, className: string, args: readonly string[]): Promise<string> {
  let output = '';
  const java = startProcess('java', [...BRIEF_JVM, ...classPath(directory), className, ...args], {
    cwd: directory,
    onOutput: (text, from) => {
      if (from === 'stdout') output += text;
    },
  });
  const code = await java.ended;
  if (code !== 0) throw new Error(`${className} ended with ${code}\n${java.tail()}`);
  return output;
}

type Ports = Readonly<Record<'plain' | 'tls' | 'sasl' | 'controller', number>>;

function serverProperties(
  { directory, tls, users = {}, properties = {}, joins, isBrief = false }: BrokerOptions,
  ports: Ports,
): string {
  const listeners = [`PLAIN://127.0.0.1:${ports.plain}`];
  if (joins === undefined) listeners.push(`CONTROLLER://127.0.0.1:${ports.controller}`);
  const protocols = ['PLAIN:PLAINTEXT', 'CONTROLLER:PLAINTEXT', 'TLS:SSL', 'SASL:SASL_SSL'];
  if (tls !== undefined) listeners.push(`TLS://127.0.0.1:${ports.tls}`, `SASL://127.0.0.1:${ports.sasl}`);
  const advertised = listeners.filter((l) => !l.startsWith('CONTROLLER'));
  const lines: Record<string, string> = {
    'process.roles': joins === undefined ? 'broker,controller' : 'broker',
    'node.id': String(joins?.nodeId ?? 1),
    'controller.quorum.voters': `1@${joins?.first.controller ?? `127.0.0.1:${ports.controller}`}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAIN',
    listeners: listeners.join(','),
    'advertised.listeners': advertised.join(','),
    'listener.security.protocol.map': protocols.join(','),
    'log.dirs': dataDirectoryOf(directory),
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    'message.max.bytes': '10485760',
    'replica.fetch.max.bytes': '10485760',
    'log.retention.check.interval.ms': '500',
    'log.cleaner.backoff.ms': '200',
    ...(tls === undefined ? {} : tlsProperties(tls, users)),
    ...(isBrief ? BRIEF_PROPERTIES : {}),
    ...properties,
  };
  return Object.entries(lines)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

function tlsProperties(tls: NonNullable<BrokerOptions['tls']>, users: Readonly<Record<string, string>>) {
  const oneLine = (pem: string) => pem.trim().replaceAll('\n', '\\n');
  const list = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const login = 'org.apache.kafka.common.security';
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': oneLine(tls.certificate.keyPem),
    'ssl.keystore.certificate.chain': oneLine(tls.certificate.certPem + tls.caPem),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': oneLine(tls.caPem),
    'listener.name.tls.ssl.client.auth': 'required',
    'listener.name.sasl.ssl.client.auth': 'none',
    'sasl.enabled.mechanisms': 'SCRAM-SHA-512,PLAIN',
    'listener.name.sasl.scram-sha-512.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
    'listener.name.sasl.plain.sasl.jaas.config': `${login}.plain.PlainLoginModule required ${list.join(' ')};`,
  };
}

const LOG4J = `status = error
appender.console.type = Console
appender.console.name = STDOUT
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = STDOUT
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
logger.started.name = kafka.server
logger.started.level = info
`;
