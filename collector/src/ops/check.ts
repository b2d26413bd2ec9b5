// `sluice-collector check`, and what `run` insists on before it starts: tables whose SQL DuckDB accepts,
// certificates, a lake that keeps its word about conditional writes and deletes nothing by itself, a catalog
// that answers.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CheckResult, NotLooked, tryParts } from '@sluice/shared/checks.ts';
import { systemClock, within } from '@sluice/shared/clock.ts';
import { ConfigError } from '@sluice/shared/config-file.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { daysToExpiry, readTlsMaterial } from '@sluice/shared/tls-material.ts';
import { type CollectorConfig, listenerFiles } from '../config.ts';
import type { Catalog, ObjectStore } from '../contracts.ts';
import { withSchema } from '../detected-schema.ts';
import { KEPT_PREFIXES } from '../lake/object-keys.ts';
import type { ReferenceSource } from '../reference-place.ts';
import { createTransformer, type TransformerWithChecks } from '../transform/transformer.ts';

const CHECK_MEMORY_BYTES = 128e6;

/** A statement that does not heed its end keeps its thread: nobody waits for that, and one is enough. */
const CLOSE_MS_MAX = 2_000;
const unclosed = new Set<TransformerWithChecks>();

/**
 * ConfigError with every problem of every table, as DuckDB sees them. Reference files on S3 are looked at
 * only where `references` is given: one that is missing holds its table, and no other.
 */
export async function assertTables(config: CollectorConfig, references?: ReferenceSource): Promise<void> {
  if (unclosed.size > 0) {
    const message = 'a statement of a config that was checked before still runs: only a restart ends it';
    throw new SluiceError('TRANSFORM_TIMED_OUT', message);
  }
  const directory = mkdtempSync(join(tmpdir(), 'sluice-check-'));
  const transformer = createTransformer({ memoryBytesMax: CHECK_MEMORY_BYTES, threads: 1 }, { references });
  try {
    const problems: { line: number; path: string; message: string; remedy: string }[] = [];
    for (const [index, table] of config.tables.entries()) {
      for (const message of await transformer.validate(withSchema(table, undefined), directory)) {
        const path = `tables[${index}] (${table.name})`;
        problems.push({
          line: config.written.lineOf(['tables', index]),
          path,
          message,
          remedy: 'correct columns, steps or partitionBy of this table',
        });
      }
    }
    if (problems.length > 0) throw new ConfigError(config.written.file, problems);
  } finally {
    await closeOrLeave(transformer);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function closeOrLeave(transformer: TransformerWithChecks): Promise<void> {
  let isClosed = false;
  const closed = transformer.close().finally(() => {
    isClosed = true;
    unclosed.delete(transformer);
  });
  await within(systemClock, CLOSE_MS_MAX, closed);
  if (!isClosed) unclosed.add(transformer);
}

export async function checkCollector(
  config: CollectorConfig,
  lake: {
    readonly store: ObjectStore;
    readonly catalog: Catalog;
    readonly references?: ReferenceSource | undefined;
  },
): Promise<CheckResult> {
  const result = await tryParts([
    ['config', () => `${config.tables.length} tables, ${config.agents.length} agents`],
    ['tables', () => assertTables(config, lake.references).then(() => 'their SQL is accepted')],
    ['certificate', () => checkCertificate(config)],
    ['lake', () => lake.store.probe().then(() => `${lake.store.url('')} takes conditional writes`)],
    ['lifecycle', () => checkLifecycle(lake.store)],
    ['catalog', () => lake.catalog.probe().then(() => `${config.lake.catalog} answers`)],
  ]);
  lake.store.close();
  lake.catalog.close();
  return result;
}

async function checkLifecycle(store: ObjectStore): Promise<string> {
  const unsafe = await store.expiring(KEPT_PREFIXES).catch((error: unknown) => {
    if (!(error instanceof SluiceError && error.code === 'STORE_DENIED')) throw error;
    throw new NotLooked(`could not be looked at: ${error.message}`);
  });
  if (unsafe.length > 0) throw new SluiceError('STORE_LIFECYCLE_UNSAFE', unsafe.join('; '));
  return 'no rule takes ledger or staged objects away';
}

function checkCertificate(config: CollectorConfig): string {
  const files = listenerFiles(config);
  const days = Math.floor(daysToExpiry(readTlsMaterial(files).cert, systemClock.wallMs()));
  if (days < 0)
    throw new SluiceError('TLS_CERTIFICATE_EXPIRED', `it expired ${-days} days ago`, { place: files.cert });
  return `valid for ${days} days`;
}
