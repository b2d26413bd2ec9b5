// A spool outlives the agent that wrote it: files of every released format are opened, read and emptied by
// today's code.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SpoolFiles } from '@sluice/agent/spool/spool-files.ts';
import { openSpoolFile, SPOOL_FORMAT } from '@sluice/agent/spool/sqlite-file.ts';
import Database from 'better-sqlite3';
import { committedAt } from '../../support/fake-spool.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { goldenSegments, goldenSpooledMs, goldenTopic } from './golden-segments.ts';

const golden = new URL('../../golden/spool/', import.meta.url);
const kept = new URL('../../golden/spool-kept/', import.meta.url);

/** A data directory with the golden file where an agent would have left it. */
function spoolWith(file: string, from = golden): { directory: string; path: string } {
  const directory = temporaryDirectory();
  const home = join(directory, 'spool', encodeURIComponent(goldenTopic));
  mkdirSync(home, { recursive: true });
  const path = join(home, '00000000000000000007.db');
  copyFileSync(new URL(file, from), path);
  return { directory, path };
}

const open = (directory: string) =>
  new SpoolFiles({ directory, fileBytesMax: 2 ** 20, nowMs: () => goldenSpooledMs });

function schemaOf(path: string): unknown {
  const database = new Database(path, { readonly: true });
  const schema = database.prepare('SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name').all();
  const pragmas = ['user_version', 'page_size', 'journal_mode'].map((p) =>
    database.pragma(p, { simple: true }),
  );
  database.close();
  return { schema, pragmas };
}

test('there is a golden file of every format up to today’s', () => {
  const files = Array.from({ length: SPOOL_FORMAT }, (_, i) => `format-${i + 1}.db`);
  assert.deepEqual(readdirSync(golden).sort(), files);
});

test('what a released agent spooled is read back, byte by byte', () => {
  const { directory } = spoolWith('format-1.db');
  const files = open(directory);
  const [first, second] = goldenSegments;
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(files.read(first, 1_000, 2 ** 20), [], 'what was committed is forgotten');
  const found = files.read(first, 1_005, 2 ** 20);
  assert.deepEqual(
    found.map((segment) => ({ ...segment, payload: Buffer.from(segment.payload) })),
    goldenSegments.slice(1),
  );
  const [partition] = files.partitions();
  assert.deepEqual(
    [
      partition?.topic,
      partition?.topicId,
      partition?.startOffset,
      partition?.nextOffset,
      partition?.segments,
    ],
    [goldenTopic, second.topicId, 1_005, 1_021, 3],
  );
  assert.equal(partition?.oldestSpooledMs, goldenSpooledMs);
  files.close();
});

test('what a released agent had not checkpointed when it was killed is read back as well', () => {
  const directory = temporaryDirectory();
  const home = join(directory, 'spool', encodeURIComponent(goldenTopic));
  mkdirSync(home, { recursive: true });
  const killed = new URL('../../golden/spool-killed/', import.meta.url);
  for (const end of ['', '-wal'])
    copyFileSync(new URL(`format-1.db${end}`, killed), join(home, `00000000000000000007.db${end}`));
  const files = open(directory);
  const [first] = goldenSegments;
  assert.ok(first !== undefined);
  const found = files.read(first, 1_005, 2 ** 20);
  assert.deepEqual(
    found.map((segment) => ({ ...segment, payload: Buffer.from(segment.payload) })),
    goldenSegments.slice(1),
  );
  files.close();
});

test('what a released agent kept of an open gap is still there, and goes when the gap is closed', () => {
  const { directory } = spoolWith('format-1.db', kept);
  const files = open(directory);
  const [first, , third] = goldenSegments;
  assert.ok(first !== undefined && third !== undefined);
  assert.deepEqual(
    files.partitions().flatMap(({ runs }) => runs),
    [
      { startOffset: 1_000, nextOffset: 1_002 },
      { startOffset: 1_015, nextOffset: 1_021 },
    ],
  );
  assert.deepEqual(
    files.read(first, 1_000, 1).map(({ nextOffset }) => nextOffset),
    [1_002],
  );
  files.committed(committedAt(third, 1_015));
  assert.deepEqual(
    files.partitions().flatMap(({ runs }) => runs),
    [{ startOffset: 1_015, nextOffset: 1_021 }],
  );
  files.close();
});

test('a released spool goes on: appended to, committed, and gone when it is drained', () => {
  const { directory } = spoolWith('format-1.db');
  const [, last] = goldenSegments.slice(-2);
  assert.ok(last !== undefined);
  const files = open(directory);
  files.append([{ ...last, startOffset: 1_021, nextOffset: 1_022 }]);
  files.committed(committedAt(last, 1_021));
  files.close();
  const again = open(directory);
  assert.deepEqual(
    again.read(last, 1_021, 1).map(({ startOffset }) => startOffset),
    [1_021],
  );
  again.committed(committedAt(last, 1_022));
  assert.deepEqual(again.partitions(), []);
  again.close();
});

const rowsOf = (path: string): unknown[] => {
  const database = new Database(path, { readonly: true });
  const rows = ['segments', 'committed', 'meta'].flatMap((table) =>
    database.prepare(`SELECT * FROM ${table}`).all(),
  );
  database.close();
  return rows;
};

test('what today’s code writes is what a released agent of its format wrote', () => {
  const path = join(temporaryDirectory(), 'new.db');
  const file = openSpoolFile(path, goldenTopic);
  const [first] = goldenSegments;
  assert.ok(first !== undefined);
  file.append(goldenSegments, goldenSpooledMs);
  file.writeCommitted(first, { nextOffset: 1_005, open: [] });
  file.close();
  assert.deepEqual(rowsOf(path), rowsOf(spoolWith(`format-${SPOOL_FORMAT}.db`).path));
});

test('a file that today’s code makes has the schema of its format: a change of it needs a new format', () => {
  const directory = temporaryDirectory();
  const path = join(directory, 'new.db');
  openSpoolFile(path, goldenTopic).close();
  const { path: released } = spoolWith(`format-${SPOOL_FORMAT}.db`);
  assert.deepEqual(schemaOf(path), schemaOf(released));
});
