// Which agent may send which topic.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKnownAgent, maySend } from '@sluice/collector/ingest/authorization.ts';

const grants = [
  { id: 'plant-7', topics: ['claims', 'orders.*'] },
  { id: 'plant-7', topics: ['extra'] },
  { id: 'test-*', topics: ['*'] },
];

test('an agent may send the topics it is granted, by name or by prefix, and no other', () => {
  const may = (topic: string) => maySend(grants, 'plant-7', topic);
  assert.deepEqual(['claims', 'orders.eu', 'orders.', 'extra'].map(may), [true, true, true, true]);
  assert.deepEqual(['claims2', 'claim', 'orders', 'ordersX', '', 'Claims'].map(may), Array(6).fill(false));
});

test('a name with a star stands for agents too; a name without one for itself alone', () => {
  assert.ok(isKnownAgent(grants, 'test-1') && maySend(grants, 'test-1', 'anything'));
  assert.ok(isKnownAgent(grants, 'plant-7'));
  for (const id of ['plant-70', 'plant', 'test', '', 'Plant-7']) {
    assert.equal(isKnownAgent(grants, id), false, id);
    assert.equal(maySend(grants, id, 'claims'), false, id);
  }
});

test('a star is only one at the end', () => {
  assert.equal(maySend([{ id: 'a', topics: ['*.eu', 'a*b'] }], 'a', 'orders.eu'), false);
  assert.equal(maySend([{ id: 'a', topics: ['a*b'] }], 'a', 'axb'), false);
  assert.ok(maySend([{ id: 'a', topics: ['a*b'] }], 'a', 'a*b'));
});
