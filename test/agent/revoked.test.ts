// An agent that has lost a partition to another: it sends nothing of it on its own, commits nothing, keeps
// what it has spooled until that is committed, and sends it to a collector that names a place to send from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UplinkItem } from '@sluice/agent/contracts.ts';
import { PartitionBook } from '@sluice/agent/positions/partition-book.ts';
import { SendFeed } from '@sluice/agent/positions/send-feed.ts';
import { NO_TOPIC_ID, partitionName } from '@sluice/shared/position.ts';
import { FakeSpool, rangeSegment } from '../support/fake-spool.ts';
import { manualClock } from '../support/manual-clock.ts';

const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const slot = { topic: 'claims', partition: 0 };
const info = { ...id, leaderEpoch: 0, logStart: 0, logEnd: 100, groupOffset: 0, startAt: undefined };
const at = (nextOffset: number, received: number) => ({
  ...{ ...id, leaderEpoch: -1, nextOffset, received, rewindEpoch: 0 },
  ...{ openGaps: [], stands: [] },
});

/** It has read and spooled [0, 30) and sent [0, 10) before the partition went elsewhere. */
async function startRevoked() {
  const spool = new FakeSpool();
  const said: string[] = [];
  const told: string[] = [];
  const book = new PartitionBook({
    source: {
      prove: () => {},
      seek: (where, offset) => void said.push(`seek ${partitionName(where)} ${offset}`),
      commit: (offsets) =>
        void said.push(...offsets.map((o) => `commit ${partitionName(o)} ${o.nextOffset}`)),
    },
    spoolOf: () => spool.partitions()[0],
    startAtOf: () => undefined,
    declare: (partitions) =>
      void told.push(
        ...partitions.flatMap((p) => p.spoolRuns.map((r) => `[${r.startOffset}, ${r.nextOffset})`)),
      ),
    revoke: (partitions) => void said.push(...partitions.map((p) => `revoke ${partitionName(p)}`)),
    positionMoved: () => {},
    refills: () => {},
    finish: () => {},
    askedAgain: () => {},
  });
  const feed = new SendFeed(book, {
    spool,
    clock: manualClock(),
    onLost: () => assert.fail('nothing is lost'),
  });
  spool.append([rangeSegment(0, 10), rangeSegment(10, 20), rangeSegment(20, 30)]);
  book.assigned([slot]);
  book.described([info]);
  book.welcomed(at(0, 0));
  assert.equal(rangeOf(await feed.next()), 'segment 0-10');
  said.length = 0;
  book.assigned([]);
  return { spool, said, told, book, feed };
}

function rangeOf(item: UplinkItem | undefined): string {
  if (item === undefined || item.kind === 'history waits') return 'nothing';
  const { startOffset, nextOffset } = item.kind === 'gap' ? item.gap : item.segment;
  return `${item.kind} ${startOffset}-${nextOffset}`;
}

const all = async (feed: SendFeed): Promise<string[]> => {
  const sent: string[] = [];
  for (let item = await feed.next(); item !== undefined; item = await feed.next()) sent.push(rangeOf(item));
  return sent;
};

test('nothing more of it is sent, and nothing is waited for', async () => {
  const { feed, said } = await startRevoked();
  assert.deepEqual(said, ['revoke claims-0']);
  assert.deepEqual(await all(feed), []);
  let isReady = false;
  const over = new AbortController();
  const ready = feed.ready(over.signal).then(() => {
    isReady = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isReady, false);
  over.abort();
  await ready;
});

test('a collector that asks for it gets it, from the place it names', async () => {
  const { feed, book } = await startRevoked();
  book.rewind(id, 10, 1);
  assert.deepEqual(await all(feed), ['segment 10-20', 'segment 20-30']);
});

test('to the next stream it says what it still has, and sends what the collector lacks', async () => {
  const { feed, book } = await startRevoked();
  const [declared, ...others] = feed.declared();
  assert.deepEqual(others, []);
  assert.deepEqual([declared?.spoolStart, declared?.spoolNext], [0, 30]);
  assert.deepEqual(await all(feed), [], 'before the collector has answered');
  book.welcomed(at(10, 20));
  assert.deepEqual(await all(feed), ['segment 20-30']);
});

test('what is committed of it, by whomever it was brought, is not committed to the group from here', async () => {
  const { book, said } = await startRevoked();
  said.length = 0;
  book.committed({ partition: id, nextOffset: 20, openGaps: [], leaderEpoch: 0 });
  book.welcomed(at(20, 20));
  assert.deepEqual(said, []);
});

test('what is asked of an open gap is sent from the spool beside all else, and what is not there is said', async () => {
  const { feed, book, spool } = await startRevoked();
  spool.lose((segment) => segment.startOffset === 10);
  book.fill(id, { startOffset: 5, nextOffset: 25 }, 7);
  const sent = [];
  for (let item = await feed.next(); item !== undefined; item = await feed.next())
    sent.push(`${rangeOf(item)} epoch ${item.rewindEpoch}`);
  assert.deepEqual(sent, ['segment 0-10 epoch 7', 'gap 10-20 epoch 7', 'segment 20-30 epoch 7']);
  book.rewind(id, 20, 8);
  assert.deepEqual(await all(feed), ['segment 20-30'], 'where it sends on is not moved by a fill');
});

test('a gap that is told while the stream stands, and that the spool has some of, is told back once', async () => {
  const { book, told, spool } = await startRevoked();
  const openGaps = [{ startOffset: 35, nextOffset: 50 }];
  told.length = 0;
  spool.append([rangeSegment(30, 40)]);
  book.committed({ partition: id, nextOffset: 20, openGaps, leaderEpoch: 0 });
  book.committed({ partition: id, nextOffset: 20, openGaps, leaderEpoch: 0 });
  assert.deepEqual(told, ['[0, 40)']);
});

test('behind a cut nothing counts that is said of the log before it, until the ledger has it', async () => {
  const { book } = await startRevoked();
  book.assigned([slot]);
  book.described([info]);
  book.cut(slot, { offset: 12, leaderEpoch: 4 });
  const said = (leaderEpoch: number) =>
    book.committedOf({ partition: id, nextOffset: 20, openGaps: [], leaderEpoch });
  assert.deepEqual([said(4), said(5)], [12, 20]);
});

test('less is committed than before only where the ledger stands under a newer epoch', async () => {
  const { book } = await startRevoked();
  book.assigned([slot]);
  book.described([info]);
  const standsAt = (offset: number, leaderEpoch: number) => {
    return { ...at(offset, offset), stands: [{ offset, leaderEpoch }] };
  };
  assert.equal(book.welcomed(standsAt(20, 0)).setsBack, false);
  const behind = book.welcomed(standsAt(10, 0));
  assert.deepEqual([behind.setsBack, behind.committed], [false, 20]);
  assert.equal(book.welcomed(standsAt(12, 1)).setsBack, true);
  assert.equal(book.states()[0]?.committed, 12);
});

test('whoever is assigned it again says under which epoch it was committed', async () => {
  const { book, spool } = await startRevoked();
  spool.commit(30);
  book.assigned([slot]);
  book.described([info]);
  book.committed({ partition: id, nextOffset: 30, openGaps: [], leaderEpoch: 4 });
  assert.deepEqual(book.assigned([slot]).get('claims/0'), { offset: 30, leaderEpoch: 4 });
});
