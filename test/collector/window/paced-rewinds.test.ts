// A stream that answers a Rewind with something else, again and again: it is asked on, and not without end at
// once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AT_ONCE_MAX, PAUSE_MS_MAX, PAUSE_MS_MIN } from '@sluice/collector/window/paced-rewinds.ts';
import { declared, declaredOf, linkOf } from '../../support/sequencer-harness.ts';

type Parts = Awaited<ReturnType<typeof declared>>;

/** As many Rewinds to 10 as are answered at once, and one hole more. Returns the epoch that is stale then. */
function askOften({ send }: Parts): number {
  send(0, 10);
  for (let epoch = 0; epoch <= AT_ONCE_MAX; epoch++) assert.equal(send(20, 30, epoch), 'rewound');
  return AT_ONCE_MAX;
}

test('who does not send what it is asked for is asked later and later, and what it sends until then is stale', async () => {
  const parts = await declared();
  const { send, link, clock } = parts;
  let epoch = askOften(parts);
  assert.equal(link.told.length, AT_ONCE_MAX);
  for (let pauseMs = PAUSE_MS_MIN; pauseMs < 4 * PAUSE_MS_MAX; pauseMs *= 2) {
    const told: number = link.told.length;
    assert.equal(send(20, 30, epoch), 'stale');
    await clock.advance(Math.min(pauseMs, PAUSE_MS_MAX) - 1);
    assert.equal(link.told.length, told);
    await clock.advance(1);
    epoch += 2;
    assert.deepEqual(link.told.slice(told), [`rewind claims-0 10 epoch ${epoch}`]);
    assert.equal(send(20, 30, epoch), 'rewound');
  }
});

test('what is asked for at last is taken, and another place is asked for at once', async () => {
  const parts = await declared();
  const { send, link, clock } = parts;
  const epoch = askOften(parts) + 2;
  await clock.advance(PAUSE_MS_MIN);
  assert.equal(send(10, 20, epoch), 'staged');
  assert.equal(send(30, 40, epoch), 'rewound');
  assert.equal(link.told.at(-1), `rewind claims-0 20 epoch ${epoch + 1}`);
});

test('another stream is neither slowed nor made stale by one that is asked later', async () => {
  const parts = await declared();
  const { send, sequencer, link, clock } = parts;
  const other = linkOf();
  await sequencer.declare(other, [declaredOf()]);
  askOften(parts);
  assert.equal(send(20, 30, 0, other), 'rewound');
  assert.deepEqual(other.told, ['rewind claims-0 10 epoch 1']);
  assert.equal(send(10, 30, 1, other), 'staged');
  await clock.advance(PAUSE_MS_MIN);
  assert.match(link.told.at(-1) ?? '', /^rewind claims-0 30 /, 'what lies behind is asked for');
});

test('a stream that is over, or gave the partition up, is asked no more', async () => {
  const parts = await declared();
  const { sequencer, link, clock } = parts;
  askOften(parts);
  sequencer.revoke(link, [declaredOf()]);
  await clock.advance(PAUSE_MS_MIN);
  assert.equal(link.told.length, AT_ONCE_MAX);
});
