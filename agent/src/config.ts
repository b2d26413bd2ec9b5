// What you can set on the agent. Parsed once, at the door: code inside sees only the frozen, compiled `AgentConfig`.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError, loadConfigFile, type Refine } from '@sluice/shared/config-file.ts';
import { bitRate, byteSize, duration, hostPort } from '@sluice/shared/units.ts';
import { z } from 'zod';

const tlsFiles = z.strictObject({
  ca: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  serverName: z.string().optional(),
});

/** These offsets of one partition and no others: from `from` to the end of the batch that holds `to` - 1. */
const offsetRange = z
  .strictObject({ partition: z.int().min(0), from: z.int().min(0), to: z.int().min(0) })
  .refine(({ from, to }) => from <= to, 'from is above to');

const topic = z.union([
  z.string().min(1),
  z.strictObject({
    name: z.string().min(1),
    startAt: z.enum(['earliest', 'latest']).optional(),
    /** A bounded read: partitions that are not named are not read. */
    only: z.array(offsetRange).min(1).optional(),
  }),
  z.strictObject({ pattern: z.string().min(1), startAt: z.enum(['earliest', 'latest']).optional() }),
]);

/** The schema of agent.yaml. */
export const agentSchema = z.strictObject({
  agent: z.strictObject({
    id: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'letters, digits, dot, dash and underscore, at most 63'),
    dataDir: z.string().default('/var/lib/sluice-agent'),
    drainTimeout: duration().default(30_000),
  }),
  kafka: z.strictObject({
    brokers: z.array(z.string().regex(/^(\[[^\]]+\]|[^:\s]+):\d+$/, 'host:port')).min(1),
    group: z.string().min(1),
    /** false: the group's offsets are neither read nor written, and lag tools show nothing. */
    commitOffsets: z.boolean().default(true),
    clientId: z.string().default('sluice-agent'),
    tls: tlsFiles.or(z.literal(true)).optional(),
    sasl: z
      .strictObject({
        mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
        username: z.string().min(1),
        passwordFile: z.string().min(1),
      })
      .optional(),
    sessionTimeout: duration().default(30_000),
  }),
  topics: z.array(topic).min(1),
  collector: z.strictObject({
    address: hostPort(),
    tls: z.strictObject({
      ca: z.string(),
      cert: z.string(),
      key: z.string(),
      serverName: z.string().optional(),
    }),
    maxRate: bitRate().optional(),
  }),
  spool: z
    .strictObject({
      bytesMax: byteSize().default(50 * 2 ** 30),
      freeSpaceMin: byteSize().default(5 * 2 ** 30),
      segmentBytesMax: byteSize().default(2 ** 20),
      linger: duration().default(200),
      compression: z.enum(['lz4', 'zstd', 'none']).default('lz4'),
    })
    .prefault({}),
  http: z.strictObject({ address: hostPort() }).prefault({ address: '127.0.0.1:9643' }),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
});

export type AgentConfig = z.output<typeof agentSchema> & { readonly directory: string };

const refine: Refine<z.output<typeof agentSchema>> = (config) => {
  const problems: { path: (string | number)[]; message: string; remedy: string }[] = [];
  config.topics.forEach((entry, index) => {
    if (typeof entry === 'string' || !('pattern' in entry)) return;
    try {
      new RegExp(entry.pattern);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
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
  const config = loadConfigFile(file, agentSchema, refine);
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

/** A secret from its file, without the newline that editors put behind it. ConfigError where it cannot be read. */
export function readSecretFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    const remedy = 'name an existing file that the agent’s user may read';
    throw new ConfigError(path, [{ line: 0, path: '', message, remedy }]);
  }
}
