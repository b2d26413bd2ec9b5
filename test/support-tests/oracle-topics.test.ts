// What the oracle asks of a table whose topics come and go: no less than of others while it names a topic,
// and of one that it names no more that all that came of it is there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitedFor } from '../support/oracle-table.ts';
import { SLOT, WatchedLake } from '../support/watched-lake.ts';

function moving(change: object = {}) {
  let topics: readonly string[] = ['orders'];
  const named = { now: () => topics, by: (version: string) => version.split(' ') };
  const lake = new WatchedLake({ named, ...change });
  const name = (...next: string[]) => {
    topics = next;
  };
  return { lake, name };
}

const of = (configVersion: string) => ({ entry: { configVersion } });

test('a table is left in peace that has all of a topic while it names it, and shows what came of it after that', () => {
  const { lake, name } = moving();
  lake.open().commit(0, 4, of('orders')).publish(0);
  assert.deepEqual(lake.oracle.missing(), ['orders/0: 5 was produced and 4 is queryable']);
  name('returns');
  assert.deepEqual([lake.oracle.missing(), lake.findings], [[], []]);
  name('orders', 'returns');
  lake.commit(4, 6, of('orders returns')).publish(4);
  assert.deepEqual([lake.oracle.missing(), lake.findings], [[], []]);
});

test('the oracle names what came of a topic that is gone, and is not shown', () => {
  const { lake, name } = moving();
  lake.open().commit(0, 4, of('orders'));
  name('returns');
  assert.deepEqual(lake.oracle.missing(), ['orders: not all that came of orders/0 is queryable']);
  name();
  assert.deepEqual(lake.oracle.missing(), [], 'of a table that is gone as a whole nobody publishes that');
});

test('the oracle names a window that holds what the config that made it does not name', () => {
  const { lake } = moving();
  lake.open().commit(0, 4, of('returns'));
  assert.deepEqual(lake.findings, ['orders entry 1 holds orders/0, and its config names returns']);
});

test('a topic’s only table is waited for, also where its topics come and go; beside others it is not', () => {
  const { lake } = moving();
  lake.open().commit(0, 4, of('orders'));
  lake.oracle.acknowledged('the spool', SLOT, 4);
  assert.match(lake.findings.join(), /4 is acknowledged and 0 is queryable/);
  const table = { name: 'united', topic: 'orders', keepsVoid: true };
  const united = { table: { ...table, named: { now: () => ['orders'], by: () => [] } } };
  const always = { table: { ...table, name: 'orders' } };
  assert.deepEqual(waitedFor([united, always]), [always]);
  assert.deepEqual(waitedFor([united]), [united]);
});

test('a table that reads history may begin where its topic is, and the oracle asks for what lies below', () => {
  const { lake } = moving({ readsHistory: true });
  lake.open(4).commit(4, 6, of('orders')).publish(4);
  assert.deepEqual(lake.findings, []);
  assert.deepEqual(lake.oracle.missing(), ['orders: the history of orders/0 below 4 was never begun']);
});

test('what was cut below the place where a table began is of its history, unless that was read before', () => {
  const changes = [{ readsHistory: true }, { isAdded: true, named: undefined }];
  const found = changes.flatMap((change) =>
    [2, 3].map((readTo) => {
      const { lake } = moving(change);
      lake.open(4).append({ kind: 'backfill', backfills: [{ ...SLOT, from: 0, to: 4 }] });
      lake.commit(0, readTo, { entry: { kind: 'fill', configVersion: 'orders' } }).publish(0);
      lake.cut(2).commit(4, 6, { ...of('orders'), leaderEpoch: 1 });
      return lake.findings;
    }),
  );
  const read = ['orders orders/0 goes on at 4 in epoch 1, and the log of 0 was cut at 2'];
  assert.deepEqual(found, [[], read, [], read]);
});

test('history that was read behind a cut asks for no fork; what of it was read before one does', () => {
  const read = (leaderEpoch: number, cuts: readonly number[]) => {
    const { lake } = moving({ readsHistory: true });
    lake.open(4).append({ kind: 'backfill', backfills: [{ ...SLOT, from: 0, to: 4 }] });
    for (const at of cuts.slice(0, leaderEpoch)) lake.cut(at);
    lake.commit(0, 4, { entry: { kind: 'fill', configVersion: 'orders' }, leaderEpoch }).publish(0);
    for (const at of cuts.slice(leaderEpoch)) lake.cut(at);
    return lake;
  };
  const goesOn = (leaderEpoch: number, cuts: readonly number[]) => {
    const lake = read(leaderEpoch, cuts);
    lake.commit(4, 6, { ...of('orders'), leaderEpoch: cuts.length });
    return lake.findings.join();
  };
  assert.equal(goesOn(1, [2]), '');
  assert.equal(goesOn(2, [2, 3]), '');
  assert.match(goesOn(0, [2]), /in epoch 1, and the log of 0 was cut at 2$/);
  assert.match(goesOn(1, [2, 3]), /in epoch 2, and the log of 1 was cut at 3$/);
  const stands = (lake: WatchedLake) => {
    for (const offset of [4, 5]) lake.kafka.produced.delete(offset);
    return [...lake.findings, ...lake.oracle.missing()];
  };
  assert.deepEqual(stands(read(1, [2])), []);
  assert.deepEqual(stands(read(0, [2])), ['orders: orders/0 stands behind a cut at 2']);
});

test('a table of which only the opening is known may go back to any cut, and nowhere else', () => {
  const goesBack = (offset: number, change: object) => {
    const { lake } = moving(change);
    lake.open(4).cut(2).fork(offset);
    return lake.findings;
  };
  assert.deepEqual(goesBack(2, { isAdded: true }), []);
  assert.match(goesBack(1, { isAdded: true }).join(), /forks orders\/0 at 1, and its log was cut at 2/);
});
