// What the spool has forgotten and finds again in its files, beside what was spooled of the log as it is
// since.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { committedAt } from '../../support/fake-spool.ts';
import { claims, openSpoolFiles, range, readFrom, runsOf } from '../../support/spool-ranges.ts';
import { temporaryDirectory } from '../../support/temp.ts';

test('what was forgotten of a log that was cut since is not told or read in place of the new log', () => {
  const directory = temporaryDirectory();
  const files = openSpoolFiles(directory);
  files.append([range(19, 32)]);
  files.committed(committedAt(claims, 32));
  files.askedAgain(claims, 24);
  const newer = (start: number, next: number) => ({ ...range(start, next), leaderEpoch: 1 });
  files.append([newer(24, 30), newer(31, 35)]);
  files.close();
  const again = openSpoolFiles(directory);
  again.askedAgain(claims, 19);
  assert.deepEqual(runsOf(again), [
    [19, 30],
    [31, 35],
  ]);
  assert.deepEqual(readFrom(again, 19), [[19, 32]], 'below the cut both logs are one');
  assert.deepEqual(readFrom(again, 24), [[24, 30]]);
  assert.deepEqual(readFrom(again, 30), [], 'it is read again from Kafka');
  again.append([newer(30, 31)]);
  assert.deepEqual(runsOf(again), [[19, 35]]);
  again.close();
});

test('segments that know no leader epoch are read beside those that do', () => {
  const files = openSpoolFiles();
  files.append([range(0, 10), { ...range(10, 20), leaderEpoch: -1 }, { ...range(20, 30), leaderEpoch: 3 }]);
  assert.deepEqual(runsOf(files), [[0, 30]]);
  files.append([{ ...range(30, 40), leaderEpoch: -1 }]);
  assert.deepEqual(runsOf(files), [[0, 40]]);
  assert.deepEqual(readFrom(files, 30), [[30, 40]]);
  files.close();
});
