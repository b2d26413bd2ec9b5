// What is spooled of a log that was cut: the collector's tables may know it where Kafka has forgotten it, and
// reading goes on once, behind all cuts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_PRESSURE } from '@sluice/agent/spool/pressure.ts';
import { rangeSegment } from '../support/fake-spool.ts';
import { settle } from '../support/manual-clock.ts';
import { id, startedAgent } from '../support/started-agent.ts';

const welcome = { ...id, leaderEpoch: -1, nextOffset: 15, received: 15, rewindEpoch: 0, openGaps: [] };

test('where a table stands in a newer epoch, what is spooled behind it of an older one is dropped by name and told', async () => {
  const { link, disk, told, cuts, seeks } = await startedAgent();
  disk.append([rangeSegment(0, 20)]);
  link.welcomed([{ ...welcome, stands: [{ offset: 15, leaderEpoch: 2 }] }]);
  assert.deepEqual(told, ['cut at 15 of 1']);
  assert.deepEqual(
    cuts.map(({ cut }) => cut),
    ['15 of 1'],
  );
  disk.segments = [];
  seeks.length = 0;
  cuts[0]?.done();
  await settle();
  assert.deepEqual(seeks, [15]);
  link.welcomed([{ ...welcome, stands: [{ offset: 15, leaderEpoch: 2 }] }]);
  assert.equal(cuts.length, 1);
});

test('reading goes on when the spool has made all cuts, from the lowest', async () => {
  const { kafka, cuts, seeks } = await startedAgent();
  kafka.truncated(id, { offset: 12, leaderEpoch: 0 }, 'a leader');
  kafka.truncated(id, { offset: 17, leaderEpoch: 1 }, 'another leader');
  seeks.length = 0;
  cuts[0]?.done();
  await settle();
  assert.deepEqual(seeks, [], 'the spool still holds what the second has cut');
  cuts[1]?.done();
  await settle();
  assert.deepEqual(seeks, [12]);
});

test('what the collector asks for before the spool has made the cut is sent when it has, of what is there then', async () => {
  const { kafka, link, disk, cuts, seeks } = await startedAgent();
  disk.append([rangeSegment(0, 10), rangeSegment(10, 20)]);
  kafka.truncated(id, { offset: 10, leaderEpoch: 0 }, 'a leader');
  seeks.length = 0;
  link.welcomed([{ ...welcome, nextOffset: 0, received: 0, stands: [{ offset: 0, leaderEpoch: 0 }] }]);
  assert.deepEqual(seeks, [], 'it still holds what is cut');
  disk.segments = disk.segments.slice(0, 1);
  cuts[0]?.done();
  await settle();
  assert.equal(seeks.at(-1), 10);
  assert.ok(seeks.every((offset) => offset === 10));
});

test('a spool without room offers what others read now: they may wait for the same', async () => {
  const { kafka, disk, told, press } = await startedAgent();
  const full = { ...NO_PRESSURE, full: 'spool.bytesMax is reached', isFullForAll: true };
  disk.append([rangeSegment(0, 10), rangeSegment(0, 10, { partition: 1 })]);
  kafka.assigned([]);
  assert.deepEqual(told, [], 'while there is room nobody is asked');
  press(full);
  assert.deepEqual(told, ['claims-0 is here', 'claims-1 is here']);
  told.length = 0;
  kafka.assigned([id]);
  kafka.described([{ ...id, leaderEpoch: 0, logStart: 0, logEnd: 99, groupOffset: 0, startAt: undefined }]);
  told.length = 0;
  kafka.assigned([]);
  assert.deepEqual(told, ['claims-0 is here', 'claims-1 is here'], 'what goes while it is full as well');
});
