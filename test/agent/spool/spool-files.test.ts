// The spool's files: what is on disk is never replaced by less, every run of it can be told, and a file that
// breaks takes nothing with it but what it held.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SpoolFiles } from '@sluice/agent/spool/spool-files.ts';
import Database from 'better-sqlite3';
import { committedAt } from '../../support/fake-spool.ts';
import { claims, openSpoolFiles, range, readFrom, runsOf } from '../../support/spool-ranges.ts';
import { temporaryDirectory } from '../../support/temp.ts';

test('a range that is read twice never replaces more by less, in one append or in several', () => {
  const directory = temporaryDirectory();
  const files = openSpoolFiles(directory);
  files.append([range(0, 10), range(10, 20), range(0, 4)]);
  files.append([range(10, 13), range(12, 15)]);
  assert.deepEqual(readFrom(files, 5), [[0, 10]]);
  assert.deepEqual(readFrom(files, 15), [[10, 20]]);
  files.append([range(10, 30)]);
  files.close();
  const again = openSpoolFiles(directory);
  assert.deepEqual(runsOf(again), [[0, 30]]);
  assert.deepEqual(readFrom(again, 25), [[10, 30]]);
  again.close();
});

test('what is asked for again may be spooled again, also beside files that know it as committed, and after a restart', () => {
  const directory = temporaryDirectory();
  const files = new SpoolFiles({ directory, fileBytesMax: 100, nowMs: () => 1_000 });
  const other = { ...range(0, 10), partition: 1 };
  files.append([range(0, 10), range(10, 20), other]);
  files.committed(committedAt(claims, 20));
  files.append([range(20, 30)]);
  files.askedAgain(claims, 5);
  files.append([range(0, 10), range(10, 20)]);
  files.close();
  const again = openSpoolFiles(directory);
  for (const partition of [0, 1])
    assert.deepEqual(
      again.partitions().find((p) => p.partition === partition)?.runs,
      partition === 0 ? [{ startOffset: 5, nextOffset: 30 }] : [{ startOffset: 0, nextOffset: 10 }],
    );
  again.committed(committedAt(claims, 30));
  assert.equal(again.partitions().length, 1, 'it is committed again like anything else');
  again.close();
});

test('every run is told, also one that lies before a gap, and nothing below the committed position', () => {
  const files = openSpoolFiles();
  files.append([range(0, 10), range(10, 20), range(40, 50), range(45, 60), range(30, 35)]);
  assert.deepEqual(runsOf(files), [
    [0, 20],
    [30, 35],
    [40, 60],
  ]);
  files.committed(committedAt(claims, 15));
  assert.deepEqual(runsOf(files)?.[0], [15, 20]);
  files.committed(committedAt(claims, 35));
  assert.deepEqual(runsOf(files), [[40, 60]]);
  files.close();
});

test('what only a newer file knows to be committed takes no room after a restart', () => {
  const directory = temporaryDirectory();
  const files = new SpoolFiles({ directory, fileBytesMax: 100, nowMs: () => 1_000 });
  const other = { ...range(0, 10), partition: 1 };
  files.append([range(0, 10), range(10, 20), other]);
  files.append([range(20, 30)]);
  files.committed(committedAt(claims, 20));
  const held = (spool: SpoolFiles) => spool.partitions().map(({ partition, bytes }) => [partition, bytes]);
  const before = held(files);
  files.close();
  const again = openSpoolFiles(directory);
  assert.deepEqual(held(again).sort(), before.sort());
  again.committed(committedAt(claims, 30));
  again.committed(committedAt({ ...claims, partition: 1 }, 10));
  assert.deepEqual(held(again), []);
  again.close();
  assert.equal(readdirSync(join(directory, 'spool', 'claims')).filter((n) => n.endsWith('.db')).length, 1);
});

test('a topic of which nothing is committed keeps no file of its neighbours', () => {
  const directory = temporaryDirectory();
  const files = new SpoolFiles({ directory, fileBytesMax: 100, nowMs: () => 1_000 });
  for (let i = 0; i < 5; i++)
    files.append([range(i * 10, i * 10 + 10), { ...range(i * 10, i * 10 + 10), topic: 'held' }]);
  files.committed(committedAt(claims, 50));
  const left = (topic: string) =>
    readdirSync(join(directory, 'spool', topic)).filter((n) => n.endsWith('.db'));
  assert.deepEqual([left('claims').length, left('held').length], [0, 5]);
  files.close();
});

test('a second copy that arrives after the commit is not kept as if somebody waited for it', () => {
  const files = openSpoolFiles();
  files.append([range(0, 10)]);
  files.committed(committedAt(claims, 10));
  files.append([range(0, 10)]);
  assert.deepEqual(files.partitions(), []);
  files.close();
});

test('a day of small segments can still be described', () => {
  const files = openSpoolFiles();
  const [one] = [range(0, 1)];
  assert.ok(one);
  const many = Array.from({ length: 150_000 }, (_, i) => ({ ...one, startOffset: i, nextOffset: i + 1 }));
  files.append(many);
  assert.equal(files.partitions()[0]?.segments, 150_000);
  files.close();
});

/** Whoever uses it next finds out. */
function breakOldestFile(directory: string): void {
  const topic = join(directory, 'spool', 'claims');
  const [oldest = ''] = readdirSync(topic)
    .filter((name) => name.endsWith('.db'))
    .sort();
  const file = new Database(join(topic, oldest));
  file.unsafeMode();
  file.pragma('writable_schema = 1');
  file.exec("UPDATE sqlite_master SET sql = 'no statement' WHERE name = 'segments'");
  file.pragma('schema_version = 1000');
  file.close();
}

test('a file that breaks under an append is set aside, and the next append goes to a new one', () => {
  const directory = temporaryDirectory();
  const files = openSpoolFiles(directory);
  files.append([range(0, 10)]);
  breakOldestFile(directory);
  assert.throws(() => files.append([range(10, 20)]), { code: 'SPOOL_CORRUPT' });
  assert.equal(files.setAside.length, 1);
  assert.deepEqual(files.partitions(), []);
  files.append([range(10, 20)]);
  assert.deepEqual(runsOf(files), [[10, 20]]);
  files.close();
});

for (const left of ['nothing', 'a schema without its topic'])
  test(`a file that was left with ${left} belongs to the topic of its directory`, () => {
    const directory = temporaryDirectory();
    const topic = join(directory, 'spool', 'claims');
    const path = join(topic, `${'1'.padStart(20, '0')}.db`);
    mkdirSync(topic, { recursive: true });
    if (left === 'nothing') writeFileSync(path, '');
    else {
      const made = openSpoolFiles(directory);
      made.append([range(0, 10)]);
      made.close();
      const database = new Database(path);
      database.exec("UPDATE meta SET topic = ''");
      database.close();
    }
    const files = openSpoolFiles(directory);
    files.append([range(10, 20)]);
    files.append([range(20, 30)]);
    assert.equal(files.totals().files, 1, 'the file is not opened again at every append');
    files.close();
    const again = openSpoolFiles(directory);
    assert.deepEqual(readFrom(again, 25), [[20, 30]]);
    assert.deepEqual(runsOf(again), [[left === 'nothing' ? 10 : 0, 30]]);
    again.close();
  });

test('a timestamp that an earlier version spooled out of bounds is read within them', () => {
  const directory = temporaryDirectory();
  const files = openSpoolFiles(directory);
  files.append([{ ...range(0, 10), timestampMax: 1_700_000_000_000_000_000 }]);
  assert.equal(files.read(claims, 0, 1)[0]?.timestampMax, Number.MAX_SAFE_INTEGER);
  files.close();
  const again = openSpoolFiles(directory);
  assert.equal(again.read(claims, 0, 1)[0]?.timestampMax, Number.MAX_SAFE_INTEGER);
  again.close();
});

test('a read that fails without a broken file leaves the file where it is', () => {
  const directory = temporaryDirectory();
  const files = openSpoolFiles(directory);
  files.append([range(0, 10)]);
  const topic = join(directory, 'spool', 'claims');
  const other = new Database(join(topic, readdirSync(topic).find((name) => name.endsWith('.db')) ?? ''));
  other.exec('ALTER TABLE segments RENAME TO away');
  assert.throws(() => files.read(claims, 0, 1), { code: 'SPOOL_IO' });
  other.exec('ALTER TABLE away RENAME TO segments');
  other.close();
  assert.deepEqual(readFrom(files, 0), [[0, 10]]);
  assert.deepEqual(files.setAside, []);
  files.close();
});

test('a file whose last segment turns out to be broken is not kept for it', () => {
  const directory = temporaryDirectory();
  const first = new SpoolFiles({ directory, fileBytesMax: 1, nowMs: () => 1_000 });
  for (const start of [0, 10, 20]) first.append([range(start, start + 10)]);
  first.close();
  const path = join(directory, 'spool', 'claims', `${'2'.padStart(20, '0')}.db`);
  const database = new Database(path);
  database.exec("UPDATE segments SET payload = 'other'");
  database.close();
  const files = new SpoolFiles({ directory, fileBytesMax: 1, nowMs: () => 1_000 });
  assert.equal(files.totals().files, 3);
  assert.throws(() => files.read(claims, 10, 1), {
    code: 'SEGMENT_CORRUPT',
    place: `claims-0 [10, 20) in ${path}`,
  });
  assert.equal(files.totals().files, 2);
  assert.equal(existsSync(path), false);
  assert.deepEqual(runsOf(files), [
    [0, 10],
    [20, 30],
  ]);
  files.close();
});

/** Three segments, of which the disk has changed the row of the second. */
function damaged(change: string): { files: SpoolFiles; directory: string } {
  const directory = temporaryDirectory();
  const made = openSpoolFiles(directory);
  for (const start of [0, 10, 20]) made.append([range(start, start + 10)]);
  made.close();
  const path = join(directory, 'spool', 'claims', `${'1'.padStart(20, '0')}.db`);
  const database = new Database(path);
  database.exec(`UPDATE segments SET ${change} WHERE start_offset = 10`);
  database.close();
  return { files: openSpoolFiles(directory), directory };
}

for (const [change, reason] of [
  ["skipped = '[{'", /skipped offsets/],
  ["skipped = '{}'", /skipped offsets/],
  ['skipped = \'[{"kind":"lost","firstOffset":1,"lastOffset":2,"count":1}]\'', /skipped offsets/],
  ['records = 11', /11 \+ 0 \+ 0 \+ 0 are not its 10 offsets/],
  ['next_offset = 10', /no range/],
  ["codec = 'lzma'", /codec 'lzma'/],
  ['plain_bytes = 1 << 40', /holds 1099511627776 bytes/],
] as const)
  test(`a row with ${change} is dropped alone, by name, and never comes back`, () => {
    const { files, directory } = damaged(change);
    assert.deepEqual(runsOf(files), [
      [0, 10],
      [20, 30],
    ]);
    assert.deepEqual(readFrom(files, 20), [[20, 30]]);
    assert.deepEqual(files.setAside, []);
    const [told, ...more] = files.dropped;
    assert.deepEqual([told?.topic, told?.partition, told?.startOffset, more], ['claims', 0, 10, []]);
    assert.match(told?.reason ?? '', reason);
    files.append([range(10, 20)]);
    files.close();
    const again = openSpoolFiles(directory);
    assert.deepEqual(runsOf(again), [[0, 30]]);
    assert.deepEqual(again.dropped, []);
    again.close();
  });

test('a file whose rows cannot be read at the start is set aside, and its neighbours stay', () => {
  const directory = temporaryDirectory();
  const made = new SpoolFiles({ directory, fileBytesMax: 1, nowMs: () => 1_000 });
  for (const start of [0, 10, 20]) made.append([range(start, start + 10)]);
  made.close();
  const path = join(directory, 'spool', 'claims', `${'2'.padStart(20, '0')}.db`);
  const bytes = readFileSync(path);
  const page = new Database(path, { readonly: true });
  const { rootpage } = page.prepare("SELECT rootpage FROM sqlite_master WHERE name = 'segments'").get() as {
    rootpage: number;
  };
  page.close();
  writeFileSync(path, bytes.fill(0xa5, (rootpage - 1) * 16_384, rootpage * 16_384));
  const files = openSpoolFiles(directory);
  assert.deepEqual(runsOf(files), [
    [0, 10],
    [20, 30],
  ]);
  assert.equal(files.setAside.length, 1);
  assert.equal(existsSync(path), false);
  files.close();
});

test('what lies in an open gap is kept, also over a restart, until the gap is closed', () => {
  const directory = temporaryDirectory();
  const openThere = () => new SpoolFiles({ directory, fileBytesMax: 2 ** 20, nowMs: () => 0 });
  const files = openThere();
  files.append([range(0, 10), range(10, 20), range(20, 30), range(60, 70)]);
  const openGaps = [{ startOffset: 12, nextOffset: 50 }];
  files.committed({ ...committedAt(claims, 65), openGaps });
  assert.deepEqual(runsOf(files), [
    [12, 30],
    [65, 70],
  ]);
  files.close();
  const again = openThere();
  assert.deepEqual(runsOf(again), [
    [12, 30],
    [65, 70],
  ]);
  // What an older word of another collector wants is wanted no more.
  again.committed({ ...committedAt(claims, 65), openGaps: [{ startOffset: 20, nextOffset: 50 }] });
  again.committed({ ...committedAt(claims, 60), openGaps });
  assert.deepEqual(runsOf(again), [
    [20, 30],
    [65, 70],
  ]);
  again.committed(committedAt(claims, 65));
  assert.deepEqual(runsOf(again), [[65, 70]]);
  again.close();
});

test('what was forgotten of a log that was cut is not there again for whoever opens the files next', () => {
  const directory = temporaryDirectory();
  const openThere = () => new SpoolFiles({ directory, fileBytesMax: 2 ** 20, nowMs: () => 0 });
  const files = openThere();
  files.append([range(0, 20), range(20, 30)]);
  files.committed(committedAt(claims, 25));
  files.cut(claims, { offset: 5, leaderEpoch: range(0, 20).leaderEpoch });
  assert.equal(runsOf(files), undefined);
  files.close();
  const again = openThere();
  assert.equal(runsOf(again), undefined);
  again.close();
});

test('a cut takes what lies behind it out of every file, also beside one that turns out to be broken', () => {
  const directory = temporaryDirectory();
  const openThere = () => new SpoolFiles({ directory, fileBytesMax: 1, nowMs: () => 1_000 });
  const files = openThere();
  for (const start of [0, 10, 20]) files.append([range(start, start + 10)]);
  breakOldestFile(directory);
  files.cut(claims, { offset: 15, leaderEpoch: range(0, 10).leaderEpoch });
  assert.equal(files.setAside.length, 1);
  assert.equal(runsOf(files), undefined);
  files.close();
  const again = openThere();
  assert.equal(runsOf(again), undefined);
  again.close();
});

test('a cut log takes what lies behind it, of the epochs that it names, and nothing of it is committed then', () => {
  const directory = temporaryDirectory();
  const openThere = () => new SpoolFiles({ directory, fileBytesMax: 2 ** 20, nowMs: () => 0 });
  const files = openThere();
  files.append([
    { ...range(0, 10), leaderEpoch: 1 },
    { ...range(10, 20), leaderEpoch: 1 },
  ]);
  files.append([{ ...range(20, 30), leaderEpoch: 2 }]);
  files.committed(committedAt(claims, 18));
  files.cut(claims, { offset: 15, leaderEpoch: 1 });
  assert.deepEqual(
    files.cutOff.map(({ startOffset, nextOffset, leaderEpoch }) => [startOffset, nextOffset, leaderEpoch]),
    [[10, 20, 1]],
  );
  assert.deepEqual(runsOf(files), [[20, 30]]);
  files.close();
  const again = openThere();
  again.append([{ ...range(15, 18), leaderEpoch: 2 }]);
  assert.deepEqual(
    runsOf(again),
    [
      [15, 18],
      [20, 30],
    ],
    'what comes again is kept, though it was committed once',
  );
  again.close();
});
