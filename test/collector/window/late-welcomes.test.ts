// Partitions whose tables cannot be opened yet: each is welcomed when they are, whatever is declared later.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { settle } from '../../support/manual-clock.ts';
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

/** Answers to `refresh`, given in the order in which they were asked for. */
function gatedRefresh() {
  const gates: PromiseWithResolvers<void>[] = [];
  const refresh = () => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    return gate.promise;
  };
  return { gates, refresh };
}

test('a stream whose answer was due while a ledger was read for another one is welcomed behind that', async () => {
  const parts = sequencerOf({ tables: [{ name: 'one' }, { name: 'other' }] });
  const { one, other } = parts.writers;
  assert.ok(one && other);
  const [reads, slow] = [gatedRefresh(), gatedRefresh()];
  one.refresh = reads.refresh;
  other.refresh = slow.refresh;
  const [first, second] = [linkOf(), linkOf()];
  const declaring = parts.sequencer.declare(first, [declaredOf()]);
  reads.gates[0]?.resolve();
  await parts.clock.advance(5_000);
  assert.deepEqual(await declaring, [], 'one of its tables is slow');
  const after = parts.sequencer.declare(second, [declaredOf(1)]);
  await settle();
  for (const { resolve } of slow.gates) resolve();
  await settle();
  assert.deepEqual(first.told, [], 'the other one’s ledger is read again just now');
  reads.gates[1]?.resolve();
  await after;
  await eventually('it is welcomed', () => first.told.includes('welcomed claims-0 0'));
});

test('of a table that comes back everything is opened already, and its ledger is read all the same', async () => {
  const parts = sequencerOf();
  const { sequencer, create } = parts;
  (parts.writers['claims'] ?? assert.fail()).place(declaredOf(), 7);
  const back = create({ name: 'back' }, true);
  back.writer.place(declaredOf(), 7);
  const { gates, refresh } = gatedRefresh();
  back.writer.refresh = refresh;
  await sequencer.declare(linkOf(), [declaredOf()]);
  sequencer.add(back);
  await settle();
  assert.notEqual(back.lane.detachedSinceMs(), undefined, 'not before it is read');
  assert.equal(gates.length, 1);
  gates[0]?.resolve();
  await eventually('it is waited for', () => back.lane.detachedSinceMs() === undefined);
  back.writer.refresh = () => Promise.resolve();
  const link = linkOf();
  const [position] = await sequencer.declare(link, [declaredOf()]);
  assert.equal(position?.current, true);
});
