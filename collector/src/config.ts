// What you can set on the collector. Parsed once, at the door: code inside sees only the frozen, compiled
// `CollectorConfig`, whose tables are `TableConfig` of contracts.ts.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { loadConfigFile, type Refine, type WrittenConfig } from '@sluice/shared/config-file.ts';
import { httpSection, logSection } from '@sluice/shared/config-sections.ts';
import type { TlsFiles } from '@sluice/shared/tls-material.ts';
import { byteSize, duration, hostPort } from '@sluice/shared/units.ts';
import { z } from 'zod';
import type { ReadColumn, Step, TableConfig } from './contracts.ts';
import { hidingProblems } from './hidden-columns.ts';
import { isRemote } from './reference-place.ts';
import { columnType, isGrouped, outputNames, plainType, stepSchema } from './step-config.ts';
import { examplesSchema, type TableExample } from './table-examples.ts';
import {
  compileInput,
  compileRecord,
  detectionProblems,
  inputFormat,
  inputProblems,
  type ReadFile,
  recordKeys,
} from './table-input.ts';
import { compileOutput, compilePartition, outputSchema, partitionSchema } from './table-output.ts';
import { compileTopics, topicKeys, topicProblems } from './table-source.ts';

const names = () => z.array(z.string().min(1)).min(1);

const table = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,199}$/, 'lower-case letters, digits and underscore, starting with a letter')
    .describe('Name in the catalog; bad records are in `<name>_quarantine`'),
  ...topicKeys,
  format: inputFormat.describe('What a record’s value is'),
  ...recordKeys,
  columns: z
    .union([z.literal('detect'), z.record(z.string(), columnType)])
    .optional()
    .describe(
      'Columns to read and their types; for csv in the order of the line. Else the first apply_mapping’s. ' +
        '`detect`: found in the records of the first window, or their schemas, and added as later ones bring them',
    ),
  window: z
    .strictObject({
      every: duration().prefault('100s').describe('A window closes at this age, at least 1s'),
      bytesMax: byteSize().prefault('64MiB').describe('A window closes at this size, at least 64KiB'),
      partitionsMax: z
        .int()
        .min(100)
        .max(100_000)
        .default(10_000)
        .describe('Partition values of one set of files; a window with more is published in several'),
      transformTimeout: duration()
        .refine((ms) => ms >= 10_000 && ms <= 86_400_000, 'must be between 10s and 24h')
        .prefault('5m')
        .describe('How long one SQL statement of a window may run; then the table is parked'),
    })
    .prefault({})
    .describe('What is published together'),
  steps: z.array(stepSchema).default([]).describe('What is made of the columns, one after the other'),
  partitionBy: z.array(partitionSchema).default([]).describe('Directories below the table, outermost first'),
  output: outputSchema.prefault({ format: 'parquet' }).describe('How rows are written'),
  provenance: z
    .enum(['none', 'position', 'full'])
    .default('position')
    .describe(
      'Columns about the record: _partition and _offset, and _topic with `topics`; or all, _timestamp, _key and _headers too',
    ),
  quarantine: z
    .strictObject({
      raw: z
        .enum(['keep', 'hash', 'drop'])
        .optional()
        .describe(
          'What is kept of a bad record itself: all, its SHA-256, or nothing; must be said where steps hide columns, else keep',
        ),
      ratioMax: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe(
          'Share of a window’s records that may be bad, 0 to 1: above it, with 10 or more, the table is parked',
        ),
    })
    .prefault({})
    .describe('Records that the table cannot take'),
  startAt: z
    .enum(['earliest', 'latest'])
    .optional()
    .describe(
      'Where it begins a partition that it has never read; else where the topic’s other tables are, else as the agent says',
    ),
  backfill: z
    .enum(['earliest'])
    .optional()
    .describe(
      'History, too: what Kafka’s log holds, from there to where the table begins, read beside what comes live, with a cursor of its own: docs/delivery.md',
    ),
  whenParked: z
    .enum(['hold', 'detach'])
    .default('hold')
    .describe(
      'While the table is parked: hold its topic, whose data stay safe; or detach the table, so that the topic’s others go on and only Kafka’s retention keeps what it lacks: docs/delivery.md',
    ),
  location: z.string().optional().describe('Path below the lake; else the table’s name'),
  examples: examplesSchema,
});

/** The schema of collector.yaml. What `describe` says is the reference in docs/config.md. */
export const collectorSchema = z.strictObject({
  collector: z
    .strictObject({
      id: z
        .string()
        .optional()
        .describe('Name in logs and ledger entries; else the host’s with a random end'),
      workDir: z
        .string()
        .default('/var/lib/sluice-collector')
        .describe('Directory for the files of windows and for staged segments; empty when it is done'),
      drainTimeout: duration()
        .prefault('110s')
        .describe('After SIGTERM: how long open windows may still be published'),
    })
    .prefault({})
    .describe('The collector itself'),
  listen: z
    .strictObject({
      address: hostPort().describe('Where agents connect'),
      tls: z
        .strictObject({
          ca: z.string().describe('PEM file of the authority that signs agents'),
          cert: z.string().describe('PEM file of the collector’s certificate'),
          key: z.string().describe('PEM file of its private key'),
          crl: z.string().optional().describe('PEM file of revoked certificates'),
        })
        .describe('Mutual TLS, always; the files are read again on SIGHUP'),
      allowCommonName: z
        .boolean()
        .default(false)
        .describe('Takes an agent’s name from the CN where its certificate has no URI `sluice://agent/<id>`'),
      streamAgeMax: duration()
        .refine((ms) => ms >= 10_000 && ms <= 86_400_000, 'must be between 10s and 24h')
        .prefault('30m')
        .describe('At this age, ± a fifth, a stream ends and its agent connects anew, here or elsewhere'),
    })
    .describe('The agents’ side'),
  agents: z
    .array(
      z.strictObject({
        id: z.string().min(1).describe('Name of the agent, as in its certificate; may end in `*`'),
        topics: names().describe('Topics that it may send; a name may end in `*`'),
      }),
    )
    .min(1)
    .describe('Who may send what'),
  lake: z
    .strictObject({
      store: z.string().min(1).describe('s3://bucket/prefix, or a directory'),
      catalog: z.enum(['glue', 'file']).describe('The Glue Data Catalog, or a file beside the tables'),
      database: z
        .string()
        .regex(/^[a-z0-9_]{1,255}$/, 'lower-case letters, digits and underscore')
        .default('sluice')
        .describe('Database in the catalog; made where it is missing'),
      region: z.string().optional().describe('AWS region; else the environment’s'),
      s3Endpoint: z.url().optional().describe('Another S3 than AWS’s'),
      glueEndpoint: z.url().optional().describe('Another Glue than AWS’s'),
    })
    .describe('Where tables live'),
  tables: z.array(table).min(1).describe('What is made of the topics'),
  limits: z
    .strictObject({
      stagingBytesMax: byteSize().prefault('256MiB').describe('Segments of windows not yet published'),
      stagingMemory: byteSize().prefault('16MiB').describe('Of these in memory; the rest in workDir'),
      creditBytesMax: byteSize().prefault('16MiB').describe('What one agent may have under way'),
      connectionsMax: z.int().min(1).max(10_000).default(256).describe('Connections of agents at once'),
      transformMemory: byteSize().prefault('512MiB').describe('Memory of DuckDB'),
      transformThreads: z
        .int()
        .min(1)
        .max(64)
        .default(2)
        .describe('Statements of all windows at once, a thread each; at most as many as cores'),
    })
    .prefault({})
    .describe('Bounds'),
  http: httpSection('127.0.0.1:9644'),
  log: logSection(),
});

type Parsed = z.output<typeof collectorSchema>;
type ParsedTable = Parsed['tables'][number];

export type CollectorConfig = Omit<Parsed, 'tables'> & {
  readonly directory: string;
  readonly written: WrittenConfig;
  readonly tables: readonly TableConfig[];
  /** By table name; not part of a table's version. */
  readonly examples: ReadonlyMap<string, readonly TableExample[]>;
};

/** Below these every segment would be a window, and a table of files that nobody wants to read. */
const WINDOW_LENGTH_MS_MIN = 1_000;
const WINDOW_BYTES_MAX_MIN = 64 * 1024;

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly remedy: string;
}

const refineWith =
  (read: ReadFile): Refine<Parsed> =>
  (config) => {
    const asked = [nameProblems, locationProblems, topicProblems, hidingProblems];
    const problems: Problem[] = asked.flatMap((of) => of(config.tables));
    config.tables.forEach(({ window, format }, index) => {
      if (window.every < WINDOW_LENGTH_MS_MIN) {
        const remedy = 'write 1s or more; the default is 100s';
        problems.push({ path: ['tables', index, 'window', 'every'], message: 'must be at least 1s', remedy });
      }
      if (window.bytesMax < WINDOW_BYTES_MAX_MIN) {
        const remedy = 'write 64KiB or more; the default is 64MiB';
        const path = ['tables', index, 'window', 'bytesMax'];
        problems.push({ path, message: 'must be at least 64KiB', remedy });
      }
      problems.push(
        ...detectionProblems(config.tables[index]).map((problem) => ({
          path: ['tables', index, 'columns'],
          ...problem,
        })),
      );
      const at = ['tables', index, 'format'];
      problems.push(...inputProblems(format, read).map((problem) => ({ path: at, ...problem })));
    });
    const { store, catalog } = config.lake;
    const remedy = 'write store: "s3://bucket/prefix", or catalog: file';
    if (catalog === 'glue' && !store.startsWith('s3://'))
      problems.push({ path: ['lake', 'store'], message: 'Glue cannot catalogue a local directory', remedy });
    if (/^s3:\/\/(\/|$)/.test(store))
      problems.push({
        path: ['lake', 'store'],
        message: 'no bucket is named',
        remedy: 'write "s3://bucket/prefix"',
      });
    if (config.limits.creditBytesMax > config.limits.stagingBytesMax) {
      const remedy = 'lower it or raise stagingBytesMax';
      problems.push({ path: ['limits', 'creditBytesMax'], message: 'is above stagingBytesMax', remedy });
    }
    return problems;
  };

/** The key is there only where it is asked for: the config version of other tables stays what it was. */
function declaredColumns({ columns = {} }: ParsedTable) {
  return columns === 'detect'
    ? { detects: { detects: true as const }, declared: {} }
    : { detects: {}, declared: columns };
}

function nameProblems(tables: readonly ParsedTable[]): Problem[] {
  const taken = new Set<string>();
  return tables.flatMap(({ name, steps }, index) => {
    const own = [name, ...sideOutputs(steps).map((output) => `${name}_${output}`)];
    const clash = own.some((one) => taken.has(one)) || new Set(own).size < own.length;
    for (const one of own) taken.add(one);
    const remedy = 'name it differently';
    return clash ? [{ path: ['tables', index, 'name'], message: `'${name}' is taken`, remedy }] : [];
  });
}

/**
 * Whoever reads a location reads everything below it, and nobody reads what begins with an underscore or a
 * dot. What ends with .rebuilt is where rebuilds put theirs.
 */
function locationProblems(tables: readonly ParsedTable[]): Problem[] {
  const taken: { readonly name: string; readonly location: string }[] = [];
  return tables.flatMap((parsed, index) => {
    const { name } = parsed;
    const location = locationOf(parsed);
    const own = [location, ...sideOutputs(parsed.steps).map((output) => `${location}_${output}`)];
    const clash = taken.find((other) => own.some((one) => overlaps(one, other.location)));
    taken.push(...own.map((one) => ({ name, location: one })));
    const at = { path: ['tables', index, 'location'] };
    if (location === '' || location.split('/').some((step) => /^([_.].*)?$|\.rebuilt$/.test(step))) {
      const message = `'${location}' has a step that is empty, begins with an underscore or a dot, or ends with .rebuilt`;
      return [{ ...at, message, remedy: 'write a path below the lake, such as insurance/claims' }];
    }
    const message = `'${location}' overlaps with the location of '${clash?.name}' or of its quarantine`;
    return clash === undefined ? [] : [{ ...at, message, remedy: 'give each table a location of its own' }];
  });
}

/** What stands beside a table. */
function sideOutputs(steps: readonly Step[]): readonly string[] {
  return ['quarantine', ...outputNames(steps)];
}

function overlaps(a: string, b: string): boolean {
  return `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`);
}

function locationOf({ location, name }: ParsedTable): string {
  return (location ?? name).replace(/^\/+|\/+$/g, '');
}

/** Throws ConfigError with every problem. Paths in the file are relative to its own directory. */
export function loadCollectorConfig(file: string): CollectorConfig {
  const directory = dirname(resolve(file));
  const read: ReadFile = (path) => readFileSync(resolve(directory, path));
  const { value: config, written } = loadConfigFile(file, collectorSchema, refineWith(read));
  return Object.freeze({
    ...config,
    directory,
    written,
    tables: config.tables.map((table) => compileTable(table, { directory, read })),
    examples: new Map(config.tables.map(({ name, examples }) => [name, examples])),
  });
}

/** A path of the config file, absolute. */
export function configPath(config: { readonly directory: string }, path: string): string {
  return resolve(config.directory, path);
}

/** The listener's certificate files. */
export function listenerFiles(config: Pick<CollectorConfig, 'directory' | 'listen'>): TlsFiles {
  const { ca, cert, key, crl } = config.listen.tls;
  const path = (file: string) => configPath(config, file);
  const files = { ca: path(ca), cert: path(cert), key: path(key) };
  return crl === undefined ? files : { ...files, crl: path(crl) };
}

function compileTable(
  parsed: ParsedTable,
  { directory, read }: { readonly directory: string; readonly read: ReadFile },
): TableConfig {
  const { detects, declared } = declaredColumns(parsed);
  const columns = Object.entries(declared).map(([name, column]): ReadColumn => {
    if (typeof column === 'string') return { name, type: plainType(column) };
    return { name, type: plainType(column.type), onError: column.on_error };
  });
  const meaning = {
    name: parsed.name,
    ...compileTopics(parsed),
    ...detects,
    columns,
    input: compileInput(
      parsed.format,
      columns.map((c) => c.name),
      read,
    ),
    record: compileRecord(parsed),
    steps: parsed.steps,
    partitionBy: parsed.partitionBy.map(compilePartition),
    output: compileOutput(parsed.output),
    provenance: isGrouped(parsed.steps) ? ('none' as const) : parsed.provenance,
    quarantineRaw: parsed.quarantine.raw ?? 'keep',
    startAt: parsed.startAt,
    location: locationOf(parsed),
  };
  const configVersion = createHash('sha256').update(JSON.stringify(meaning)).digest('hex').slice(0, 16);
  return Object.freeze({
    ...meaning,
    steps: meaning.steps.map((step) => withFiles(step, directory)),
    ...(parsed.quarantine.ratioMax === undefined ? {} : { quarantineRatioMax: parsed.quarantine.ratioMax }),
    windowLengthMs: parsed.window.every,
    windowBytesMax: parsed.window.bytesMax,
    windowPartitionsMax: parsed.window.partitionsMax,
    transformTimeoutMs: parsed.window.transformTimeout,
    backfill: parsed.backfill,
    whenParked: parsed.whenParked,
    configVersion,
  });
}

/** After the config version is taken: where the file lies means nothing. */
function withFiles(step: Step, directory: string): Step {
  if (step.kind === 'split_rows') {
    const splits = step.splits.map((split) => ({
      ...split,
      steps: split.steps.map((own) => withFiles(own as Step, directory)),
    }));
    return { ...step, splits };
  }
  if (step.kind === 'lookup')
    return isRemote(step.file) ? step : { ...step, file: configPath({ directory }, step.file) };
  if (!('keyFile' in step) || step.keyFile === undefined) return step;
  return { ...step, keyFile: configPath({ directory }, step.keyFile) };
}
