// The lake that a config names, opened for whoever reads or writes it: a collector that runs, or a command.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Clock } from '@sluice/shared/clock.ts';
import type { Random } from '@sluice/shared/random.ts';
import { createCatalog } from './catalog/open-catalog.ts';
import { type CollectorConfig, configPath } from './config.ts';
import type { Catalog, ObjectStore } from './contracts.ts';
import { createObjectStore } from './lake/open-store.ts';
import { LakeReader } from './ops/lake-reader.ts';
import { createTransformer } from './transform/transformer.ts';

export interface Lake {
  readonly store: ObjectStore;
  readonly catalog: Catalog;
}

export function openStore(config: CollectorConfig): ObjectStore {
  const { store: where, region, s3Endpoint } = config.lake;
  const location = where.startsWith('s3://') ? where : configPath(config, where);
  return createObjectStore({ store: location, region, endpoint: s3Endpoint });
}

export function openLake(config: CollectorConfig): Lake {
  const { catalog: kind, database, region, glueEndpoint } = config.lake;
  const store = openStore(config);
  return { store, catalog: createCatalog({ kind, database, store, region, endpoint: glueEndpoint }) };
}

/** What a command runs in. */
export interface CommandWorld {
  readonly config: CollectorConfig;
  readonly clock: Clock;
  readonly random: Random;
}

/** Ledger, catalog and objects, and a scratch directory that is gone afterwards. */
export async function withReader<T>(
  { config, clock, random }: CommandWorld,
  task: (
    at: Lake & {
      reader: LakeReader;
      scratch: string;
      directories: readonly string[];
      transformer: ReturnType<typeof createTransformer>;
    },
  ) => Promise<T>,
): Promise<T> {
  const lake = openLake(config);
  const { store, catalog } = lake;
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-read-'));
  const root = store.url('');
  const directories = isAbsolute(root) ? [scratch, root] : [scratch];
  const transformer = createTransformer({ memoryBytesMax: 64e6, threads: 1 });
  try {
    const reader = new LakeReader({ store, catalog, scratch, clock, random });
    return await task({ ...lake, reader, scratch, directories, transformer });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    store.close();
    catalog.close();
  }
}
