// A question to Kafka is put when it is due, at once when told, never twice at the same time, and soon again
// where it failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacedQuestion } from '@sluice/agent/source/paced-question.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';

const [EVERY, RETRY] = [60_000, 5_000];

function paced() {
  const clock = manualClock();
  const answers: PromiseWithResolvers<void>[] = [];
  const failures: string[] = [];
  const wanted = { is: true };
  const question = new PacedQuestion({
    ...{ clock, everyMs: EVERY, retryMs: RETRY },
    isWanted: () => wanted.is,
    ask: () => {
      const answer = Promise.withResolvers<void>();
      answers.push(answer);
      return answer.promise;
    },
    failed: (reason) => void failures.push(reason),
  });
  /** Questions that were put when a tick comes after so long. */
  const after = async (ms: number) => {
    await clock.advance(ms);
    void question.whenDue();
    await settle();
    return answers.length;
  };
  return { question, answers, failures, wanted, after };
}

test('it is put once when it is due, and not again before', async () => {
  const { answers, after } = paced();
  assert.equal(await after(0), 1);
  answers[0]?.resolve();
  assert.equal(await after(EVERY - 1), 1);
  assert.equal(await after(1), 2);
  assert.equal(await after(10 * EVERY), 2, 'an answer is still due');
});

test('told to, it is put at once, and where an answer is due once more behind that', async () => {
  const { question, answers, after } = paced();
  assert.equal(await after(0), 1);
  question.now();
  await settle();
  assert.equal(answers.length, 1);
  answers[0]?.resolve();
  await settle();
  assert.equal(await after(0), 2);
  answers[1]?.resolve();
  await settle();
  question.now();
  await settle();
  assert.equal(answers.length, 3);
});

test('one that failed is named and put soon again, as is one that told too little', async () => {
  const { question, answers, failures, after } = paced();
  await after(0);
  answers[0]?.reject(new Error('no broker'));
  await settle();
  assert.deepEqual(failures, ['Error: no broker']);
  assert.equal(await after(RETRY - 1), 1);
  assert.equal(await after(1), 2);
  question.soon();
  answers[1]?.resolve();
  assert.equal(await after(RETRY), 3);
});

test('nothing is asked while there is nothing to ask, and at once when there is', async () => {
  const { wanted, after } = paced();
  wanted.is = false;
  assert.equal(await after(EVERY), 0);
  wanted.is = true;
  assert.equal(await after(0), 1);
});
