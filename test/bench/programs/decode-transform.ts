// The collector's transform by itself, as in a collector that runs: threads are warm, segments lie in a file
// as staged ones do, and windows that have closed wait for their turn. Making the segments is not measured.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import type { StagedSegment, TableConfig, TransformResult } from '@sluice/collector/contracts.ts';
import { topicsOf } from '@sluice/collector/table-topics.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { openPayloadFile, type PayloadFile } from '@sluice/collector/window/payload-file.ts';
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
const { windowBytesMax } = table;
const transformer = createTransformer({
  memoryBytesMax: limits.transformMemory,
  threads: limits.transformThreads,
});

/** Of so many orders; `file` holds the payloads. */
async function stagedWindows(file: PayloadFile, of: OrderOptions): Promise<StagedSegment[][]> {
  const staged: StagedSegment[][] = [];
  let position = 0;
  for (const segments of windows(orderSegments(topic, of, Date.now()), windowBytesMax)) {
    const window: StagedSegment[] = [];
    staged.push(window);
    for (const { payload, ...segment } of segments) {
      const at = position;
      const { byteLength } = payload;
      position += byteLength;
      await file.write(payload, at);
      const stored = { byteLength, read: () => file.read(at, byteLength) };
      window.push({
        segment: { ...segment, payload: new Uint8Array() },
        fromOffset: segment.startOffset,
        stored,
      });
    }
  }
  return staged;
}

/** All have closed: the transformer takes them in order, and begins one beside the one before. */
async function transformAll(
  table: TableConfig,
  all: readonly StagedSegment[][],
  to: string,
): Promise<TransformResult[]> {
  const results = all.map((segments, i) => {
    const window = join(to, `window-${i}`);
    mkdirSync(window, { recursive: true });
    return transformer.run({ table, windowId: String(i), segments, openedMs: Date.now(), directory: window });
  });
  return await Promise.all(results);
}

mkdirSync(directory, { recursive: true });
const file = await openPayloadFile(directory);
const warmUp = `${directory}.warm-up`;
const all = await stagedWindows(file, orders);
// Once before it is measured, as what stands beside it has been.
await transformAll(table, all, warmUp);
rmSync(warmUp, { recursive: true });
const meter = new Meter();
meter.start();
const results = await transformAll(table, all, directory);
meter.stop();
await transformer.close();
await file.close();
const seconds = (of: (result: TransformResult) => number) =>
  results.reduce((sum, result) => sum + of(result), 0) / 1_000;
answer({
  ...meter.usage(),
  windows: results.length,
  decodeSeconds: seconds(({ decodeMs }) => decodeMs),
  sqlSeconds: seconds(({ sqlMs }) => sqlMs),
} satisfies DecodeTransformAnswer);
