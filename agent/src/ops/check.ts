// `sluice-agent check`: tries once what `run` will need and says for each part whether it holds, with a
// remedy.
import { accessSync, constants, mkdirSync, statfsSync } from 'node:fs';
import tls from 'node:tls';
import { type CheckResult, tryParts } from '@sluice/shared/checks.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { daysToExpiry, readTlsMaterial } from '@sluice/shared/tls-material.ts';
import { formatBytes } from '@sluice/shared/units.ts';
import { type AgentConfig, configPath, linkFiles } from '../config.ts';
import type { KafkaSettings, SchemaRegistry, TopicSelection } from '../contracts.ts';
import { probeKafka } from '../source/probe-kafka.ts';

const CONNECT_MS_MAX = 10_000;

/** No registry has this many schemas. */
const NO_SCHEMA_ID = 2 ** 31 - 1;

export interface CheckedParts {
  readonly kafka: KafkaSettings;
  readonly topics: readonly TopicSelection[];
  /** Where the config names one. */
  readonly schemas: SchemaRegistry | undefined;
}

export async function checkAgent(
  config: AgentConfig,
  { kafka, topics, schemas }: CheckedParts,
): Promise<CheckResult> {
  return await tryParts([
    ['config', () => `agent ${config.agent.id}, ${config.topics.length} topics`],
    ['disk', () => checkDisk(config)],
    ['kafka', () => probeKafka(kafka, topics, systemClock)],
    ...(schemas === undefined ? [] : [registryPart(schemas)]),
    ['certificate', () => checkCertificate(config)],
    ['collector', () => checkCollector(config)],
  ]);
}

/** Asked as `run` asks it, for what it will not have: address, TLS and password are tried. */
function registryPart(schemas: SchemaRegistry): readonly [string, () => Promise<string>] {
  return ['registry', () => schemas.find(NO_SCHEMA_ID).then(() => 'the schema registry answers')];
}

function checkDisk(config: AgentConfig): string {
  const directory = configPath(config, config.agent.dataDir);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  accessSync(directory, constants.W_OK);
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  const { freeSpaceMin } = config.spool;
  if (free < freeSpaceMin) {
    const message = `${formatBytes(free)} are free, spool.freeSpaceMin is ${formatBytes(freeSpaceMin)}`;
    throw new SluiceError('SPOOL_FULL', message, { place: directory });
  }
  return `${directory} is writable, ${formatBytes(free)} free, spool up to ${formatBytes(config.spool.bytesMax)}`;
}

function checkCertificate(config: AgentConfig): string {
  const files = linkFiles(config);
  const days = Math.floor(daysToExpiry(readTlsMaterial(files).cert, systemClock.wallMs()));
  if (days < 0)
    throw new SluiceError('TLS_CERTIFICATE_EXPIRED', `it expired ${-days} days ago`, { place: files.cert });
  return `valid for ${days} days`;
}

/** A TLS handshake both ways; what the collector thinks of the agent is heard when `run` connects. */
function checkCollector(config: AgentConfig): Promise<string> {
  const { host, port } = config.collector.address;
  const { serverName: servername, ...files } = linkFiles(config);
  const material = readTlsMaterial(files);
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host,
      port,
      ...material,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['h2'],
      ...(servername === undefined ? {} : { servername }),
    });
    const fail = (message: string) => {
      socket.destroy();
      reject(new SluiceError('LINK_UNREACHABLE', message, { place: `${host}:${port}` }));
    };
    socket.setTimeout(CONNECT_MS_MAX, () => fail('no answer'));
    socket.once('error', (error) => fail(error.message));
    socket.once('secureConnect', () => {
      socket.destroy();
      resolve(`${host}:${port} answers with a certificate that we trust`);
    });
  });
}
