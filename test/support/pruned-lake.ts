// A prune as the command runs it, over whatever lake a test has made; of any age, as no caller may ask for.
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import type { ObjectStore, TableConfig } from '@sluice/collector/contracts.ts';
import { LakeReader } from '@sluice/collector/ops/lake-reader.ts';
import { type PruneOptions, prune } from '@sluice/collector/ops/prune/prune.ts';
import type { Pruned } from '@sluice/collector/ops/prune/report.ts';
import { manualClock } from './manual-clock.ts';
import { seededRandom } from './seeded-random.ts';
import { temporaryDirectory } from './temp.ts';

export interface PruneTestCall
  extends Partial<
    Pick<PruneOptions, 'catalog' | 'clock' | 'olderThanMs' | 'dryRun' | 'onPlanned' | 'lyingMax'>
  > {
  readonly onProgress?: PruneOptions['onProgress'];
}

export function pruneOn(store: ObjectStore, table: TableConfig, call: PruneTestCall = {}): Promise<Pruned> {
  const { catalog = createFileCatalog('sluice', store), clock = manualClock() } = call;
  const random = seededRandom(9);
  const reader = new LakeReader({ store, catalog, scratch: temporaryDirectory(), clock, random });
  return prune({
    ...{ table, store, catalog, clock, olderThanMs: call.olderThanMs ?? 0, dryRun: call.dryRun ?? false },
    reader: reader.readingOnce(),
    onPlanned: call.onPlanned ?? (() => {}),
    ...(call.lyingMax === undefined ? {} : { lyingMax: call.lyingMax }),
    onProgress: call.onProgress ?? (() => {}),
  });
}
