// Partitions whose tables cannot be opened yet: each is welcomed when they are, whatever is declared later.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { declaredOf, linkOf, sequencerOf } from '../../support/sequencer-harness.ts';

test('what is declared later leaves the topic’s other partitions waiting for their Welcome', async () => {
  const parts = sequencerOf();
  const writer = parts.writers['claims'];
  assert.ok(writer);
  const { open } = writer;
  const gate = Promise.withResolvers<void>();
  writer.open = async (partitions) => {
    await gate.promise;
    await open(partitions);
  };
  const link = linkOf();
  for (const partition of [0, 1]) {
    const declaring = parts.sequencer.declare(link, [declaredOf(partition)]);
    await parts.clock.advance(5_000);
    assert.deepEqual(await declaring, []);
  }
  gate.resolve();
  await eventually('both are welcomed', () => link.told.length === 2);
  assert.deepEqual([...link.told].sort(), ['welcomed claims-0 0', 'welcomed claims-1 0']);
});
