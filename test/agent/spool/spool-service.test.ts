// The spool's thread: what one file cannot do is told, and keeps nothing else from being done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SpoolDisk, sqliteDisk } from '@sluice/agent/spool/spool-disk.ts';
import { createSpoolService } from '@sluice/agent/spool/spool-service.ts';
import type { SpoolReply } from '@sluice/agent/spool/worker-protocol.ts';
import { committedAt, rangeSegment } from '../../support/fake-spool.ts';
import { temporaryDirectory } from '../../support/temp.ts';

/** Files of the topic `broken` cannot note what is committed. */
function diskWithout(code: string): SpoolDisk {
  return {
    ...sqliteDisk,
    open(path, topic) {
      const file = sqliteDisk.open(path, topic);
      if (topic !== 'broken') return file;
      const fail = () => {
        throw Object.assign(new Error('disk'), { code });
      };
      return { ...file, writeCommitted: fail };
    },
  };
}

const topicsOf = (reply: SpoolReply) => reply.state?.partitions.map(({ topic }) => topic);

for (const code of ['SQLITE_IOERR', 'SQLITE_CORRUPT']) {
  test(`what is committed leaves the spool also behind a file that answers ${code}`, () => {
    const directory = temporaryDirectory();
    const answer = createSpoolService({
      directory,
      fileBytesMax: 2 ** 20,
      disk: diskWithout(code),
      nowMs: () => 1_000,
      lock: () => ({ release() {} }),
    });
    answer({ kind: 'open' });
    const segments = ['broken', 'sound'].map((topic) => rangeSegment(0, 10, { topic }));
    assert.deepEqual(topicsOf(answer({ kind: 'append', segments })), ['broken', 'sound']);
    const positions = segments.map((partition) => committedAt(partition, 10));
    const reply = answer({ kind: 'committed', positions });
    assert.equal(reply.kind, 'failed');
    assert.deepEqual(topicsOf(reply), []);
    assert.equal(reply.state?.setAside.length, code === 'SQLITE_CORRUPT' ? 1 : 0);
    answer({ kind: 'close' });
  });
}

test('a disk that cannot say how much room is left fails a call and not the thread, and forgets no loss', () => {
  const directory = temporaryDirectory();
  let mute = false;
  const answer = createSpoolService({
    directory,
    fileBytesMax: 2 ** 20,
    disk: {
      ...diskWithout('SQLITE_CORRUPT'),
      freeBytes(path) {
        if (mute) throw Object.assign(new Error('statfs'), { code: 'EIO' });
        return sqliteDisk.freeBytes(path);
      },
    },
    nowMs: () => 1_000,
    lock: () => ({ release() {} }),
  });
  answer({ kind: 'open' });
  const segment = rangeSegment(0, 10, { topic: 'broken' });
  answer({ kind: 'append', segments: [segment] });
  mute = true;
  const reply = answer({ kind: 'committed', positions: [committedAt(segment, 5)] });
  assert.deepEqual([reply.kind, reply.state], ['failed', undefined]);
  mute = false;
  assert.equal(answer({ kind: 'look' }).state?.setAside.length, 1);
  answer({ kind: 'close' });
});
