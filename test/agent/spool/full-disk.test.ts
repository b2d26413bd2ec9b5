// A disk that others have filled: what is committed makes room without a byte that must be written first, so
// that the agent gets out of it by itself.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type SpoolDisk, sqliteDisk } from '@sluice/agent/spool/spool-disk.ts';
import { SpoolFiles } from '@sluice/agent/spool/spool-files.ts';
import { committedAt, rangeSegment } from '../../support/fake-spool.ts';
import { mountSmall } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const FILE_BYTES = 2 ** 20;
const large = (start: number, topic = 'claims') =>
  rangeSegment(start, start + 10, { topic, payload: Buffer.alloc(FILE_BYTES, 1) });

function filesOf(directory: string, topic = 'claims'): string[] {
  const path = join(directory, 'spool', topic);
  return existsSync(path) ? readdirSync(path).filter((name) => name.endsWith('.db')) : [];
}

function openFiles(directory: string, disk: SpoolDisk = sqliteDisk): SpoolFiles {
  return new SpoolFiles({ directory, fileBytesMax: FILE_BYTES, nowMs: () => 1_000, disk });
}

/** A disk on which nothing can be written once it is `full`. */
function fillableDisk() {
  const state = { full: false };
  const write = () => {
    if (state.full) throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  };
  const disk: SpoolDisk = {
    ...sqliteDisk,
    open(path, topic) {
      const file = sqliteDisk.open(path, topic);
      return {
        ...file,
        append(segments, spooledMs) {
          write();
          file.append(segments, spooledMs);
        },
        remove(id, startOffset) {
          write();
          file.remove(id, startOffset);
        },
        writeCommitted(id, prefix) {
          write();
          file.writeCommitted(id, prefix);
        },
      };
    },
  };
  return { state, disk };
}

test('on a full disk what is committed is unlinked, though nothing can be written', () => {
  const directory = temporaryDirectory();
  const { state, disk } = fillableDisk();
  const files = openFiles(directory, disk);
  for (const start of [0, 10, 20]) files.append([large(start)]);
  files.append([rangeSegment(30, 40)]);
  assert.equal(filesOf(directory).length, 4);
  state.full = true;
  assert.throws(() => files.committed(committedAt(rangeSegment(0, 1), 30)), { code: 'SQLITE_FULL' });
  assert.equal(filesOf(directory).length, 1, 'their room is free');
  files.close();
});

/** Until nothing more can be written. */
function fill(directory: string): void {
  let bytes = 2 ** 20;
  for (let i = 0; bytes >= 4_096; i++) {
    try {
      writeFileSync(join(directory, `filler-${i}`), Buffer.alloc(bytes));
    } catch {
      bytes /= 2;
    }
  }
  assert.equal(statfsSync(directory).bavail, 0);
}

for (const segments of [3, 1])
  test(`a real file system that others filled takes again what comes, once ${segments} files are committed`, (t) => {
    const directory = mountSmall(t, 'size=16m');
    if (directory === undefined) return;
    const files = new SpoolFiles({
      ...{ directory, nowMs: () => 1_000 },
      fileBytesMax: segments === 1 ? 8 * FILE_BYTES : FILE_BYTES,
    });
    for (let i = 0; i < segments; i++) files.append([large(i * 10)]);
    fill(directory);
    const next = large(segments * 10);
    assert.throws(() => files.append([next]));
    try {
      files.committed(committedAt(rangeSegment(0, 1), segments * 10));
    } catch (error) {
      assert.match(String((error as { code?: unknown }).code), /SQLITE_FULL|SQLITE_IOERR/);
    }
    files.append([next]);
    assert.equal(files.partitions()[0]?.nextOffset, segments * 10 + 10);
    files.close();
  });
