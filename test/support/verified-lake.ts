// A lake of two windows that `verify` is content with, and what it finds once something in it was changed.
import { after } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import type { FakeObjectStore } from './fake-object-store.ts';
import { lakeCopies, plainTable, type WrittenLake } from './written-lake.ts';

export const transformer = createTransformer({ memoryBytesMax: 128e6, threads: 1 });
after(() => transformer.close());

export const columns = [{ name: 'n', type: 'int' }];
export const byDay: Partial<TableConfig> = { partitionBy: [{ kind: 'ingest', by: 'day', column: 'day' }] };

interface Verified {
  readonly lake: WrittenLake;
  readonly store: FakeObjectStore;
}

const lakes = new Map<string, () => Promise<Verified>>();

/** Two windows: offsets 0 to 2 with one bad record, and 3 to 4. */
export function written(change: Partial<TableConfig> = {}): Promise<Verified> {
  const key = JSON.stringify(change);
  const copy =
    lakes.get(key) ??
    lakeCopies(transformer, { ...plainTable, columns, ...change }, async (lake) => {
      await lake.write('claims', ['{"n":0}', '{"n":"x"}', '{"n":2}']);
      await lake.write('claims', ['{"n":3}', '{"n":4}']);
    });
  lakes.set(key, copy);
  return copy();
}

/** `CODE place: message` of each. */
export async function findings(lake: WrittenLake, mode: 'shallow' | 'deep' = 'deep'): Promise<string[]> {
  const { findings: found } = await verify(lake.options, mode);
  return found.map(({ code, place, message }) => `${code} ${place}: ${message}`);
}

/** In the order they came. */
export const keysOf = (store: FakeObjectStore, prefix: string) =>
  store.created.filter((key) => key.startsWith(prefix) && store.objects.has(key));
