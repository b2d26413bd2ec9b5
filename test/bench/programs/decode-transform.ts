// The collector's transform by itself: windows of segments in memory through its worker thread into Parquet files.
// Making the segments is not measured.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { orderSegments, windows } from '../order-segments.ts';
import type { OrderOptions } from '../orders.ts';
import { answer, Meter, programArguments } from './program.ts';

export interface DecodeTransformArguments {
  readonly collectorConfig: string;
  readonly directory: string;
  readonly orders: OrderOptions;
}

const { collectorConfig, directory, orders } = programArguments<DecodeTransformArguments>();
const config = loadCollectorConfig(collectorConfig);
const [table] = config.tables;
if (table === undefined) throw new Error('the config has no table');
const transformer = createTransformer({
  memoryBytesMax: config.limits.transformMemory,
  threads: config.limits.transformThreads,
});
const meter = new Meter();
let windowCount = 0;
let decodeMs = 0;
let sqlMs = 0;
for (const segments of windows(orderSegments(table.topic, orders, Date.now()), table.windowBytesMax)) {
  const windowDirectory = join(directory, `window=${windowCount++}`);
  mkdirSync(windowDirectory, { recursive: true });
  meter.start();
  const result = await transformer.run({
    table,
    windowId: String(windowCount),
    segments: segments.map((segment) => ({ segment, fromOffset: segment.startOffset })),
    openedMs: Date.now(),
    directory: windowDirectory,
  });
  meter.stop();
  decodeMs += result.decodeMs;
  sqlMs += result.sqlMs;
}
await transformer.close();
answer({
  ...meter.result(),
  windows: windowCount,
  decodeSeconds: decodeMs / 1_000,
  sqlSeconds: sqlMs / 1_000,
});
