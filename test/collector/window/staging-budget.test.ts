// Bytes between link and ledger: counted once however many tables read them, and free when the last has
// committed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStagingBudget, TopicStaging } from '@sluice/collector/window/staging-budget.ts';
import fc from 'fast-check';

test('a segment of several tables is counted once, until the last of them lets go', () => {
  const freed: number[] = [];
  const budget = createStagingBudget(100, (bytes) => freed.push(bytes));
  const held = budget.take(30, 3);
  assert.equal(budget.room(), 70);
  held.release();
  held.release();
  assert.deepEqual([budget.bytes(), freed], [30, []]);
  held.release();
  assert.deepEqual([budget.bytes(), freed], [0, [30]]);
});

test('pressed from three quarters on, without room from the whole on, and never less than none', () => {
  const budget = createStagingBudget(100, () => {});
  budget.take(74, 1);
  assert.equal(budget.isPressed(), false);
  budget.take(1, 1);
  assert.equal(budget.isPressed(), true);
  budget.take(50, 1);
  assert.equal(budget.room(), 0);
});

test('whatever is taken and released, what is held is what was not released', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 4 }), fc.nat(5))), (takes) => {
      const budget = createStagingBudget(1_000, () => {});
      let held = 0;
      for (const [bytes, holders, releases] of takes) {
        const taken = budget.take(bytes, holders);
        for (let i = 0; i < Math.min(releases, holders); i++) taken.release();
        if (releases < holders) held += bytes;
      }
      assert.equal(budget.bytes(), held);
    }),
  );
});

test('a payload is kept once for all tables of a segment, and let go with the last of them', () => {
  const told: string[] = [];
  const stored = { byteLength: 30, read: async () => new Uint8Array(30) };
  const keep = ({ byteLength }: Uint8Array) => {
    told.push(`kept ${byteLength}`);
    return { stored, drop: () => void told.push('let go') };
  };
  const topics = new TopicStaging(
    createStagingBudget(100, () => {}, { keep }),
    () => {},
  );
  const held = topics.take({ topic: 'claims', payload: new Uint8Array(30) }, 2);
  assert.equal(held.stored, stored);
  held.release();
  assert.deepEqual(told, ['kept 30']);
  held.release();
  assert.deepEqual(told, ['kept 30', 'let go']);
});
