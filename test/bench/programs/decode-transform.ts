// The collector's transform by itself: windows of segments in memory through its worker thread into Parquet
// files. Making the segments is not measured.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { topicsOf } from '@sluice/collector/table-topics.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { orderSegments, windows } from '../orders/order-segments.ts';
import type { OrderOptions } from '../orders/orders.ts';
import { answer, Meter, programArguments } from './program.ts';
import type { Usage } from './run-program.ts';

export interface DecodeTransformArguments {
  readonly collectorConfig: string;
  readonly directory: string;
  readonly orders: OrderOptions;
}

export interface DecodeTransformAnswer extends Usage {
  readonly windows: number;
  /** As the transform itself counts them: they overlap. */
  readonly decodeSeconds: number;
  readonly sqlSeconds: number;
}

const { collectorConfig, directory, orders } = programArguments<DecodeTransformArguments>();
const { limits, tables } = loadCollectorConfig(collectorConfig);
const [table] = tables;
const [topic = ''] = table === undefined ? [] : topicsOf(table);
if (table === undefined) throw new Error('the config has no table');
const transformer = createTransformer({
  memoryBytesMax: limits.transformMemory,
  threads: limits.transformThreads,
});
mkdirSync(directory, { recursive: true });
// Starts the worker thread.
const problems = await transformer.validate(table, directory);
if (problems.length > 0) throw new Error(problems.join('\n'));
const meter = new Meter();
let count = 0;
let decodeMs = 0;
let sqlMs = 0;
for (const segments of windows(orderSegments(topic, orders, Date.now()), table.windowBytesMax)) {
  const window = join(directory, `window-${count++}`);
  mkdirSync(window, { recursive: true });
  meter.start();
  const result = await transformer.run({
    table,
    windowId: String(count),
    segments: segments.map((segment) => ({ segment, fromOffset: segment.startOffset })),
    openedMs: Date.now(),
    directory: window,
  });
  meter.stop();
  decodeMs += result.decodeMs;
  sqlMs += result.sqlMs;
}
await transformer.close();
answer({
  ...meter.usage(),
  windows: count,
  decodeSeconds: decodeMs / 1_000,
  sqlSeconds: sqlMs / 1_000,
} satisfies DecodeTransformAnswer);
