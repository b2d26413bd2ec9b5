// A table whose config changes has it from the next window it opens; one that comes is taken in where its
// ledger says, and one that goes writes what it has. Real lanes, ledgers in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig, WindowCommit } from '@sluice/collector/contracts.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { settle } from '../../support/manual-clock.ts';
import { declared, declaredOf, linkOf, rest, sequencerOf } from '../../support/sequencer-harness.ts';

const versions = (commits: readonly WindowCommit[]) => commits.map(({ table }) => table.configVersion);

function changedTo(table: TableConfig, version: string): TableConfig {
  return { ...table, configVersion: version, windowLengthMs: 50_000 };
}

test('a window under way finishes with the config that it opened with, and the next one has the new', async () => {
  const { lanes, writers, send, clock } = await declared();
  const lane = lanes[0]?.lane ?? assert.fail();
  send(0, 10);
  lane.configure(changedTo(lane.table, 'v2'));
  send(10, 20);
  assert.deepEqual([lane.status().configVersion, lane.status().openConfigVersion], ['v2', 'v1']);
  await clock.advance(100_000);
  send(20, 30);
  assert.equal(lane.status().openConfigVersion, 'v2');
  await clock.advance(50_000);
  await rest({ lanes });
  const commits = writers['claims']?.commits ?? [];
  assert.deepEqual(versions(commits), ['v1', 'v2']);
  assert.deepEqual(
    commits.map(({ ranges }) => [ranges[0]?.start, ranges[0]?.next]),
    [
      [0, 20],
      [20, 30],
    ],
  );
});

test('a window that lost its append to another collector is made again with its own config', async () => {
  const { lanes, writers, send, transformer } = await declared();
  const lane = lanes[0]?.lane ?? assert.fail();
  const writer = writers['claims'] ?? assert.fail();
  let lost = false;
  writer.before = async () => {
    if (lost) return;
    lost = true;
    lane.configure(changedTo(lane.table, 'v2'));
    writer.place(declaredOf(), 4);
  };
  send(0, 10);
  lane.close('time');
  await rest({ lanes });
  assert.deepEqual(writer.log, ['claims-0 [4, 10)']);
  assert.deepEqual(versions(writer.commits), ['v1']);
  assert.equal(transformer.reads.length, 2);
});

test('a window of which nothing can be made parks its table, and is made whole with the config that helps', async () => {
  const { lanes, writers, send, transformer } = await declared();
  const lane = lanes[0]?.lane ?? assert.fail();
  const writer = writers['claims'] ?? assert.fail();
  transformer.immediate = false;
  send(0, 10);
  lane.close('time');
  transformer.waiting[0]?.finish(new SluiceError('QUARANTINE_BUDGET_EXCEEDED', '10 of 10'));
  await settle();
  assert.equal(writer.status().state, 'parked');
  assert.match(lane.stuck() ?? '', /QUARANTINE_BUDGET_EXCEEDED: 10 of 10/);
  transformer.immediate = true;
  lane.configure(changedTo(lane.table, 'v2'));
  writer.retryNow();
  await rest({ lanes });
  assert.equal(writer.status().state, 'ready');
  assert.deepEqual(versions(writer.commits), ['v2']);
  assert.deepEqual(writer.log, ['claims-0 [0, 10)']);
});

test('a table that comes opens where its topic is acknowledged, is sent what follows, and delays nobody until then', async () => {
  const parts = await declared();
  const { sequencer, create, lanes, writers, send, link } = parts;
  send(0, 10);
  const late = create({ name: 'late' }, true);
  const opened = Promise.withResolvers<void>();
  const { open } = late.writer;
  late.writer.open = async (partitions) => {
    await opened.promise;
    await open(partitions);
  };
  sequencer.add(late);
  send(10, 20);
  lanes[0]?.lane.close('time');
  await rest({ lanes });
  assert.ok(link.told.includes('committed claims-0 20'), 'the topic went on without it');
  opened.resolve();
  await eventually('it is taken in', () => late.lane.detachedSinceMs() === undefined);
  assert.deepEqual(
    late.writer.opened.map(({ start }) => start),
    [0],
    'where the others were when it came',
  );
  assert.equal(link.told.filter((word) => word.startsWith('rewind')).at(-1), 'rewind claims-0 0 epoch 1');
  send(0, 30, 1);
  for (const { lane } of [...lanes, late]) lane.close('time');
  await rest({ lanes: [...lanes, late] });
  assert.deepEqual(late.writer.log, ['claims-0 [0, 30)']);
  assert.deepEqual(writers['claims']?.log, ['claims-0 [0, 20)', 'claims-0 [20, 30)']);
});

test('a table that goes takes nothing more, and what it has is acknowledged only when it is written', async () => {
  const parts = await declared(sequencerOf({ tables: [{ name: 'stays' }, { name: 'goes' }] }));
  const { sequencer, lanes, writers, send, link } = parts;
  const [stays, goes] = lanes;
  assert.ok(stays && goes);
  send(0, 10);
  const gate = Promise.withResolvers<void>();
  const writer = writers['goes'] ?? assert.fail();
  writer.before = () => gate.promise;
  const removed = sequencer.remove(goes, 60_000);
  send(10, 20);
  stays.lane.close('time');
  await stays.lane.drained();
  await settle();
  assert.ok(!link.told.some((word) => /^committed claims-0 [^0]/.test(word)), link.told.join());
  assert.equal(goes.lane.status().isLeaving, true);
  gate.resolve();
  assert.equal(await removed, undefined);
  assert.deepEqual(writer.log, ['claims-0 [0, 10)']);
  assert.equal(link.told.at(-1), 'committed claims-0 20');
  send(20, 30);
  stays.lane.close('time');
  await stays.lane.drained();
  await settle();
  assert.equal(link.told.at(-1), 'committed claims-0 30');
  assert.deepEqual(writer.log, ['claims-0 [0, 10)'], 'it takes nothing more');
});

test('a topic whose last table goes is refused, and nothing beyond that table’s ledger is ever acknowledged', async () => {
  const { sequencer, lanes, writers, send, link } = await declared();
  const [goes] = lanes;
  assert.ok(goes);
  send(0, 10);
  assert.equal(await sequencer.remove(goes, 60_000), undefined);
  assert.ok(link.told.includes('refused claims LINK_TOPIC_REFUSED'), link.told.join());
  assert.equal(send(10, 20), 'stale');
  assert.deepEqual(writers['claims']?.log, ['claims-0 [0, 10)']);
  const said = link.told.filter((word) => word.startsWith('committed'));
  assert.equal(said.at(-1), 'committed claims-0 10');
  const next = linkOf();
  assert.deepEqual(await sequencer.declare(next, [declaredOf()]), []);
  assert.deepEqual(next.told, ['refused claims LINK_TOPIC_REFUSED']);
});

test('a table that goes and cannot be written is given up by name, after its grace and not before', async () => {
  const parts = await declared(sequencerOf({ tables: [{ name: 'stays' }, { name: 'goes' }] }));
  const { sequencer, lanes, writers, clock, link } = parts;
  const [stays, goes] = lanes;
  assert.ok(stays && goes);
  parts.send(0, 10);
  const writer = writers['goes'] ?? assert.fail();
  writer.before = () => new Promise(() => {});
  const removed = sequencer.remove(goes, 60_000);
  stays.lane.close('time');
  await stays.lane.drained();
  await clock.advance(59_000);
  assert.ok(!link.told.includes('committed claims-0 10'));
  await clock.advance(1_000);
  assert.equal(await removed, 'its windows were not written in time');
  assert.equal(link.told.at(-1), 'committed claims-0 10');
  assert.equal(sequencer.segment(link, rangeSegment(10, 20), 0), 'staged');
});
