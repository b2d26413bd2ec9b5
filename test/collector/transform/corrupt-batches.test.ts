// A record batch that broke before it was spooled costs its own records and nothing else: they are in
// quarantine by their offsets, its bytes are kept once, and what agent and collector count still adds up.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { walkRecordSet } from '@sluice/agent/source/record-set.ts';
import { createSegmenter } from '@sluice/agent/spool/segmenter.ts';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { addToWindow, newWindow, windowRanges } from '@sluice/collector/window/open-window.ts';
import { crc32c } from '@sluice/shared/crc32c.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { RECORD_BATCH_HEADER_BYTES } from '@sluice/shared/record-batch.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 3 };
const CRC_AT = 17;
const CRC_FROM = 21;
const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 });
const home = temporaryDirectory();
let windows = 0;
after(() => transformer.close());

function batchOf(offsets: readonly number[]): Buffer {
  const timestamp = 1_780_000_000_000;
  const headers: [string, Buffer][] = [['h', Buffer.from('x')]];
  const records = offsets.map((offset) => ({
    offset,
    timestamp,
    key: Buffer.from(`k${offset}`),
    value: Buffer.from(`{"n":${offset}}`),
    headers,
  }));
  return encodeRecordBatch({ baseOffset: offsets[0] ?? 0, codec: 'none' }, records);
}

function withCrc(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_FROM)), CRC_AT);
  return batch;
}

/** As the agent's own code counts and cuts it, read from `position` on. */
function segmentOfBatches(batches: readonly Buffer[], position: number): Segment {
  const segments: Segment[] = [];
  const segmenter = createSegmenter({
    segmentBytesMax: 2 ** 30,
    lingerMs: 1,
    compression: 'none',
    clock: manualClock(),
    emit: (segment) => segments.push(segment),
  });
  segmenter.push(claims, position, walkRecordSet(Buffer.concat(batches), []));
  segmenter.flush();
  return segments[0] as Segment;
}

async function transform(
  segment: Segment,
  table: Partial<TableConfig> = {},
  fromOffset = segment.startOffset,
) {
  const directory = join(home, `w${windows++}`);
  mkdirSync(directory);
  const columns = [{ name: 'n', type: 'int' }];
  const staged = { segment, fromOffset };
  const result = await transformer.run({
    table: { ...plainTable, columns, ...table },
    windowId: 'w',
    segments: [staged],
    openedMs: 0,
    directory,
  });
  const window = newWindow('w', { wallMs: 0, monotonicMs: 0 }, plainTable);
  addToWindow(window, { ...staged, held: { stored: undefined, release: () => {} } });
  const [range] = windowRanges(window, result.recordsPerPartition);
  const { in: total, emitted, filtered, quarantined } = result.classes;
  assert.equal(emitted + filtered + quarantined, total);
  assert.equal(range?.counts.records, total, 'what the agent has counted');
  if (fromOffset === segment.startOffset) assert.deepEqual(range?.counts, segment.counts);
  const read = async (output: string) => {
    const file = result.files.find((f) => f.output === output);
    return file === undefined ? [] : await readParquet(file.path);
  };
  const quarantine = await read('quarantine');
  return {
    emitted: (await read('rows')).map(({ n }) => n),
    quarantine: quarantine.map((row) => [Number(row['_offset']), row['code']]),
    raw: quarantine.map((row) => row['raw'] as Uint8Array | null),
    partitions: new Set(quarantine.map((row) => row['_partition'])),
    corrupt: result.corrupt,
  };
}

async function readParquet(path: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const result = await connection.runAndReadAll(`SELECT * FROM read_parquet('${path}') ORDER BY _offset`);
  const rows = result.getRowObjectsJS() as Record<string, unknown>[];
  connection.closeSync();
  instance.closeSync();
  return rows;
}

function flipped(batch: Buffer, at = batch.length - 5): Buffer {
  const broken = Buffer.from(batch);
  broken[at] = (broken[at] ?? 0) ^ 0x40;
  return broken;
}

function cutShort(batch: Buffer): Buffer {
  const short = Buffer.from(batch.subarray(0, -1));
  short.writeInt32BE(short.length - 12, 8);
  return withCrc(short);
}

const CODE = 'RECORD_BATCH_CORRUPT';
const BREAKAGES = { 'a flipped bit': flipped, 'a right CRC over records that end early': cutShort };

for (const provenance of ['position', 'full'] as const)
  for (const [what, broken] of Object.entries(BREAKAGES))
    test(`${what} quarantines its batch whole, its neighbours flow (${provenance})`, async () => {
      const bad = broken(batchOf([3, 4, 5]));
      const segment = segmentOfBatches([batchOf([0, 1, 2]), bad, batchOf([6, 7])], 0);
      const { emitted, quarantine, raw, partitions, corrupt } = await transform(segment, { provenance });
      assert.deepEqual(emitted, [0, 1, 2, 6, 7]);
      assert.deepEqual(quarantine, [
        [3, CODE],
        [4, CODE],
        [5, CODE],
      ]);
      assert.deepEqual(Buffer.from(raw[0] ?? []), bad, 'all bytes, once');
      assert.deepEqual(raw.slice(1), [null, null]);
      assert.deepEqual([...partitions], [3]);
      assert.deepEqual(
        corrupt.map(({ topic, partition, startOffset, records, code }) => [
          `${topic}-${partition}@${startOffset}`,
          records,
          code,
        ]),
        [['claims-3@3', 3, CODE]],
      );
    });

test('of a broken batch with holes as many records are quarantined as it had, from its first offset on', async () => {
  const segment = segmentOfBatches([batchOf([0]), flipped(batchOf([10, 15, 19])), batchOf([20])], 0);
  const { emitted, quarantine } = await transform(segment);
  assert.deepEqual(emitted, [0, 20]);
  assert.deepEqual(
    quarantine.map(([offset]) => offset),
    [10, 11, 12],
  );
});

test('a broken batch that begins before its segment counts from there, as the agent did', async () => {
  for (const [offsets, expected] of [
    [
      [0, 1, 2, 3],
      [2, 3],
    ],
    [
      [0, 3, 9],
      [2, 3],
    ],
  ] as const) {
    const broken = flipped(batchOf(offsets), RECORD_BATCH_HEADER_BYTES);
    const next = (offsets.at(-1) ?? 0) + 1;
    const { emitted, quarantine } = await transform(segmentOfBatches([broken, batchOf([next])], 2));
    assert.deepEqual(emitted, [next]);
    assert.deepEqual(quarantine.map(([offset]) => offset).slice(0, 2), expected);
  }
});

test('where no batch can be told any more the rest of the segment is quarantined', async () => {
  const [first, second] = [batchOf([0, 1]), batchOf([2, 3])];
  const whole = segmentOfBatches([first, second, batchOf([7, 8])], 0);
  const payload = Buffer.from(whole.payload);
  payload[first.length + 16] = 9;
  const { emitted, quarantine, raw } = await transform({ ...whole, payload });
  assert.deepEqual(emitted, [0, 1]);
  assert.deepEqual(
    quarantine.map(([offset]) => offset),
    [2, 3, 4, 5],
  );
  assert.deepEqual(Buffer.from(raw[0] ?? []), payload.subarray(first.length));
});

test('a batch that would fill the memory is quarantined by its own code', async () => {
  const bomb = batchOf([1, 2]);
  const packed = zstdCompressSync(Buffer.alloc(257 * 2 ** 20));
  const batch = Buffer.concat([bomb.subarray(0, RECORD_BATCH_HEADER_BYTES), packed]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(4, CRC_FROM);
  const { emitted, quarantine } = await transform(segmentOfBatches([batchOf([0]), withCrc(batch)], 0));
  assert.deepEqual(emitted, [0]);
  assert.deepEqual(quarantine, [
    [1, 'RECORD_BATCH_TOO_LARGE'],
    [2, 'RECORD_BATCH_TOO_LARGE'],
  ]);
});

test('raw bytes of a broken batch are kept, hashed or dropped as the table says', async () => {
  const segment = segmentOfBatches([flipped(batchOf([0, 1]))], 0);
  const dropped = await transform(segment, { quarantineRaw: 'drop' });
  assert.deepEqual(dropped.raw, [undefined, undefined]);
  assert.equal(dropped.quarantine.length, 2);
});

test('a compression that is unknown here is no broken batch: it waits for an upgrade', async () => {
  const segment = segmentOfBatches([batchOf([0])], 0);
  const payload = Buffer.from(segment.payload);
  payload.writeInt16BE(6, CRC_FROM);
  await assert.rejects(transform({ ...segment, payload: withCrc(payload) }), { code: 'CODEC_UNKNOWN' });
});

test('a payload that cannot be decompressed is quarantined whole, by the counts of its segment', async () => {
  const whole = segmentOfBatches([batchOf([3, 4]), batchOf([6, 7])], 3);
  const garbage = Buffer.from('this is no compressed payload');
  for (const codec of ['lz4', 'zstd', 'none'] as const) {
    const segment: Segment = { ...whole, codec, payload: garbage };
    const { emitted, quarantine, raw, corrupt } = await transform(segment);
    assert.deepEqual(emitted, []);
    assert.deepEqual(
      quarantine,
      [3, 4, 5, 6].map((offset) => [offset, 'SEGMENT_CORRUPT']),
    );
    assert.deepEqual(Buffer.from(raw[0] ?? []), garbage);
    assert.deepEqual(
      corrupt.map(({ startOffset, records, code }) => [startOffset, records, code]),
      [[3, 4, 'SEGMENT_CORRUPT']],
    );
  }
});

test('of a payload that cannot be decompressed what another has committed is not quarantined again', async () => {
  const whole = segmentOfBatches([batchOf([0, 1, 2, 3])], 0);
  const segment: Segment = { ...whole, codec: 'lz4', payload: Buffer.from('no payload') };
  const { quarantine } = await transform(segment, {}, 2);
  assert.deepEqual(quarantine, [
    [2, 'SEGMENT_CORRUPT'],
    [3, 'SEGMENT_CORRUPT'],
  ]);
});
