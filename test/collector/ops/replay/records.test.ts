// A record that is run again is the record that came: its key, headers, time and place; and of two records
// with one offset each is run.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import type { KafkaRecord } from '@sluice/shared/records.ts';
import {
  corrected,
  type QuarantinedLake,
  quarantinedLake,
  replayOn,
  rowsOf,
  wrong,
} from '../../../support/replayed-lake.ts';
import { segmentOfRecords } from '../../../support/segments.ts';
import { temporaryDirectory } from '../../../support/temp.ts';
import { transformer } from '../../../support/verified-lake.ts';

const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 5 };

/** One window of partition 5, as a collector writes it. */
async function writeRecords({ lake }: QuarantinedLake, table: TableConfig, records: readonly KafkaRecord[]) {
  const writer = lake.writerOf('claims');
  await writer.open([{ ...id, leaderEpoch: 0, start: 0, why: 'test' }]);
  const directory = join(temporaryDirectory(), 'window');
  mkdirSync(directory);
  const segments = [{ segment: segmentOfRecords(records, { partition: 5 }), fromOffset: 0 }];
  const window = { windowId: 'w5', openedMs: 0 };
  const { classes, files } = await transformer.run({ table, segments, directory, ...window });
  const counts = { records: records.length, control: 0, aborted: 0, absent: 0 };
  const ranges = [{ ...id, leaderEpoch: 0, start: 0, next: records.length, counts }];
  await writer.commitWindow({ table, ...window, ranges, classes, files });
}

for (const [what, record] of [
  ['as text', {}],
  ['as bytes and a map', { key: 'bytes' as const, headers: 'map' as const }],
] as const)
  test(`key, headers and time come back as they were: ${what}`, async () => {
    const full = { provenance: 'full' as const, record: { ...wrong.record, ...record } };
    const [reads, wants] = [
      { ...wrong, ...full },
      { ...corrected, ...full },
    ];
    const keys = [Buffer.from('k'), Buffer.from([0xff, 0]), Buffer.alloc(0), null];
    const records = keys.map((key, offset) => ({
      offset,
      timestamp: offset === 3 ? -1 : 1_780_000_000_123 + offset,
      key,
      value: Buffer.from('{"n":1.5}'),
      headers: [['h', offset === 1 ? Buffer.from([0xfe]) : Buffer.from('x')]] as const,
    }));
    const select =
      'SELECT _offset, _topic, _timestamp, _key, _headers FROM claims WHERE _partition = 5 ORDER BY 1';
    const replayed = await quarantinedLake(reads);
    await writeRecords(replayed, reads, records);
    await replayOn(replayed, wants);
    const direct = await quarantinedLake(wants);
    await writeRecords(direct, wants, records);
    const rows = await rowsOf(replayed, wants, select);
    assert.equal(rows.length, 4);
    assert.deepEqual(rows, await rowsOf(direct, wants, select));
  });

test('two records of one offset, of a log that was cut, are each run once, in parts of their own', async () => {
  const lake = await quarantinedLake();
  const cut = { ...id, partition: 0, leaderEpoch: 9, offset: 1, reason: 'test' };
  await lake.lake.writerOf('claims').fork([cut]);
  await lake.lake.write('claims', ['{"n":10.5}', '{"n":20.5}']);
  const { taken, entries } = await replayOn(lake);
  assert.deepEqual([taken.emitted, entries.length], [5, 2]);
  assert.deepEqual(await rowsOf(lake), [
    ['0', '0'],
    ['1', '1.5'],
    ['1', '10.5'],
    ['2', '2.5'],
    ['2', '20.5'],
    ['3', '3'],
    ['5', '5'],
    ['6', '6.5'],
  ]);
  assert.equal((await replayOn(lake)).taken.emitted, 0);
});
