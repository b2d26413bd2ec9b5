// One order per partition: what is here is skipped, what is next is taken, a hole is asked for once. Real
// lanes, a ledger in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionId } from '@sluice/shared/position.ts';
import fc from 'fast-check';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import type { WriterDouble } from '../../support/lane-doubles.ts';
import { settle } from '../../support/manual-clock.ts';
import {
  declared,
  declaredOf,
  type LinkDouble,
  linkOf,
  rest,
  sequencerOf,
} from '../../support/sequencer-harness.ts';

test('what is here is skipped, what is next is taken, what begins before is cut', async () => {
  const { send, lanes } = await declared();
  assert.equal(send(0, 10), 'staged');
  assert.equal(send(0, 10), 'skipped');
  assert.equal(send(3, 8), 'skipped');
  assert.equal(send(5, 15), 'staged');
  assert.equal(lanes[0]?.lane.next(declaredOf()), 15);
});

test('a hole is asked for once, with an epoch; what was on its way is dropped in silence', async () => {
  const { send, link } = await declared();
  send(0, 10);
  assert.equal(send(20, 30), 'rewound');
  assert.deepEqual(link.told, ['rewind claims-0 10 epoch 1']);
  assert.equal(send(30, 40), 'stale');
  assert.equal(send(10, 20), 'stale');
  assert.equal(link.told.length, 1, 'one outstanding');
  assert.equal(send(10, 20, 1), 'staged');
  assert.equal(send(20, 30, 1), 'staged');
  assert.equal(send(50, 60, 1), 'rewound');
  assert.deepEqual(link.told[1], 'rewind claims-0 30 epoch 2');
});

test('a stream that is asked for a hole makes nothing stale of what another sends', async () => {
  const { send, link, sequencer } = await declared();
  const other = linkOf();
  await sequencer.declare(other, [declaredOf()]);
  assert.equal(send(20, 30), 'rewound');
  assert.equal(send(0, 10, 0, other), 'staged');
  assert.equal(send(10, 20, 0), 'stale');
  assert.equal(send(10, 20, 1), 'staged');
  assert.deepEqual(link.told, ['rewind claims-0 0 epoch 1']);
  assert.deepEqual(other.told, []);
});

test('a reconnect to the same collector resends nothing', async () => {
  const { send, link, sequencer, writers } = await declared();
  send(0, 10);
  send(40, 50);
  sequencer.disconnected(link);
  const again = linkOf();
  const [position] = await sequencer.declare(again, [declaredOf()]);
  assert.deepEqual(
    [position?.committed, position?.received, position?.rewindEpoch],
    [0, 10, 0],
    'received is what is staged here',
  );
  assert.equal(send(10, 20, 1), 'stale', 'the old stream is over');
  assert.equal(send(10, 20, 0, again), 'staged');
  assert.equal(writers['claims']?.opened.length, 1, 'opened once');
});

test('a revoked partition is not taken any more, and its stream still hears what leaves its spool', async () => {
  const { send, link, sequencer, lanes } = await declared();
  send(0, 10);
  sequencer.revoke(link, [declaredOf()]);
  assert.equal(send(10, 20), 'stale');
  lanes[0]?.lane.close('drain');
  await rest({ lanes });
  assert.deepEqual(link.told, ['committed claims-0 10']);
});

test('two streams of one partition feed one order: whoever brings what is next is taken', async () => {
  const { send, sequencer } = await declared();
  const other = linkOf();
  await sequencer.declare(other, [declaredOf()]);
  assert.equal(send(0, 10), 'staged');
  assert.equal(send(0, 10, 0, other), 'skipped');
  assert.equal(send(10, 20, 0, other), 'staged');
  assert.equal(send(10, 20), 'skipped');
});

test('tables of one topic at different places get what each lacks, and the least of them is acknowledged', async () => {
  const parts = sequencerOf({ tables: [{ name: 'fast' }, { name: 'slow' }] });
  const [fast, slow] = [parts.writers['fast'], parts.writers['slow']];
  fast?.place(declaredOf(), 10);
  slow?.place(declaredOf(), 4);
  const { send, position, link, lanes } = await declared(parts);
  assert.deepEqual([position?.committed, position?.received], [4, 4]);
  assert.equal(send(4, 8), 'staged');
  assert.deepEqual(
    lanes.map(({ lane }) => lane.openBytes()),
    [0, 4],
    'only one of them lacks it',
  );
  assert.equal(send(8, 14), 'staged');
  for (const { lane } of lanes) lane.close('drain');
  await rest({ lanes });
  assert.deepEqual(fast?.log, ['claims-0 [10, 14)']);
  assert.deepEqual(slow?.log, ['claims-0 [4, 14)']);
  assert.equal(link.told.at(-1), 'committed claims-0 14');
  assert.equal(parts.budget.bytes(), 0);
});

test('nobody is told of a commit before every table of the topic has published it', async () => {
  const parts = sequencerOf({ tables: [{ name: 'fast' }, { name: 'slow' }] });
  if (parts.writers['slow'] !== undefined) parts.writers['slow'].acksLater = true;
  const { send, link, lanes, writers } = await declared(parts);
  send(0, 10);
  for (const { lane } of lanes) lane.close('drain');
  await rest({ lanes });
  assert.ok(
    link.told.every((word) => word === 'committed claims-0 0'),
    link.told.join(),
  );
  writers['slow']?.ackAll();
  assert.equal(link.told.at(-1), 'committed claims-0 10');
});

test('a topic without a table is refused by name, and its neighbours are welcomed', async () => {
  const { sequencer } = sequencerOf();
  const link = linkOf();
  const positions = await sequencer.declare(link, [declaredOf(0, 'orders'), declaredOf()]);
  assert.deepEqual(
    positions.map(({ topic }) => topic),
    ['claims'],
  );
  assert.deepEqual(link.told, ['refused orders LINK_TOPIC_REFUSED']);
});

test('a table that cannot be opened is not welcomed, and is with the next declaration', async () => {
  const { sequencer, writers } = sequencerOf({
    tables: [{ name: 'claims' }, { name: 'orders', topic: 'orders' }],
  });
  const writer = writers['claims'] as WriterDouble;
  const { open } = writer;
  writer.open = () => Promise.reject(new Error('the ledger is not loaded'));
  const link = linkOf();
  const first = await sequencer.declare(link, [declaredOf(), declaredOf(0, 'orders')]);
  assert.deepEqual(
    first.map(({ topic }) => topic),
    ['orders'],
  );
  writer.open = open;
  const second = await sequencer.declare(link, [declaredOf()]);
  assert.deepEqual(
    second.map(({ topic }) => topic),
    ['claims'],
  );
});

test('a table that never opens its partition keeps no neighbour waiting, and is welcomed once it does', async () => {
  const parts = sequencerOf({
    tables: [
      { name: 'parked', topic: 'a' },
      { name: 'fine', topic: 'b' },
    ],
  });
  const writer = parts.writers['parked'];
  assert.ok(writer);
  const { open } = writer;
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  writer.open = async (partitions) => {
    asked++;
    await gate.promise;
    await open(partitions);
  };
  const declare = async (link: LinkDouble) => {
    const declared = parts.sequencer.declare(link, [declaredOf(0, 'a'), declaredOf(0, 'b')]);
    await eventually('the table is asked', () => asked === 1);
    await parts.clock.advance(5_000);
    return await declared;
  };
  const [gone, link, revoked] = [linkOf(), linkOf(), linkOf()];
  for (const one of [gone, link, revoked])
    assert.deepEqual(
      (await declare(one)).map(({ topic }) => topic),
      ['b'],
      'the neighbour is welcomed',
    );
  parts.sequencer.disconnected(gone);
  parts.sequencer.revoke(revoked, [declaredOf(0, 'a')]);
  gate.resolve();
  await eventually('it is welcomed', () => link.told.length === 1);
  assert.deepEqual(link.told, ['welcomed a-0 0']);
  // Its spool may hold what is committed here: that much it hears.
  assert.deepEqual([gone.told, revoked.told, asked], [[], ['committed a-0 0'], 1]);
});

test('a stream that ended while its partitions were opened is not told what is held', async () => {
  const { sequencer, lanes, link: other, send } = await declared();
  const { lane, writer } = lanes[0] ?? assert.fail();
  const gate = Promise.withResolvers<void>();
  writer.refresh = () => gate.promise;
  const link = linkOf();
  const positions = sequencer.declare(link, [declaredOf()]);
  lane.blocked = () => 'its ledger is halted';
  send(0, 1);
  sequencer.disconnected(link);
  gate.resolve();
  assert.deepEqual(await positions, []);
  assert.deepEqual(other.told, ['hold claims']);
  assert.deepEqual(link.told, []);
});

test('a topic created again is read from its log start, beside its old self', async () => {
  const { sequencer, writers } = await declared(
    sequencerOf({ tables: [{ name: 'claims', startAt: 'latest' }] }),
  );
  const fresh = { ...declaredOf(), topicId: 'a'.repeat(32), logStart: 7, logEnd: 90 };
  await sequencer.declare(linkOf(), [fresh]);
  assert.deepEqual(
    writers['claims']?.opened.map(({ start }) => start),
    [1_000, 7],
  );
});

test('a gap that is next is recorded by every table that lacks it, one that is not is asked about', async () => {
  const { sequencer, link, writers, send, lanes } = await declared();
  const gap = (startOffset: number, nextOffset: number, epoch = 0) =>
    sequencer.gap(link, { ...declaredOf(), startOffset, nextOffset, reason: 'retention' }, epoch);
  send(0, 10);
  gap(10, 30);
  gap(10, 30);
  await rest({ lanes });
  assert.deepEqual(writers['claims']?.log, ['claims-0 [0, 10)', 'gap claims-0 [10, 30)']);
  gap(40, 50);
  assert.equal(link.told.at(-1), 'rewind claims-0 30 epoch 1');
  gap(20, 50, 1);
  await rest({ lanes });
  assert.equal(writers['claims']?.log.at(-1), 'gap claims-0 [30, 50)');
});

test('the end of the last stream closes the window at once, and no more than every five seconds', async () => {
  const parts = await declared();
  const { clock, sequencer, lanes } = parts;
  const lane = lanes[0]?.lane;
  let { link } = parts;
  const reconnect = async (start: number) => {
    sequencer.disconnected(link);
    await clock.advance(0);
    const open = lane?.openBytes() ?? 0;
    link = linkOf();
    await sequencer.declare(link, [declaredOf()]);
    parts.sequencer.segment(link, rangeSegment(start, start + 10), 0);
    return open;
  };
  parts.send(0, 10);
  assert.equal(await reconnect(10), 0, 'closed');
  await clock.advance(1_000);
  assert.equal(await reconnect(20), 10, 'one second later the window stays open');
  sequencer.disconnected(link);
  await clock.advance(3_998);
  assert.equal(lane?.openBytes(), 20);
  await clock.advance(2);
  assert.equal(lane?.openBytes(), 0, 'five seconds after the last');
});

/** Whether the stream may end by now. */
function finishing({ sequencer, clock, lanes, link }: Awaited<ReturnType<typeof declared>>) {
  let over = false;
  void sequencer.finish(link).then(() => {
    over = true;
  });
  return async () => {
    await clock.advance(0);
    await rest({ lanes });
    await settle();
    return over;
  };
}

test('a stream that sends nothing more closes its windows and no others, and waits until they are acknowledged', async () => {
  const parts = await declared(
    sequencerOf({ tables: [{ name: 'claims' }, { name: 'orders', topic: 'orders' }] }),
  );
  const { sequencer, link, lanes, writers, send } = parts;
  const [claims, orders] = [writers['claims'] as WriterDouble, lanes[1]?.lane];
  const other = linkOf();
  await sequencer.declare(other, [declaredOf(1), declaredOf(0, 'orders')]);
  send(0, 10);
  sequencer.segment(other, rangeSegment(0, 10, { topic: 'orders' }), 0);
  claims.acksLater = true;
  const mayEnd = finishing(parts);
  assert.equal(await mayEnd(), false);
  assert.deepEqual(claims.log, ['claims-0 [0, 10)'], 'although another stream feeds the table');
  assert.equal(orders?.openBytes(), 10);
  claims.ackAll();
  assert.equal(await mayEnd(), true);
  assert.deepEqual(link.told, ['committed claims-0 10']);
});

test('a stream that has brought nothing, or is lost meanwhile, is not waited for', async () => {
  const idle = await declared();
  assert.equal(await finishing(idle)(), true);
  const lost = await declared();
  (lost.writers['claims'] as WriterDouble).acksLater = true;
  lost.send(0, 10);
  const mayEnd = finishing(lost);
  assert.equal(await mayEnd(), false);
  lost.sequencer.disconnected(lost.link);
  assert.equal(await mayEnd(), true);
});

test('a table that only an operator can help keeps no stream from ending', async () => {
  const parked = await declared();
  const writer = parked.writers['claims'] as WriterDouble;
  writer.acksLater = true;
  const status = writer.status();
  writer.status = () => ({ ...status, state: 'parked' });
  parked.send(0, 10);
  assert.equal(await finishing(parked)(), true);
  const halted = await declared();
  halted.transformer.miscount = 1;
  halted.send(0, 10);
  assert.equal(await finishing(halted)(), true);
});

test('a stream that comes back before its window was closed finds it open', async () => {
  const { sequencer, link, clock, lanes, send } = await declared();
  send(0, 10);
  sequencer.disconnected(link);
  await sequencer.declare(linkOf(), [declaredOf()]);
  await clock.advance(10_000);
  assert.equal(lanes[0]?.lane.openBytes(), 10);
});

test('while another stream feeds the table, its window stays open', async () => {
  const { sequencer, link, clock, lanes, send } = await declared();
  await sequencer.declare(linkOf(), [declaredOf(1)]);
  send(0, 10);
  sequencer.disconnected(link);
  await clock.advance(10_000);
  assert.equal(lanes[0]?.lane.openBytes(), 10);
});

const step = fc.record({
  kind: fc.constantFrom('next', 'again', 'hole', 'reconnect', 'close'),
  n: fc.nat(9),
});

test('whatever arrives, what is committed is contiguous and every byte is let go', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { sequencer, writers, lanes, budget } = sequencerOf({ tables: [{ name: 'a' }, { name: 'b' }] });
      writers['a']?.place(declaredOf(), 3);
      let link = linkOf();
      await sequencer.declare(link, [declaredOf()]);
      const place = async () => (await sequencer.declare(link, [declaredOf()]))[0];
      for (const { kind, n } of steps) {
        const { received = 0, rewindEpoch = 0 } = (await place()) ?? {};
        const start =
          kind === 'hole' ? received + 1 + n : kind === 'again' ? Math.max(0, received - n) : received;
        if (kind === 'close') lanes[n % 2]?.lane.close('time');
        else if (kind === 'reconnect') {
          sequencer.disconnected(link);
          link = linkOf();
          await sequencer.declare(link, [declaredOf()]);
        } else {
          const result = sequencer.segment(link, rangeSegment(start, start + 1 + n), rewindEpoch);
          if (kind === 'hole') assert.equal(result, 'rewound');
          if (kind === 'next') assert.equal(result, 'staged');
        }
      }
      const end = (await place())?.received ?? 0;
      for (const { lane } of lanes) lane.close('drain');
      await Promise.all(lanes.map(({ lane }) => lane.drained()));
      for (const writer of Object.values(writers))
        assert.equal(writer.position(declaredOf() as PartitionId), end);
      assert.equal(budget.bytes(), 0);
    }),
    { numRuns: 40 },
  );
});

test('Welcome knows what another collector has committed, and the ledger is followed while agents wait for it', async () => {
  const parts = sequencerOf();
  const writer = parts.writers['claims'];
  assert.ok(writer);
  writer.place(declaredOf(), 10);
  writer.refresh = async () => writer.place(declaredOf(), 30);
  const link = linkOf();
  const [position] = await parts.sequencer.declare(link, [declaredOf()]);
  assert.deepEqual([position?.committed, position?.received], [30, 30]);
  assert.equal(writer.followed, true);
  parts.sequencer.disconnected(link);
  assert.equal(writer.followed, false);
});
