// A segment that counts what cannot be is asked for again a few times and then refused by name, with its
// topic alone: no window ever depends on it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BATCH_RECORDS_MAX } from '@sluice/shared/record-batch.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { declared, declaredOf, rest, sequencerOf } from '../../support/sequencer-harness.ts';

const counts = (records: number, control = 0, aborted = 0) => ({ records, control, aborted, absent: 0 });
const IMPOSSIBLE: Readonly<Record<string, Segment>> = {
  'more records than its bytes can hold': rangeSegment(0, 2 ** 31, {
    payload: new Uint8Array(100),
    plainBytes: 100,
    counts: counts(2 ** 31),
  }),
  'records without a payload': rangeSegment(0, 10, { payload: new Uint8Array(), plainBytes: 0 }),
  'fewer than none': rangeSegment(0, 10, { counts: { ...counts(11), absent: -1 } }),
  'control batches that it does not list': rangeSegment(0, 10, { counts: counts(9, 1) }),
};

for (const [what, segment] of Object.entries(IMPOSSIBLE))
  test(`a segment with ${what} is asked for again three times, then its topic is refused`, async () => {
    const parts = await declared(
      sequencerOf({ tables: [{ name: 'claims' }, { name: 'orders', topic: 'orders' }] }),
    );
    const { sequencer, link, send, lanes } = parts;
    for (const epoch of [0, 1, 2]) assert.equal(sequencer.segment(link, segment, epoch), 'rewound');
    assert.equal(sequencer.segment(link, segment, 3), 'refused');
    assert.deepEqual(link.told, [
      'rewind claims-0 0 epoch 1',
      'rewind claims-0 0 epoch 2',
      'rewind claims-0 0 epoch 3',
      'refused claims SEGMENT_COUNTS_DISAGREE',
    ]);
    await sequencer.declare(link, [declaredOf(0, 'orders')]);
    assert.equal(sequencer.segment(link, rangeSegment(0, 10, { topic: 'orders' }), 0), 'staged');
    assert.equal(send(0, 10, 3), 'staged', 'a whole one is still welcome');
    for (const { lane } of lanes) lane.close('drain');
    await rest(parts);
    assert.deepEqual(parts.writers['claims']?.log, ['claims-0 [0, 10)']);
  });

test('segments that are whole begin the count anew', async () => {
  const { sequencer, link, send } = await declared();
  const bad = (at: number) => rangeSegment(at, at + 10, { counts: counts(9, 1) });
  for (const epoch of [0, 1, 2]) assert.equal(sequencer.segment(link, bad(0), epoch), 'rewound');
  assert.equal(send(0, 10, 3), 'staged');
  assert.equal(sequencer.segment(link, bad(10), 3), 'rewound');
});

test('as many records as a batch may hold are believed', async () => {
  const { sequencer, link } = await declared();
  const many = rangeSegment(0, BATCH_RECORDS_MAX, { payload: new Uint8Array(61), plainBytes: 61 });
  assert.equal(sequencer.segment(link, many, 0), 'staged');
});
