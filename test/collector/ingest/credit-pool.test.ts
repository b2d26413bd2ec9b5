// Credit: what agents may still send, kept within what the collector has room for, and never taken by a few
// from the rest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CREDIT_BYTES_MIN,
  createCreditPool,
  type StreamCredit,
} from '@sluice/collector/ingest/credit-pool.ts';
import fc from 'fast-check';

const MIB = 2 ** 20;
const CREDIT_MAX = 16 * MIB;

test('one stream gets its whole share, again as it is received, and nothing once there is no room', () => {
  let room = 256 * MIB;
  const pool = createCreditPool(CREDIT_MAX, () => room);
  const stream = pool.open();
  assert.equal(pool.grant(stream), CREDIT_MAX);
  assert.equal(pool.grant(stream), CREDIT_MAX, 'asking again gives nothing more');
  stream.received = 10 * MIB;
  assert.equal(pool.grant(stream), CREDIT_MAX + 10 * MIB);
  room = 0;
  stream.received += 5 * MIB;
  assert.equal(pool.grant(stream), CREDIT_MAX + 10 * MIB);
});

test('a segment larger than the credit uses up what follows', () => {
  const pool = createCreditPool(CREDIT_MAX, () => 256 * MIB);
  const stream = pool.open();
  pool.grant(stream);
  stream.received = 40 * MIB;
  assert.equal(pool.grant(stream), 40 * MIB + CREDIT_MAX);
});

test('streams that hold all credit and send nothing do not starve the ones that come later', () => {
  const pool = createCreditPool(CREDIT_MAX, () => 256 * MIB);
  for (let i = 0; i < 16; i++) pool.grant(pool.open());
  const late = pool.open();
  assert.equal(pool.grant(late), CREDIT_BYTES_MIN);
});

test('where room is scarce a busy stream does not take what others were promised', () => {
  const room = 8 * MIB;
  const pool = createCreditPool(CREDIT_MAX, () => room);
  const [busy, other] = [pool.open(), pool.open()];
  assert.equal(pool.grant(busy), 4 * MIB);
  assert.equal(pool.grant(other), 4 * MIB);
  busy.received = 4 * MIB;
  assert.equal(pool.grant(busy), 8 * MIB);
});

test('a stream that ended gives its credit back and gets no more', () => {
  const pool = createCreditPool(CREDIT_MAX, () => 16 * MIB);
  const gone = pool.open();
  assert.equal(pool.grant(gone), CREDIT_MAX);
  pool.close(gone);
  assert.equal(pool.grant(pool.open()), CREDIT_MAX);
  gone.received = CREDIT_MAX;
  assert.equal(pool.grant(gone), CREDIT_MAX);
});

test('whatever streams do: no total falls, none exceeds its share, all together exceed the room by the least credit only', () => {
  const step = fc.record({
    kind: fc.constantFrom('open', 'close', 'grant', 'receive', 'commit'),
    stream: fc.nat({ max: 7 }),
    bytes: fc.nat({ max: 24 * MIB }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const capacity = 64 * MIB;
      let staged = 0;
      const room = () => Math.max(0, capacity - staged);
      const pool = createCreditPool(CREDIT_MAX, room);
      const streams: StreamCredit[] = [];
      const outstanding = (s: StreamCredit) => Math.max(0, s.granted - s.received);
      for (const { kind, stream: index, bytes } of steps) {
        const stream = streams[index % Math.max(1, streams.length)];
        if (kind === 'open' && streams.length < 8) streams.push(pool.open());
        if (stream === undefined) continue;
        if (kind === 'commit') staged -= Math.min(staged, bytes);
        if (kind === 'close') {
          pool.close(stream);
          streams.splice(streams.indexOf(stream), 1);
        }
        if (kind === 'receive') {
          const sent = Math.min(bytes, outstanding(stream));
          stream.received += sent;
          staged += sent;
        }
        if (kind !== 'grant') continue;
        const before = stream.granted;
        const others = streams.reduce((sum, s) => (s === stream ? sum : sum + outstanding(s)), 0);
        const promised = outstanding(stream);
        pool.grant(stream);
        assert.ok(stream.granted >= before);
        assert.ok(outstanding(stream) <= CREDIT_MAX);
        const limit = Math.max(promised, room() - others, Math.min(CREDIT_BYTES_MIN, room()));
        assert.ok(outstanding(stream) <= limit, `${outstanding(stream)} of ${limit}`);
        if (room() > 0) assert.ok(outstanding(stream) > 0, 'there is room, and it got none');
      }
    }),
  );
});
