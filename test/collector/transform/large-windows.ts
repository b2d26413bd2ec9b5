// A transformer for windows of several chunks, two at once, and a DuckDB that reads what it wrote in `home`.
import { after } from 'node:test';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { temporaryDirectory } from '../../support/temp.ts';

export const home = temporaryDirectory();
export const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 2 });
const limits = { spillDirectory: home, memoryBytesMax: 256e6, threads: 1 };
export const database = await openDatabase({ directories: [home], ...limits });
after(async () => {
  database.close();
  await transformer.close();
});

/** As many records as fill a chunk. */
export const CHUNK = 81_920;
