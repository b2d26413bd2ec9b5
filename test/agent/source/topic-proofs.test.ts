// A fetch names its topic by name alone: what it brought counts only once Kafka was asked after it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOURCE_TIMING } from '@sluice/agent/source/source-timing.ts';
import { isGone, TopicProofs } from '@sluice/agent/source/topic-proofs.ts';
import { NO_TOPIC_ID, type PartitionId, slotKey } from '@sluice/shared/position.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';

const idOf = (partition: number, topicId = 'a'.repeat(32)): PartitionId => ({
  ...{ topic: 'claims', partition, topicId },
});

/** Each question waits until it is answered with the id that the topic has then; undefined: no broker. */
function proofs() {
  const clock = manualClock();
  const asked: string[] = [];
  const answers: ((topicId: string | undefined) => void)[] = [];
  const stopping = new AbortController();
  let described = 0;
  const kafka = new TopicProofs({
    cluster: {
      topicIds: (slots) => {
        asked.push(slots.map(({ partition }) => partition).join());
        return new Promise((resolve, reject) => {
          answers.push((topicId) =>
            topicId === undefined
              ? reject(new Error('no broker answers'))
              : resolve(new Map(slots.map((slot) => [slotKey(slot), topicId]))),
          );
        });
      },
    },
    clock,
    events: { sourceTopicNotProven: () => {} },
    timing: SOURCE_TIMING,
    signal: stopping.signal,
    describe: () => void described++,
  });
  const said: string[] = [];
  const ask = (id: PartitionId) =>
    void kafka.isStill(id).then((is) => said.push(`${id.partition} ${is ? 'same' : 'other'}`));
  const answer = async (topicId: string | undefined) => {
    answers.shift()?.(topicId);
    await settle();
  };
  return { kafka, clock, asked, said, ask, answer, stopping, described: () => described };
}

test('an answer that was on its way before the fetch came says nothing of it: it is asked again', async () => {
  const { asked, said, ask, answer, clock } = proofs();
  ask(idOf(0));
  await settle();
  ask(idOf(1));
  ask(idOf(0));
  await answer('a'.repeat(32));
  assert.deepEqual(said, ['0 same']);
  await clock.advance(SOURCE_TIMING.proofPauseMs);
  assert.deepEqual(asked, ['0', '1,0'], 'one question for all that came meanwhile');
  await answer('b'.repeat(32));
  assert.deepEqual(said, ['0 same', '1 other', '0 other']);
});

test('a topic that is another one, or none, is described again', async () => {
  const { ask, answer, described, said } = proofs();
  ask(idOf(0));
  await settle();
  await answer('b'.repeat(32));
  assert.deepEqual(said, ['0 other']);
  assert.equal(described(), 1);
});

test('while no broker answers nothing counts and nothing is given up, in the order in which it was asked', async () => {
  const { ask, answer, said, clock } = proofs();
  ask(idOf(0));
  await settle();
  await answer(undefined);
  ask(idOf(1));
  assert.deepEqual(said, []);
  await clock.advance(SOURCE_TIMING.proofRetryMs);
  await answer('a'.repeat(32));
  assert.deepEqual(said, ['0 same', '1 same']);
});

test('who stops hears at once that nobody will know', async () => {
  const { kafka, ask, answer, said, stopping } = proofs();
  ask(idOf(0));
  await settle();
  ask(idOf(1));
  stopping.abort();
  await settle();
  assert.deepEqual(said, ['1 other']);
  await answer('a'.repeat(32));
  assert.deepEqual(said, ['1 other', '0 other']);
  assert.equal(await kafka.isStill(idOf(2)), false);
  await kafka.settled();
});

test('a topic is gone where every broker names another, and nowhere else', async () => {
  const asks = async (said: readonly string[] | Error, id = idOf(0)) =>
    isGone(
      {
        topicIdsEverywhere: async () => {
          if (said instanceof Error) throw said;
          return new Set(said);
        },
      },
      id,
    );
  const [own, other, third] = ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32)];
  assert.equal(await asks([other]), true);
  assert.equal(await asks([other, third]), true);
  assert.equal(await asks([own]), false, 'it is there');
  assert.equal(await asks([other, own]), false, 'one broker is cut off, and nobody can tell which');
  assert.equal(await asks([]), false, 'deleted, or hidden: nobody can tell');
  assert.equal(await asks(new Error('a broker does not answer')), false);
  assert.equal(await asks([NO_TOPIC_ID]), false, 'brokers that know no ids');
  assert.equal(await asks([other], idOf(0, NO_TOPIC_ID)), false);
});
