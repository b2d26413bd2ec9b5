// A log that was cut under a reader is noticed before anything of the new one is taken, and one that was not
// goes on; whoever reads is never told of a cut in a log that it has not read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceHandler } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { decodeEpochResponse, encodeEpochRequest } from '@sluice/agent/source/epoch-request.ts';
import type { KafkaAdapter } from '@sluice/agent/source/kafka-adapter.ts';
import type { MemberListener } from '@sluice/agent/source/kafka-client.ts';
import { createKafkaSource } from '@sluice/agent/source/kafka-source.ts';
import { walkRecordSet } from '@sluice/agent/source/record-set.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { PartitionLog } from '../../simulation/kafka-log.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const slot = { topic: 'claims', partition: 0 };
const ID = 'c'.repeat(32);

function append(log: PartitionLog, batches: number): void {
  const records = Array.from({ length: 10 }, (_, n) => ({ kind: 'good' as const, n, value: 'claim' }));
  const options = {
    codec: 'none' as const,
    timestamp: 1,
    producerId: undefined,
    compacted: new Set<number>(),
  };
  for (let i = 0; i < batches; i++) log.append(records, options);
}

/** A source that reads one partition from its beginning, or from a place that it was told. */
async function reading(place = { offset: 0, leaderEpoch: -1 }, fill = 2) {
  let kafka = new PartitionLog('claims', ID, 0);
  append(kafka, fill);
  const said: string[] = [];
  const clock = manualClock();
  const logger = recordingLogger();
  let listener: MemberListener | undefined;
  let errorCode = 0;
  let isGone = false;
  let meanwhile = () => {};
  const described: string[] = [];
  const topicOf = ({ topicId, leaderEpoch }: PartitionLog) => {
    const at = { topic: 'claims', topicId, errorCode: isGone ? 3 : 0, internal: false };
    return { ...at, partitions: [{ partition: 0, leaderEpoch }] };
  };
  const adapter: KafkaAdapter = {
    prepare() {},
    cluster: () => ({
      topics: async () => [topicOf(kafka)],
      logs: async (names) =>
        names.length === 0 ? [] : [{ ...slot, logStart: kafka.start, logEnd: kafka.lastStableOffset }],
      groupOffsets: async () => [],
      checkGroup: async () => {},
      topicIds: async () => new Map(isGone ? [] : [['claims/0', kafka.topicId]]),
      topicIdsEverywhere: async () => new Set(),
      epochEnds: async (questions) => {
        meanwhile();
        meanwhile = () => {};
        return questions.map(({ leaderEpoch }) => ({ ...slot, errorCode, ...kafka.endOf(leaderEpoch) }));
      },
      fetch: () => Promise.reject(new Error('not here')),
      close: async () => {},
    }),
    member: (_settings, told) => {
      listener = told;
      const nothing = { start: async () => {}, stop: async () => {}, seek() {}, pause() {}, resume() {} };
      return { ...nothing, commit: async () => {} };
    },
  };
  const source = createKafkaSource({
    ...{ kafka: {} as never, topics: [{ kind: 'name', name: 'claims' }], clock, adapter },
    ...{ events: createEvents(logger, createMetrics()), random: seededRandom(1) },
  });
  await source.start({
    assigned: () => new Map([['claims/0', place]]),
    described: (list) => void described.push(...list.map(({ logStart }) => String(logStart))),
    batches: (_slot, batches) =>
      void said.push(...batches.map((b) => `${b.baseOffset}-${b.lastOffset}@${b.leaderEpoch}`)),
    gap: (_slot, start, next) => void said.push(`gap ${start}-${next}`),
    truncated: ({ topicId }, cut) =>
      void said.push(
        `cut at ${cut.offset} of ${cut.leaderEpoch}${topicId === undefined ? '' : ` in ${topicId}`}`,
      ),
    proven: ({ topicId }) => void said.push(topicId === undefined ? 'proven' : `proven of ${topicId}`),
  } satisfies SourceHandler);
  await clock.advance(0);
  listener?.joined([slot]);
  await clock.advance(0);
  const fetch = async () => {
    const [row] = source.status().partitions;
    if (row?.position === undefined || row.paused.length > 0) return clock.advance(5_000);
    const found = kafka.fetch(row.position, 10_000);
    if (found === undefined) listener?.outOfRange(slot);
    else {
      const batches = walkRecordSet(found.set, found.aborted);
      listener?.fetched(slot, { batches, bounds: found.bounds }, row.position);
    }
    await clock.advance(0);
  };
  const heard = async (act: () => void = () => {}) => {
    said.length = 0;
    act();
    for (let i = 0; i < 4; i++) await fetch();
    return [...said];
  };
  const elect = (cutAt?: number, more = 0) => {
    kafka.elect(cutAt);
    append(kafka, more);
  };
  const fails = (code: number) => {
    errorCode = code;
  };
  const replace = (batches = 4) => {
    kafka = new PartitionLog('claims', 'd'.repeat(32), 0);
    append(kafka, batches);
  };
  /** While Kafka is asked where logs ended. */
  const during = (act: () => void) => {
    meanwhile = act;
  };
  /** From before anybody has described it. */
  const gone = () => {
    isGone = true;
    listener?.joined([]);
    listener?.joined([slot]);
  };
  return {
    source,
    logger,
    heard,
    elect,
    fails,
    replace,
    clock,
    gone,
    described,
    during,
    said,
    listener: () => listener,
  };
}

test('a leader that had everything is read on, after one question', async () => {
  const { heard, elect } = await reading();
  assert.deepEqual(await heard(), ['0-9@0', '10-19@0']);
  assert.deepEqual(await heard(() => elect(undefined, 1)), ['20-29@1']);
});

test('a log that was cut and has grown beyond the position is noticed before a record of it is taken', async () => {
  const { heard, elect, source } = await reading();
  await heard();
  assert.deepEqual(await heard(() => elect(10, 3)), ['cut at 10 of 0']);
  assert.deepEqual(source.status().partitions[0]?.paused, [
    'Kafka cut its log: what was spooled behind it is dropped first',
  ]);
  assert.deepEqual(await heard(() => source.seek(slot, 10, 0)), ['10-19@1', '20-29@1', '30-39@1']);
});

test('who is told to read on where it stands forgets nothing of what it has read up to there', async () => {
  const { heard, elect, source } = await reading();
  await heard(() => source.seek(slot, 0));
  source.seek(slot, 20);
  assert.deepEqual(await heard(() => elect(10, 3)), ['cut at 10 of 0']);
  source.seek(slot, 30);
  assert.deepEqual(await heard(), ['30-39@1'], 'elsewhere nobody knows what lies before');
});

test('a position behind the end of the log is where it was cut', async () => {
  const { heard, elect } = await reading();
  await heard();
  assert.deepEqual(await heard(() => elect(10)), ['cut at 10 of 0']);
});

test('a place that the reader takes over is compared as well, and a place that others ask about', async () => {
  const { heard, elect, source } = await reading({ offset: 20, leaderEpoch: 0 });
  assert.deepEqual(await heard(() => elect(10, 3)), ['cut at 10 of 0']);
  source.seek(slot, 10, 0);
  await heard();
  assert.deepEqual(await heard(() => source.prove(slot, [{ offset: 10, leaderEpoch: 0 }])), ['proven']);
  const dead = [{ offset: 20, leaderEpoch: 0 }];
  assert.deepEqual(await heard(() => source.prove(slot, dead)), ['cut at 10 of 0']);
});

test('nothing of a new epoch is taken while no leader answers', async () => {
  const { heard, elect, fails } = await reading();
  await heard();
  fails(74);
  assert.deepEqual(await heard(() => elect(10, 3)), []);
  fails(0);
  assert.deepEqual(await heard(), ['cut at 10 of 0']);
});

test('where the question is not allowed, reading goes on and a line says what that means', async () => {
  const { heard, elect, fails, logger } = await reading();
  await heard();
  fails(29);
  assert.deepEqual(await heard(() => elect(undefined, 1)), ['20-29@1']);
  assert.equal(logger.said(/a cut log would not be noticed/).length, 1);
});

test('another topic of the same name is no cut log, and what is read of it is not of the old one', async () => {
  const { heard, replace, source } = await reading();
  const old = { ...slot, topicId: ID };
  await heard();
  assert.equal(await source.isStill(old), true);
  source.hold('claims', 'a full disk');
  await heard(() => replace());
  const after = await heard(() => source.release('claims', 'a full disk'));
  assert.deepEqual(after, ['20-29@0', '30-39@0'], 'a fetch does not say of which topic it is');
  assert.equal(await source.isStill(old), false);
  await heard();
  source.seek(old, 5);
  assert.equal(source.status().partitions[0]?.position, undefined, 'where to read the old one is not heard');
  assert.deepEqual(source.status().partitions[0]?.topicId, 'd'.repeat(32));
});

test('two cuts are told, each with the epoch that it ended, the oldest first', async () => {
  const { heard, elect, source } = await reading();
  await heard();
  const places = [
    { offset: 20, leaderEpoch: 0 },
    { offset: 50, leaderEpoch: 1 },
  ];
  elect(10, 4);
  elect(30, 1);
  assert.deepEqual(await heard(() => source.prove(slot, places)), ['cut at 10 of 0', 'cut at 30 of 1']);
});

test('a place that is asked about while Kafka answers for another is not proven by that answer', async () => {
  const { heard, elect, source, during, clock, said } = await reading();
  await heard();
  elect(undefined, 2);
  said.length = 0;
  during(() => source.prove(slot, [{ offset: 50, leaderEpoch: 0 }]));
  source.prove(slot, [{ offset: 20, leaderEpoch: 0 }]);
  await clock.advance(0);
  assert.deepEqual(said, []);
  await clock.advance(2_000);
  assert.deepEqual(said, ['cut at 20 of 0']);
});

test('an answer about a place that others ask about does not say that what was read is still there', async () => {
  const { heard, elect, source, during, listener, clock, said } = await reading();
  const asks = async () => {
    said.length = 0;
    source.prove(slot, [{ offset: 10, leaderEpoch: 0 }]);
    await clock.advance(0);
    return [...said];
  };
  await heard();
  elect(10, 3);
  assert.deepEqual([await asks(), await heard()], [['proven'], ['cut at 10 of 0']]);
  await heard(() => source.seek(slot, 10, 0));
  const grown = new PartitionLog('claims', ID, 0);
  append(grown, 4);
  grown.elect();
  grown.elect();
  append(grown, 1);
  during(() => {
    const { set, aborted, bounds } = grown.fetch(40, 10_000) ?? assert.fail();
    listener()?.fetched(slot, { batches: walkRecordSet(set, aborted), bounds }, 40);
  });
  elect(30, 3);
  const also = 'also where it comes to wait while that is asked';
  assert.deepEqual([await asks(), await heard()], [['proven'], ['cut at 30 of 1']], also);
});

test('what a leader of before says late is compared again where the next epoch begins', async () => {
  const { heard, elect, listener, clock } = await reading();
  await heard();
  const before = new PartitionLog('claims', ID, 0);
  append(before, 3);
  elect(undefined, 2);
  await clock.advance(60_000);
  const { set, aborted, bounds } = before.fetch(20, 10_000) ?? assert.fail();
  const late = () => listener()?.fetched(slot, { batches: walkRecordSet(set, aborted), bounds }, 20);
  assert.deepEqual(await heard(late), ['20-29@0', 'cut at 20 of 0']);
});

test('of a partition that others read places are asked about by its id, and of a topic that is gone nobody can tell', async () => {
  const { heard, elect, source, replace, logger, clock, said, listener } = await reading();
  const other = (topicId: string) => ({ topic: 'claims', partition: 0, topicId });
  await heard();
  elect(10, 1);
  said.length = 0;
  listener()?.joined([]);
  source.prove(other(ID), [{ offset: 20, leaderEpoch: 0 }]);
  await clock.advance(0);
  assert.deepEqual(said, [`cut at 10 of 0 in ${ID}`]);
  assert.equal(logger.said(/a cut log would not be noticed/).length, 0);
  replace();
  source.prove(other(ID), [{ offset: 20, leaderEpoch: 0 }]);
  await clock.advance(2_000);
  assert.deepEqual(said.slice(1), [`proven of ${ID}`]);
  assert.equal(logger.said(/a cut log would not be noticed/).length, 1);
});

test('a place of a topic that had the name before is not looked for in the one that is described since', async () => {
  const { heard, source, logger, listener } = await reading();
  await heard();
  listener()?.joined([]);
  listener()?.joined([slot]);
  const before = { ...slot, topicId: 'b'.repeat(32) };
  const said = await heard(() => source.prove(before, [{ offset: 50, leaderEpoch: 0 }]));
  assert.deepEqual(
    said.filter((word) => !word.includes('@')),
    [`proven of ${before.topicId}`],
  );
  assert.equal(logger.said(/a cut log would not be noticed/).length, 1);
});

test('what was asked before the partition was read here is answered with what is asked since', async () => {
  const { heard, source, fails, clock, said, listener } = await reading();
  await heard();
  fails(74);
  const id = { ...slot, topicId: ID };
  listener()?.joined([]);
  source.prove(id, [{ offset: 10, leaderEpoch: 0 }]);
  listener()?.joined([slot]);
  await clock.advance(0);
  source.prove(id, [{ offset: 50, leaderEpoch: 0 }]);
  await clock.advance(5_000);
  said.length = 0;
  fails(0);
  await clock.advance(5_000);
  assert.deepEqual(said, ['cut at 20 of 0'], 'and is not proven by what was asked first');
});

test('where another topic ends says nothing of the one that was read', async () => {
  const { heard, replace, source } = await reading();
  await heard();
  const said = await heard(() => {
    replace(1);
    source.prove(slot, [{ offset: 20, leaderEpoch: 0 }]);
  });
  assert.deepEqual(said, []);
});

test('a topic that is gone while it is asked about is described to nobody', async () => {
  const { heard, source, gone, described } = await reading();
  described.length = 0;
  gone();
  await heard(() => source.seek(slot, 0));
  assert.deepEqual(described, []);
});

test('the request is Kafka’s, in each version that is spoken', () => {
  const questions = [
    { topic: 'ab', partition: 1, leaderEpoch: 5, currentEpoch: 7 },
    { topic: 'ab', partition: 2, leaderEpoch: 6, currentEpoch: 8 },
  ];
  const hex = (version: number) => encodeEpochRequest(questions, version).toString('hex');
  assert.equal(hex(1), '0000000100026162000000020000000100000005' + '0000000200000006');
  const v2 = '000000010002616200000002000000010000000700000005' + '000000020000000800000006';
  assert.deepEqual([hex(2), hex(3)], [v2, `ffffffff${v2}`]);
  const answer = Buffer.from('000000000000000100026162000000010000000000010000000500000000000000c8', 'hex');
  assert.deepEqual(decodeEpochResponse(answer, 3), [
    { topic: 'ab', errorCode: 0, partition: 1, endEpoch: 5, endOffset: 200 },
  ]);
});
