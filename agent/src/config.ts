// What you can set on the agent. Parsed once, at the door: code inside sees only the frozen, compiled
// `AgentConfig`.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError, loadConfigFile, type Refine } from '@sluice/shared/config-file.ts';
import { httpSection, logSection } from '@sluice/shared/config-sections.ts';
import { messageOf } from '@sluice/shared/errors.ts';
import { bitRate, byteSize, duration, hostPort } from '@sluice/shared/units.ts';
import { z } from 'zod';

const path = () => z.string();

const tlsFiles = z.strictObject({
  ca: path().optional().describe('PEM file of the authorities that sign the brokers; else those of Node.js'),
  cert: path().optional().describe('PEM file of the client certificate'),
  key: path().optional().describe('PEM file of its private key'),
  serverName: z
    .string()
    .optional()
    .describe('The name in the brokers’ certificates, where it is not their host'),
});

/** These offsets of one partition and no others: from `from` to the end of the batch that holds `to` - 1. */
const offsetRange = z
  .strictObject({
    partition: z.int().min(0).describe('Number of the partition'),
    from: z.int().min(0).describe('First offset to read'),
    to: z.int().min(0).describe('Where reading ends: the batch that holds the offset before it is the last'),
  })
  .refine(({ from, to }) => from <= to, 'from is above to');

const startAt = z
  .enum(['earliest', 'latest'])
  .optional()
  .describe('Where a partition begins that no table has read, unless the table says so; else earliest');

const topic = z.union([
  z.string().min(1),
  z.strictObject({
    name: z.string().min(1).describe('Name of one topic; a text alone is short for this'),
    startAt,
    only: z
      .array(offsetRange)
      .min(1)
      .optional()
      .describe('A bounded read: these offsets and no others; partitions that are not named are not read'),
  }),
  z.strictObject({
    pattern: z
      .string()
      .min(1)
      .describe('JavaScript regular expression: every topic whose whole name matches'),
    startAt,
  }),
]);

/** The schema of agent.yaml. What `describe` says is the reference in docs/config.md. */
export const agentSchema = z.strictObject({
  agent: z
    .strictObject({
      id: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'letters, digits, dot, dash and underscore, at most 63')
        .describe('Name of this agent, as in its certificate’s URI `sluice://agent/<id>`'),
      dataDir: path().default('/var/lib/sluice-agent').describe('Directory of the spool'),
      drainTimeout: duration()
        .prefault('30s')
        .describe('After SIGTERM: how long it may take to end in order'),
    })
    .describe('The agent itself'),
  kafka: z
    .strictObject({
      brokers: z
        .array(z.string().regex(/^(\[[^\]]+\]|[^:\s]+):\d+$/, 'host:port'))
        .min(1)
        .describe('Brokers to ask first, as host:port'),
      group: z.string().min(1).describe('Consumer group; agents with the same one share the partitions'),
      commitOffsets: z
        .boolean()
        .default(true)
        .describe('false: the group’s offsets are neither read nor written, and lag tools show nothing'),
      clientId: z.string().default('sluice-agent').describe('Name that the brokers’ logs and quotas know'),
      tls: tlsFiles
        .or(z.literal(true))
        .optional()
        .describe('TLS to the brokers; true: with the authorities of Node.js. Without it: plaintext'),
      sasl: z
        .strictObject({
          mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).describe('SASL mechanism'),
          username: z.string().min(1).describe('User name'),
          passwordFile: path().min(1).describe('File that holds the password'),
        })
        .optional()
        .describe('SASL to the brokers'),
      sessionTimeout: duration()
        .prefault('30s')
        .describe('The group gives this agent’s partitions away after so long without a heartbeat'),
    })
    .describe('Where records come from'),
  topics: z.array(topic).min(1).describe('What is read: topics by name or by pattern'),
  collector: z
    .strictObject({
      address: hostPort().describe('The collector, or the load balancer before it'),
      tls: z
        .strictObject({
          ca: path().describe('PEM file of the authority that signs collectors'),
          cert: path().describe('PEM file of this agent’s certificate'),
          key: path().describe('PEM file of its private key'),
          serverName: z
            .string()
            .optional()
            .describe('The name in the collector’s certificate, where it is not the host of the address'),
        })
        .describe('Mutual TLS, always'),
      maxRate: bitRate().optional().describe('The link uses no more than this; else all that it gets'),
    })
    .describe('Where records go to'),
  spool: z
    .strictObject({
      bytesMax: byteSize().prefault('50GiB').describe('The source waits while the spool holds so much'),
      freeSpaceMin: byteSize()
        .prefault('5GiB')
        .describe('The source waits while the disk has less than this free'),
      segmentBytesMax: byteSize()
        .prefault('1MiB')
        .describe('A segment is closed at this size, 16KiB to 8MiB; 256KiB suits links under 4 Mbit/s'),
      linger: duration().prefault('200ms').describe('A segment is closed at this age'),
      compression: z
        .enum(['lz4', 'zstd', 'none'])
        .default('lz4')
        .describe('Of segments whose batches the producers left uncompressed'),
    })
    .prefault({})
    .describe('What waits on disk until it is committed'),
  schemaRegistry: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .describe('Where the registry answers, such as https://schemas.corp:8081'),
      ca: path().optional().describe('PEM file of the authorities that sign it; else those of Node.js'),
      username: z.string().min(1).optional().describe('User name, for basic authentication'),
      passwordFile: path().min(1).optional().describe('File that holds the password'),
    })
    .optional()
    .describe('The Confluent schema registry beside the brokers: the collector asks it through this agent'),
  http: httpSection('127.0.0.1:9643'),
  log: logSection(),
});

export type AgentConfig = z.output<typeof agentSchema> & { readonly directory: string };

const refine: Refine<z.output<typeof agentSchema>> = (config) => {
  const problems: { path: (string | number)[]; message: string; remedy: string }[] = [];
  config.topics.forEach((entry, index) => {
    if (typeof entry === 'string' || !('pattern' in entry)) return;
    try {
      new RegExp(entry.pattern);
    } catch (error) {
      const message = messageOf(error);
      problems.push({
        path: ['topics', index, 'pattern'],
        message,
        remedy: 'write a JavaScript regular expression',
      });
    }
  });
  if (config.spool.segmentBytesMax < 16 * 1024 || config.spool.segmentBytesMax > 8 * 2 ** 20) {
    const message = 'must be between 16KiB and 8MiB';
    problems.push({
      path: ['spool', 'segmentBytesMax'],
      message,
      remedy: '1MiB, or 256KiB on links under 4 Mbit/s',
    });
  }
  if (config.spool.bytesMax < 64 * config.spool.segmentBytesMax) {
    const message = 'holds fewer than 64 segments';
    problems.push({ path: ['spool', 'bytesMax'], message, remedy: 'raise it, or lower segmentBytesMax' });
  }
  return problems;
};

/** Throws ConfigError with every problem. Paths in the file are relative to its own directory. */
export function loadAgentConfig(file: string): AgentConfig {
  const { value: config } = loadConfigFile(file, agentSchema, refine);
  return Object.freeze({ ...config, directory: dirname(resolve(file)) });
}

/** A path of the config file, absolute. */
export function configPath(config: { readonly directory: string }, path: string): string {
  return resolve(config.directory, path);
}

/** The link's certificate files, and the name that the collector's must bear. */
export function linkFiles(config: AgentConfig) {
  const { ca, cert, key, serverName } = config.collector.tls;
  const path = (file: string) => configPath(config, file);
  return { ca: path(ca), cert: path(cert), key: path(key), serverName };
}

/**
 * A secret from its file, without the newline that editors put behind it. ConfigError where it cannot be
 * read.
 */
export function readSecretFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const message = `cannot be read: ${messageOf(error)}`;
    const remedy = 'name an existing file that the agent’s user may read';
    throw new ConfigError(path, [{ line: 0, path: '', message, remedy }]);
  }
}
