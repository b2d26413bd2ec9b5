// What you can set on the collector. Parsed once, at the door: code inside sees only the frozen, compiled
// `CollectorConfig`, whose tables are `TableConfig` of contracts.ts.
import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { loadConfigFile, type Refine } from '@sluice/shared/config-file.ts';
import type { TlsFiles } from '@sluice/shared/tls-material.ts';
import { byteSize, duration, hostPort } from '@sluice/shared/units.ts';
import { z } from 'zod';
import type {
  FieldMapping,
  InputFormat,
  OutputFormat,
  PartitionSpec,
  Step,
  TableConfig,
} from './contracts.ts';

const mapping = z.tuple([z.string().min(1), z.string().min(1), z.string().min(1), z.string().min(1)]);

const step = z.union([
  z.strictObject({ apply_mapping: z.array(mapping).min(1) }),
  z.strictObject({ select_fields: z.array(z.string().min(1)).min(1) }),
  z.strictObject({ drop_fields: z.array(z.string().min(1)).min(1) }),
  z.strictObject({ filter: z.string().min(1) }),
]);

const partition = z.union([
  z.strictObject({ ingest: z.enum(['day', 'hour']), as: z.string().optional() }),
  z.strictObject({
    field: z.string().min(1),
    by: z.enum(['day', 'hour']).optional(),
    as: z.string().optional(),
  }),
]);

const inputFormat = z.union([
  z.enum(['json', 'csv', 'text', 'bytes']),
  z.strictObject({
    csv: z.strictObject({
      delimiter: z.string().length(1).default(','),
      quote: z.string().length(1).default('"'),
    }),
  }),
]);

const output = z.union([
  z.strictObject({ format: z.literal('parquet'), compression: z.enum(['zstd', 'snappy']).default('zstd') }),
  z.strictObject({ format: z.enum(['csv', 'json']), compression: z.enum(['none', 'gzip']).default('none') }),
]);

const table = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,199}$/, 'lower-case letters, digits and underscore, starting with a letter'),
  topic: z.string().min(1),
  format: inputFormat,
  columns: z.record(z.string(), z.string()).optional(),
  window: z.strictObject({ every: duration().optional(), bytesMax: byteSize().optional() }).prefault({}),
  steps: z.array(step).default([]),
  partitionBy: z.array(partition).default([]),
  output: output.prefault({ format: 'parquet' }),
  provenance: z.enum(['none', 'position', 'full']).default('position'),
  quarantine: z.strictObject({ raw: z.enum(['keep', 'hash', 'drop']).default('keep') }).prefault({}),
  startAt: z.enum(['earliest', 'latest']).optional(),
  location: z.string().optional(),
});

/** The schema of collector.yaml. */
export const collectorSchema = z.strictObject({
  collector: z
    .strictObject({
      id: z.string().optional(),
      workDir: z.string().default('/var/lib/sluice-collector'),
      drainTimeout: duration().default(110_000),
    })
    .prefault({}),
  listen: z.strictObject({
    address: hostPort(),
    tls: z.strictObject({ ca: z.string(), cert: z.string(), key: z.string(), crl: z.string().optional() }),
    allowCommonName: z.boolean().default(false),
  }),
  agents: z
    .array(z.strictObject({ id: z.string().min(1), topics: z.array(z.string().min(1)).min(1) }))
    .min(1),
  lake: z.strictObject({
    store: z.string().min(1),
    catalog: z.enum(['glue', 'file']),
    database: z
      .string()
      .regex(/^[a-z0-9_]{1,255}$/, 'lower-case letters, digits and underscore')
      .default('sluice'),
    region: z.string().optional(),
    s3Endpoint: z.url().optional(),
    glueEndpoint: z.url().optional(),
  }),
  tables: z.array(table).min(1),
  limits: z
    .strictObject({
      stagingBytesMax: byteSize().default(256 * 2 ** 20),
      creditBytesMax: byteSize().default(16 * 2 ** 20),
      connectionsMax: z.int().min(1).max(10_000).default(256),
      transformMemory: byteSize().default(512 * 2 ** 20),
      transformThreads: z.int().min(1).max(64).default(1),
    })
    .prefault({}),
  http: z.strictObject({ address: hostPort() }).prefault({ address: '127.0.0.1:9644' }),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
});

type Parsed = z.output<typeof collectorSchema>;
type ParsedTable = Parsed['tables'][number];

export type CollectorConfig = Omit<Parsed, 'tables'> & {
  readonly directory: string;
  readonly tables: readonly TableConfig[];
};

const WINDOW_LENGTH_MS = 100_000;
const WINDOW_BYTES_MAX = 64 * 2 ** 20;
/** Below these every segment would be a window, and a table of files that nobody wants to read. */
const WINDOW_LENGTH_MS_MIN = 1_000;
const WINDOW_BYTES_MAX_MIN = 64 * 1024;

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly remedy: string;
}

const refine: Refine<Parsed> = (config) => {
  const problems: Problem[] = [...nameProblems(config.tables), ...locationProblems(config.tables)];
  config.tables.forEach(({ window, format }, index) => {
    if (window.every !== undefined && window.every < WINDOW_LENGTH_MS_MIN) {
      const remedy = 'write 1s or more; the default is 100s';
      problems.push({ path: ['tables', index, 'window', 'every'], message: 'must be at least 1s', remedy });
    }
    if (window.bytesMax !== undefined && window.bytesMax < WINDOW_BYTES_MAX_MIN) {
      const remedy = 'write 64KiB or more; the default is 64MiB';
      problems.push({
        path: ['tables', index, 'window', 'bytesMax'],
        message: 'must be at least 64KiB',
        remedy,
      });
    }
    if (typeof format === 'object' && format.csv.delimiter === format.csv.quote) {
      const remedy = 'name two different characters';
      problems.push({
        path: ['tables', index, 'format'],
        message: 'delimiter and quote are the same',
        remedy,
      });
    }
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

function nameProblems(tables: readonly ParsedTable[]): Problem[] {
  const taken = new Set<string>();
  return tables.flatMap(({ name }, index) => {
    const clash = taken.has(name) || taken.has(`${name}_quarantine`);
    for (const one of [name, `${name}_quarantine`]) taken.add(one);
    const remedy = 'name it differently';
    return clash ? [{ path: ['tables', index, 'name'], message: `'${name}' is taken`, remedy }] : [];
  });
}

/** Whoever reads a location reads everything below it, and nobody reads what begins with an underscore or a dot. */
function locationProblems(tables: readonly ParsedTable[]): Problem[] {
  const taken: { readonly name: string; readonly location: string }[] = [];
  return tables.flatMap((parsed, index) => {
    const { name } = parsed;
    const location = locationOf(parsed);
    const own = [location, `${location}_quarantine`];
    const clash = taken.find((other) => own.some((one) => overlaps(one, other.location)));
    taken.push(...own.map((one) => ({ name, location: one })));
    const at = { path: ['tables', index, 'location'] };
    if (location === '' || location.split('/').some((step) => /^([_.].*)?$/.test(step))) {
      const message = `'${location}' has a step that is empty or begins with an underscore or a dot, as '..' does`;
      return [{ ...at, message, remedy: 'write a path below the lake, such as insurance/claims' }];
    }
    const message = `'${location}' overlaps with the location of '${clash?.name}' or of its quarantine`;
    return clash === undefined ? [] : [{ ...at, message, remedy: 'give each table a location of its own' }];
  });
}

function overlaps(a: string, b: string): boolean {
  return `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`);
}

function locationOf({ location, name }: ParsedTable): string {
  return (location ?? name).replace(/^\/+|\/+$/g, '');
}

/** Throws ConfigError with every problem. Paths in the file are relative to its own directory. */
export function loadCollectorConfig(file: string): CollectorConfig {
  const config = loadConfigFile(file, collectorSchema, refine);
  return Object.freeze({
    ...config,
    directory: dirname(resolve(file)),
    tables: config.tables.map(compileTable),
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

function compileTable(parsed: ParsedTable): TableConfig {
  const steps = parsed.steps.map(compileStep);
  const columns = Object.entries(parsed.columns ?? {}).map(([name, type]) => ({
    name,
    type: type.toLowerCase(),
  }));
  const meaning = {
    name: parsed.name,
    topic: parsed.topic,
    columns,
    input: compileInput(
      parsed,
      columns.map((c) => c.name),
    ),
    steps,
    partitionBy: parsed.partitionBy.map(compilePartition),
    output: compileOutput(parsed.output),
    provenance: parsed.provenance,
    quarantineRaw: parsed.quarantine.raw,
    startAt: parsed.startAt,
    location: locationOf(parsed),
  };
  const configVersion = createHash('sha256').update(JSON.stringify(meaning)).digest('hex').slice(0, 16);
  return Object.freeze({
    ...meaning,
    windowLengthMs: parsed.window.every ?? WINDOW_LENGTH_MS,
    windowBytesMax: parsed.window.bytesMax ?? WINDOW_BYTES_MAX,
    configVersion,
  });
}

function compileInput(parsed: ParsedTable, columns: readonly string[]): InputFormat {
  const { format } = parsed;
  if (typeof format === 'object') return { kind: 'csv', ...format.csv, columns };
  if (format === 'csv') return { kind: 'csv', delimiter: ',', quote: '"', columns };
  return { kind: format };
}

function compileStep(parsed: z.output<typeof step>): Step {
  if ('filter' in parsed) return { kind: 'filter', expression: parsed.filter };
  if ('select_fields' in parsed) return { kind: 'select_fields', fields: parsed.select_fields };
  if ('drop_fields' in parsed) return { kind: 'drop_fields', fields: parsed.drop_fields };
  const mappings = parsed.apply_mapping.map(
    ([source, sourceType, target, targetType]): FieldMapping => ({
      source,
      sourceType: sourceType.toLowerCase(),
      target,
      targetType: targetType.toLowerCase(),
    }),
  );
  return { kind: 'apply_mapping', mappings };
}

function compilePartition(parsed: z.output<typeof partition>): PartitionSpec {
  if ('ingest' in parsed)
    return { kind: 'ingest', by: parsed.ingest, column: parsed.as ?? `ingest_${parsed.ingest}` };
  const { field, by, as } = parsed;
  if (by === undefined) return { kind: 'value', field, column: as ?? field };
  return { kind: 'time', field, by, column: as ?? `${field}_${by}` };
}

function compileOutput(parsed: z.output<typeof output>): OutputFormat {
  if (parsed.format === 'parquet') return { kind: 'parquet', compression: parsed.compression };
  return { kind: parsed.format, compression: parsed.compression };
}
