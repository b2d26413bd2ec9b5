// A config with other topics for a table, as a running collector takes it: what came and went is said, and
// what cannot be taken yet is refused before anything has changed. A real sequencer, a ledger in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { TableSet } from '@sluice/collector/table-set.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { eventually } from '../support/eventually.ts';
import { rangeSegment } from '../support/fake-spool.ts';
import { recordingLogger } from '../support/recording-logger.ts';
import { declaredOf, linkOf, sequencerOf } from '../support/sequencer-harness.ts';

async function running(topics: readonly string[]) {
  const parts = sequencerOf({ tables: [{ name: 'sales', topics }] });
  const { sequencer, lanes, writers } = parts;
  const [standing] = lanes;
  assert.ok(standing);
  const log = recordingLogger();
  const { lane } = standing;
  const set = new TableSet([lane.table], {
    events: createEvents(log, createMetrics()),
    drainMs: 60_000,
    create: () => ({ ...standing, fits: async () => {}, configure: (table) => lane.configure(table) }),
    fits: async () => {},
    sequencer: () => sequencer,
  });
  const link = linkOf();
  await sequencer.declare(
    link,
    topics.map((topic) => declaredOf(0, topic)),
  );
  const take = async (...next: string[]) => {
    const table = { ...lane.table, topics: next, configVersion: next.join() } as TableConfig;
    const change = { added: [], changed: [table], removed: [] };
    const problems = await set.unfit(change);
    if (problems.length === 0) set.change(change);
    return problems;
  };
  const send = (topic: string, start: number, end: number) =>
    sequencer.segment(link, rangeSegment(start, end, { topic }), 0);
  return { take, send, log, lane, writer: writers['sales'] ?? assert.fail() };
}

test('a topic that goes is said with where it stands, when all that came of it is written', async () => {
  const { take, send, log, lane } = await running(['orders', 'returns']);
  send('orders', 0, 10);
  send('returns', 0, 4);
  await take('orders');
  assert.deepEqual(log.said(/topic taken out of a table/), [{ table: 'sales', topic: 'returns' }]);
  await eventually('it is removed', () => log.said(/topic removed from a table:/).length === 1);
  assert.deepEqual(log.said(/topic removed from a table:/), [
    { table: 'sales', topic: 'returns', at: ['returns-0@4'] },
  ]);
  await take('orders', 'returns');
  await eventually('it is taken in', () => log.lines.length > 0 && lane.topics.takes('returns'));
});

test('a topic that is still leaving is not taken back, and nothing has changed then', async () => {
  const { take, send, writer, lane } = await running(['orders', 'returns']);
  send('returns', 0, 4);
  const gate = Promise.withResolvers<void>();
  writer.before = () => gate.promise;
  await take('orders');
  const [problem] = await take('orders', 'returns');
  assert.equal(problem?.path, 'tables.sales.topics');
  assert.match(problem?.message ?? '', /topic returns was taken out before, .* still written/);
  assert.deepEqual(lane.topics.named(), ['orders']);
  gate.resolve();
  await eventually('it is written', () => lane.topics.leaving().length === 0);
  await take('orders', 'returns');
  assert.deepEqual(lane.topics.named(), ['orders', 'returns']);
});

test('a topic of a table that cannot be written is given up by name', async () => {
  const { take, send, writer, log } = await running(['orders', 'returns']);
  send('returns', 0, 4);
  writer.before = () => new Promise(() => {});
  writer.enter('parked', 'STORE_DENIED');
  await take('orders');
  await eventually('it is given up', () => log.said(/before all that came of it was written/).length === 1);
  assert.deepEqual(log.said(/before all that came of it was written/), [
    { table: 'sales', topic: 'returns', at: ['returns-0@0'], reason: 'STORE_DENIED' },
  ]);
});

test('a config that changes something else leaves the open window open', async () => {
  const { take, send, lane } = await running(['orders', 'returns']);
  send('orders', 0, 10);
  await take('orders', 'returns');
  assert.equal(lane.status().openSegments, 1);
});
