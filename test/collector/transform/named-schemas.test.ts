// A batch whose values name many schemas that are new: they are asked for in one go, and the batch is read
// as often as one that names a single one.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { ColumnChunk } from '@sluice/collector/transform/columns.ts';
import {
  type AskSchema,
  SchemaShelf,
  WINDOW_SCHEMAS_MAX,
} from '@sluice/collector/transform/decode/schemas.ts';
import { Places } from '@sluice/collector/transform/places.ts';
import { StatementWatches } from '@sluice/collector/transform/statement-watch.ts';
import { WindowSurvey } from '@sluice/collector/transform/window-survey.ts';
import { WindowTransform } from '@sluice/collector/transform/window-transform.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { segmentOfRecords } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const schema = '{"type":"record","name":"r","fields":[{"name":"n","type":"long"}]}';
const table: TableConfig = {
  ...plainTable,
  input: { kind: 'avro', framing: 'confluent' },
  columns: [{ name: 'n', type: 'bigint' }],
};

/** One batch of values {n: 1}, each of which names the schema of its id. */
function batchNaming(ids: readonly number[]) {
  const records = ids.map((id, offset) => {
    const value = Buffer.of(0, 0, 0, 0, 0, 2);
    value.writeUInt32BE(id, 1);
    return { offset, timestamp: 0, key: null, value, headers: [] };
  });
  return { segment: segmentOfRecords(records), fromOffset: 0 };
}

/** Ids that are asked for, and how often batches are read. */
function watched(t: TestContext, asks: (id: string) => void = () => {}) {
  const asked: string[] = [];
  const reads = t.mock.method(ColumnChunk.prototype, 'appendBatch').mock;
  const askSchema: AskSchema = async ({ id }) => {
    asked.push(id);
    asks(id);
    return id === '13' ? undefined : { type: 'AVRO', schema, references: [] };
  };
  return { asked, reads, parts: { shelf: new SchemaShelf(), askSchema } };
}

function opened(parts: ReturnType<typeof watched>['parts']) {
  const limits = { memoryBytesMax: 256e6, threads: 1 };
  const request = { table, references: {}, openedMs: 0, directory: temporaryDirectory() };
  const clock = systemClock;
  const watches = new StatementWatches({ clock, cpuMs: () => 0 });
  return WindowTransform.open(request, { ...parts, limits, clock, watches, statements: new Places(1) });
}

const ids = Array.from({ length: 200 }, (_, i) => i + 1);

test('a batch that names two hundred new schemas is read three times, and each is asked for once', async (t) => {
  const { asked, reads, parts } = watched(t);
  const window = await opened(parts);
  await window.add(batchNaming([...ids, ...ids]));
  assert.equal(reads.callCount(), 3);
  assert.deepEqual(asked, ids.map(String));
  const { classes } = await window.finish();
  assert.deepEqual(classes, { in: 400, emitted: 398, merged: 0, filtered: 0, quarantined: 2 });
  await window.close();
});

test('a survey reads a batch as seldom', async (t) => {
  const { asked, reads, parts } = watched(t);
  const survey = new WindowSurvey({ table, contract: undefined }, parts);
  await survey.add(batchNaming([...ids, ...ids]));
  assert.equal(reads.callCount(), 3);
  assert.deepEqual(asked, ids.map(String));
});

test('no more are asked for than a window may name, and a question that failed is asked again', async (t) => {
  let down = true;
  const { asked, reads, parts } = watched(t, () => {
    if (down) throw new Error('no agent is connected');
  });
  const many = batchNaming(Array.from({ length: WINDOW_SCHEMAS_MAX + 50 }, (_, i) => 1_000 + i));
  const first = await opened(parts);
  await assert.rejects(first.add(many), /no agent is connected/);
  await first.close();
  assert.deepEqual(asked, ['1000']);
  down = false;
  const window = await opened(parts);
  await window.add(many);
  const { classes } = await window.finish();
  assert.equal(classes.quarantined, 50);
  assert.equal(asked.length, 1 + WINDOW_SCHEMAS_MAX);
  assert.equal(reads.callCount(), 5);
  await window.close();
});
