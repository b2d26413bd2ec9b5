// What a collector has no memory for lies on disk until it is committed, of several tables, and comes into
// the lake as it was sent.
import assert from 'node:assert/strict';
import { globSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { hurriedClock, startAgentEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { rowsOfParquet } from '../support/parquet.ts';
import { segmentOf } from '../support/segments.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { startWholeCollector } from '../support/whole-collector.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const SEGMENT_RECORDS = 10_000;
const SEGMENTS = 12;

/** By the names that they had. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(join('/proc/self/fd', fd))];
    } catch {
      return []; // closed meanwhile
    }
  });
}

test('records that waited on disk are in each table, once and whole', async (t) => {
  const directory = temporaryDirectory();
  const pki = await createLinkPki();
  const table = (name: string) => ({ name, topic: 'claims', format: 'text', window: { every: '1h' } });
  const collector = await startWholeCollector(t, {
    directory,
    tls: await pki.collector(),
    topics: [],
    tables: [table('first'), table('second')],
    limits: { stagingMemory: '64KiB' },
  });
  let sent = 0;
  const at = (offset: number) => {
    if (offset >= SEGMENTS * SEGMENT_RECORDS) return undefined;
    sent++;
    const values = Array.from({ length: SEGMENT_RECORDS }, (_, i) => `claim ${offset + i} ${'*'.repeat(30)}`);
    return segmentOf(values, { baseOffset: offset, codec: 'gzip' });
  };
  const feed = feedDouble([{ id: claims, at }]);
  const address = { host: '127.0.0.1', port: collector.port };
  const { uplink } = startAgentEnd(t, { address, tls: await pki.agent('site-1'), feed, clock: hurriedClock });
  await eventually('all is sent', () => sent >= SEGMENTS);
  await eventually('all has arrived', () => uplink.status().inFlightBytes === 0);
  const staged = () =>
    openFiles().filter((path) => path.startsWith(directory) && /staged-[0-9a-f]+ /.test(path));
  await eventually('some lies on disk', () => staged().length > 0);
  for (const path of staged()) assert.match(path, /windows/, 'no start removes what a crash left there');
  await collector.drain();
  assert.equal(feed.committed(claims), SEGMENTS * SEGMENT_RECORDS);
  for (const name of ['first', 'second']) {
    const files = globSync(join(directory, `lake/${name}/**/*.parquet`));
    const rows = await rowsOfParquet(files);
    const offsets = rows.map((row) => Number(row['_offset'])).sort((a, b) => a - b);
    assert.equal(offsets.length, SEGMENTS * SEGMENT_RECORDS);
    assert.ok(offsets.every((offset, i) => offset === i));
    assert.ok(rows.every((row) => String(row['value']).startsWith(`claim ${row['_offset']} `)));
  }
  // The agent may connect again while the collector ends.
  const isTurnedAway = ({ message }: { message: string }) => message === 'connection refused';
  const told = collector.log.lines.filter(({ level }) => level === 'error' || level === 'warn');
  assert.deepEqual(
    told.filter((line) => !isTurnedAway(line)),
    [],
  );
});
