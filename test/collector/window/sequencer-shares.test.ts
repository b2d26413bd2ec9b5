// A table that waits stops its own topic and nothing else: shares of staging, and streams that are told what
// to keep.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WINDOWS_IN_FLIGHT_MAX } from '@sluice/collector/window/table-lane.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { declared, declaredOf, linkOf, rest, sequencerOf } from '../../support/sequencer-harness.ts';

const twoTopics = [{ name: 'claims' }, { name: 'orders', topic: 'orders' }];
const order = (start: number, next: number) => rangeSegment(start, next, { topic: 'orders' });

test('at three quarters of the staging budget the largest window closes; what is left is the room', async () => {
  const parts = sequencerOf({ tables: twoTopics, bytesMax: 100 });
  parts.transformer.immediate = false;
  const { send, sequencer, link, lanes } = await declared(parts);
  await sequencer.declare(link, [declaredOf(0, 'orders')]);
  sequencer.segment(link, order(0, 30), 0);
  send(0, 40);
  assert.deepEqual(
    lanes.map(({ lane }) => lane.openBytes()),
    [40, 30],
  );
  assert.equal(sequencer.room(), 30);
  sequencer.segment(link, order(30, 35), 0);
  assert.deepEqual(
    lanes.map(({ lane }) => lane.openBytes()),
    [0, 35],
  );
  assert.equal(sequencer.room(), 25);
});

test('where the largest window may not close, the next one does', async () => {
  const parts = sequencerOf({ tables: twoTopics, bytesMax: 100 });
  parts.transformer.immediate = false;
  const { send, sequencer, link, lanes } = await declared(parts);
  await sequencer.declare(link, [declaredOf(0, 'orders')]);
  for (let i = 0; i < WINDOWS_IN_FLIGHT_MAX; i++) {
    send(i * 5, i * 5 + 5);
    lanes[0]?.lane.close('time');
  }
  send(20, 60);
  sequencer.segment(link, order(0, 20), 0);
  assert.deepEqual(
    lanes.map(({ lane }) => lane.openBytes()),
    [40, 0],
  );
});

test('a table that is stuck holds its own topic and nobody else’s, and lets it go again', async () => {
  const parts = sequencerOf({ tables: twoTopics, windowBytes: 10 });
  parts.transformer.immediate = false;
  const { send, sequencer, link, lanes, writers } = await declared(parts);
  const other = linkOf();
  await sequencer.declare(other, [declaredOf(0, 'orders')]);
  for (let i = 0; i < WINDOWS_IN_FLIGHT_MAX; i++) send(i * 10, i * 10 + 10);
  assert.deepEqual(link.told, ['hold claims']);
  assert.deepEqual(other.told, []);
  assert.ok(sequencer.room() > 0, 'credit is for all topics');
  assert.equal(sequencer.segment(other, order(0, 5), 0), 'staged');
  const late = linkOf();
  await sequencer.declare(late, [declaredOf()]);
  assert.deepEqual(late.told, ['hold claims'], 'a new stream hears it before its Welcome');
  await eventually('all are transformed', () => parts.transformer.waiting.length === WINDOWS_IN_FLIGHT_MAX);
  parts.transformer.immediate = true;
  for (const { finish } of parts.transformer.waiting) finish();
  await rest({ lanes });
  assert.equal(writers['claims']?.position(declaredOf()), 40);
  for (const one of [link, late])
    assert.equal(one.told.filter((word) => /hold|release/.test(word)).at(-1), 'release claims');
});

test('where there are several topics none may use more than half of the staging budget', async () => {
  const parts = sequencerOf({ tables: twoTopics, bytesMax: 100 });
  parts.transformer.immediate = false;
  const { send, sequencer, link, lanes } = await declared(parts);
  send(0, 49);
  assert.deepEqual(link.told, []);
  send(49, 50);
  assert.deepEqual(link.told, ['hold claims']);
  assert.equal(sequencer.room(), 50);
  parts.transformer.immediate = true;
  for (const { lane } of lanes) lane.close('drain');
  await rest({ lanes });
  assert.deepEqual(link.told, ['hold claims', 'committed claims-0 50', 'release claims']);
  const alone = await declared(sequencerOf({ bytesMax: 100 }));
  alone.send(0, 70);
  assert.deepEqual(alone.link.told, [], 'a topic alone has it all');
});

test('a hold that ends is told to every stream that heard of it, also to one that gave the topic up meanwhile', async () => {
  const parts = sequencerOf({ tables: twoTopics, windowBytes: 10 });
  parts.transformer.immediate = false;
  const { send, sequencer, link, lanes } = await declared(parts);
  for (let i = 0; i < WINDOWS_IN_FLIGHT_MAX; i++) send(i * 10, i * 10 + 10);
  assert.deepEqual(link.told, ['hold claims']);
  sequencer.revoke(link, [declaredOf()]);
  await eventually('all are transformed', () => parts.transformer.waiting.length === WINDOWS_IN_FLIGHT_MAX);
  parts.transformer.immediate = true;
  for (const { finish } of parts.transformer.waiting) finish();
  await rest({ lanes });
  assert.ok(link.told.includes('release claims'), link.told.join());
});
