// Topics that a config change brings to a running collector, or takes from it: nobody is told of a commit
// before some table's ledger says so, and nothing of a topic that is gone is kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isForgotten } from '../../support/forgotten.ts';
import { settle } from '../../support/manual-clock.ts';
import { declaredOf, linkOf, sequencerOf } from '../../support/sequencer-harness.ts';

const ORDERS = declaredOf(0, 'orders');
const committed = (told: readonly string[]) => told.filter((word) => word.startsWith('committed orders'));

async function withOrders(wanted: object = {}) {
  const parts = sequencerOf({ tables: [{ name: 'claims' }] });
  const orders = parts.create({ name: 'orders', topic: 'orders', ...wanted }, true);
  return { ...parts, orders };
}

test('of a topic whose first table is still read nobody is told where it stands, and then where that begins', async () => {
  const { sequencer, orders, clock } = await withOrders({ startAt: 'earliest' });
  orders.writer.enter('loading');
  sequencer.add(orders);
  const link = linkOf();
  assert.deepEqual(await sequencer.declare(link, [ORDERS]), []);
  assert.deepEqual(link.told, []);
  orders.writer.enter('ready');
  await settle();
  await clock.advance(0);
  assert.equal(orders.lane.detachedSinceMs(), undefined);
  assert.deepEqual(link.told, ['welcomed orders-0 0']);
});

test('of a topic that only a table reads which never could be written nothing is acknowledged', async () => {
  const { sequencer, orders } = await withOrders();
  orders.writer.enter('loading');
  sequencer.add(orders);
  const link = linkOf();
  await sequencer.declare(link, [ORDERS]);
  orders.writer.place(ORDERS, 10);
  orders.writer.ackAll();
  void sequencer.remove(orders, 60_000);
  orders.writer.ackAll();
  await settle();
  assert.deepEqual(committed(link.told), []);
});

test('a topic that goes while its table opens it is refused, and never said to be committed', async () => {
  const { sequencer, orders, clock } = await withOrders();
  sequencer.add(orders);
  await settle();
  const opened = Promise.withResolvers<void>();
  const { open } = orders.writer;
  orders.writer.open = (partitions) => opened.promise.then(() => open(partitions));
  const link = linkOf();
  const [late, soon] = [sequencer.declare(link, [ORDERS]), sequencer.declare(linkOf(), [ORDERS])];
  await clock.advance(5_000);
  assert.deepEqual(await late, []);
  const third = linkOf();
  const during = sequencer.declare(third, [ORDERS]);
  await sequencer.remove(orders, 60_000);
  opened.resolve();
  await soon;
  assert.deepEqual(await during, []);
  await settle();
  for (const { told } of [link, third]) {
    assert.ok(told.includes('refused orders LINK_TOPIC_REFUSED'), told.join());
    assert.deepEqual([...committed(told), ...told.filter((word) => word.startsWith('welcomed'))], []);
  }
});

test('a table that takes another’s place is waited for: nobody is told of more than the one before had', async () => {
  const { sequencer, orders, create, clock } = await withOrders({ startAt: 'earliest' });
  sequencer.add(orders);
  await settle();
  const link = linkOf();
  await sequencer.declare(link, [ORDERS]);
  const other = create({ name: 'orders_v2', topic: 'orders' }, true);
  other.writer.enter('loading');
  const removed = sequencer.remove(orders, 60_000);
  sequencer.add(other);
  await removed;
  await clock.advance(0);
  assert.deepEqual(committed(link.told), ['committed orders-0 0']);
});

test('nothing is kept of a topic that went, while the streams that declared it go on', async () => {
  const { sequencer, orders, clock } = await withOrders({ backfill: 'earliest' });
  sequencer.add(orders);
  await settle();
  orders.writer.place(ORDERS, 4_000);
  const link = linkOf();
  const declare = async () => {
    const declared = { ...ORDERS };
    await sequencer.declare(link, [declared]);
    return new WeakRef(declared);
  };
  const declared = await declare();
  await clock.advance(0);
  assert.match(link.told.join(), /history orders-0/);
  await sequencer.remove(orders, 60_000);
  await clock.advance(60_000);
  assert.ok(await isForgotten(declared));
});

test('nothing is kept either of a topic that went before it was open', async () => {
  const { sequencer, orders, clock } = await withOrders();
  sequencer.add(orders);
  await settle();
  const opened = Promise.withResolvers<void>();
  orders.writer.open = () => opened.promise;
  const declare = async () => {
    const declared = { ...ORDERS };
    const answer = sequencer.declare(linkOf(), [declared]);
    await clock.advance(5_000);
    assert.deepEqual(await answer, []);
    return new WeakRef(declared);
  };
  const declared = await declare();
  opened.resolve();
  await settle();
  await sequencer.remove(orders, 60_000);
  await clock.advance(60_000);
  assert.ok(await isForgotten(declared));
});
