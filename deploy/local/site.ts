// One site in small: certificates, configs and the two programs as processes of their own, below one
// directory. Demo, bench and integration tests run what an operator would run.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  agentUri,
  type CertificateFiles,
  createAuthority,
  issueCertificate,
  writeCertificate,
} from '@sluice/shared/pki.ts';
import { stringify } from 'yaml';
import { type StartedProcess, startProcess, waitUntilReady } from './child-process.ts';
import { freePorts } from './free-ports.ts';
import { projectRoot } from './project-root.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface SitePki {
  readonly directory: string;
  readonly caPem: string;
  /** The broker's certificate. */
  readonly broker: { readonly certPem: string; readonly keyPem: string };
}

/** As in the unit and the images, which say why. */
export const MEMORY_SETTINGS = {
  MALLOC_ARENA_MAX: '2',
  NODE_OPTIONS: '--max-semi-space-size=2',
} as const;

/** As in the collector's image. */
export const DUCKDB_MEMORY_SETTINGS = {
  DUCKDB_JE_MALLOC_CONF: 'narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0',
} as const;

const DAYS = 30;
const START_MS_MAX = 60_000;

/**
 * A CA and certificates for broker, Kafka clients, collector and one agent, in `<directory>/pki`; each of
 * `furtherAgents` has its own, as `agent-<id>`.
 */
export async function createSitePki(
  directory: string,
  agentId = 'site-1',
  furtherAgents: readonly string[] = [],
): Promise<SitePki> {
  const pki = join(directory, 'pki');
  mkdirSync(pki, { recursive: true, mode: 0o700 });
  const at = { nowMs: Date.now(), days: DAYS };
  const authority = await createAuthority({ commonName: 'Sluice demo CA', ...at });
  const loopback = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };
  const broker = await issueCertificate(authority, {
    commonName: 'broker',
    ...loopback,
    usages: ['serverAuth', 'clientAuth'],
    ...at,
  });
  const collector = await issueCertificate(authority, {
    commonName: 'sluice-collector',
    ...loopback,
    usages: ['serverAuth'],
    ...at,
  });
  const issueAgent = (id: string) =>
    issueCertificate(authority, { commonName: id, uris: [agentUri(id)], usages: ['clientAuth'], ...at });
  const client = await issueCertificate(authority, {
    commonName: 'kafka-client',
    usages: ['clientAuth'],
    ...at,
  });
  writeFileSync(join(pki, 'ca.pem'), authority.certPem);
  const write = (name: string, files: CertificateFiles) =>
    writeCertificate({ cert: join(pki, `${name}.pem`), key: join(pki, `${name}-key.pem`) }, files);
  write('collector', collector);
  write('client', client);
  write('agent', await issueAgent(agentId));
  for (const id of furtherAgents) write(`agent-${id}`, await issueAgent(id));
  return { directory: pki, caPem: authority.certPem, broker };
}

export interface SiteOptions {
  readonly directory: string;
  /** Where lake and collector.yaml lie, if they are to outlive `directory`. */
  readonly keptDirectory?: string;
  readonly pki: SitePki;
  readonly agentId?: string;
  /** Name of its certificate in the pki, if not `agent`. */
  readonly agentCertificate?: string;
  /** Whom the collector lets in, if not just this agent; may end in `*`. */
  readonly allowedAgents?: string;
  readonly collectorId?: string;
  /** The `kafka` section of agent.yaml, group included. */
  readonly kafka: { readonly [key: string]: Json };
  readonly topics: readonly Json[];
  /** What the collector lets the agent send, if not just its topics. */
  readonly allowedTopics?: readonly string[];
  readonly tables: readonly Json[];
  /** Replaces the directory lake with its file catalog. */
  readonly lake?: { readonly [key: string]: Json };
  readonly spool?: { readonly [key: string]: Json };
  readonly limits?: { readonly [key: string]: Json };
  /** Added to the collector's environment, e.g. credentials of an emulator. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the agent connects, if not straight to the collector (a proxy). */
  readonly collectorAddress?: string;
  readonly logLevel?: 'debug' | 'info';
}

export interface SiteProgram {
  readonly name: 'agent' | 'collector';
  readonly configFile: string;
  readonly httpUrl: string;
  readonly pid: () => number;
  start(): Promise<void>;
  stop(graceMs?: number): Promise<void>;
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** The status document of the running program. */
  status<T = unknown>(): Promise<T>;
  /** Runs another command of the program with the same config; resolves with its exit code and output. */
  command(args: readonly string[]): Promise<{ code: number | string; output: string }>;
  log(): string;
  readonly ended: () => Promise<number | NodeJS.Signals>;
}

export interface Site {
  readonly agent: SiteProgram;
  readonly collector: SiteProgram;
  readonly linkAddress: string;
  readonly lakeDirectory: string;
  /** The agent's data directory: its spool. */
  readonly agentDirectory: string;
}

/** Writes both configs; nothing runs yet. */
export async function createSite(options: SiteOptions): Promise<Site> {
  const { directory, keptDirectory = directory, pki, agentId = 'site-1', logLevel = 'info' } = options;
  const { agentCertificate = 'agent', allowedAgents = agentId, collectorId = 'collector-1' } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const [link = 0, agentHttp = 0, collectorHttp = 0] = await freePorts(3);
  const file = (name: string) => join(pki.directory, name);
  const linkAddress = `127.0.0.1:${link}`;
  const lakeDirectory = join(keptDirectory, 'lake');
  mkdirSync(lakeDirectory, { recursive: true });
  const topicNames = options.topics.map((topic) =>
    typeof topic === 'string' ? topic : String((topic as { name?: Json }).name ?? '*'),
  );
  const agent = {
    agent: { id: agentId, dataDir: join(directory, 'agent') },
    kafka: options.kafka,
    topics: options.topics,
    collector: {
      address: options.collectorAddress ?? linkAddress,
      tls: {
        ca: file('ca.pem'),
        cert: file(`${agentCertificate}.pem`),
        key: file(`${agentCertificate}-key.pem`),
      },
    },
    spool: { bytesMax: '4GiB', freeSpaceMin: '256MiB', ...options.spool },
    http: { address: `127.0.0.1:${agentHttp}` },
    log: { level: logLevel },
  };
  const collector = {
    collector: { id: collectorId, workDir: join(directory, 'collector') },
    listen: {
      address: linkAddress,
      tls: { ca: file('ca.pem'), cert: file('collector.pem'), key: file('collector-key.pem') },
    },
    agents: [{ id: allowedAgents, topics: options.allowedTopics ?? topicNames }],
    lake: options.lake ?? { store: lakeDirectory, catalog: 'file', database: 'sluice' },
    tables: options.tables,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    http: { address: `127.0.0.1:${collectorHttp}` },
    log: { level: logLevel },
  };
  const at = { directory, environment: options.environment ?? {} };
  return {
    agent: program('agent', { ...at, configDirectory: directory, config: agent, httpPort: agentHttp }),
    collector: program('collector', {
      ...at,
      configDirectory: keptDirectory,
      config: collector,
      httpPort: collectorHttp,
    }),
    linkAddress,
    lakeDirectory,
    agentDirectory: agent.agent.dataDir,
  };
}

interface ProgramOptions {
  readonly directory: string;
  readonly configDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly config: object;
  readonly httpPort: number;
}

function program(name: SiteProgram['name'], options: ProgramOptions): SiteProgram {
  const configFile = join(options.configDirectory, `${name}.yaml`);
  writeFileSync(configFile, stringify(options.config), { mode: 0o600 });
  const entry = join(projectRoot, name, 'bin', `sluice-${name}.mjs`);
  const httpUrl = `http://127.0.0.1:${options.httpPort}`;
  const logFile = join(options.directory, `${name}.log`);
  const { PATH, HOME, TMPDIR } = process.env;
  const fixed = { PATH, HOME, ...MEMORY_SETTINGS, ...DUCKDB_MEMORY_SETTINGS };
  const env = { ...fixed, ...(TMPDIR === undefined ? {} : { TMPDIR }), ...options.environment };
  let running: StartedProcess | undefined;
  const isUp = () =>
    fetch(`${httpUrl}${name === 'agent' ? '/livez' : '/readyz'}`).then(
      (reply) => reply.ok,
      () => false,
    );
  return {
    name,
    configFile,
    httpUrl,
    pid: () => running?.child.pid ?? 0,
    async start() {
      running = startProcess(process.execPath, [entry, 'run', '--config', configFile], {
        env,
        onOutput: (text) => writeFileSync(logFile, text, { flag: 'a' }),
      });
      await waitUntilReady(running, `sluice-${name}`, isUp, START_MS_MAX);
    },
    stop: async (graceMs = 60_000) => await running?.stop(graceMs),
    async kill() {
      running?.kill('SIGKILL');
      await running?.ended;
    },
    signal: (signal) => running?.kill(signal),
    status: async <T>() => (await (await fetch(`${httpUrl}/status`)).json()) as T,
    async command(args) {
      let output = '';
      const [verb = '', ...rest] = args;
      const child = startProcess(process.execPath, [entry, verb, '--config', configFile, ...rest], {
        env,
        onOutput: (text) => {
          output += text;
        },
      });
      return { code: await child.ended, output };
    },
    log() {
      try {
        return readFileSync(logFile, 'utf8');
      } catch {
        return '';
      }
    },
    ended: async () => (await running?.ended) ?? 0,
  };
}
