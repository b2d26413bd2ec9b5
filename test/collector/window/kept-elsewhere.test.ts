// Payloads that are not in memory: every way into a window says where they lie, and lets them go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HISTORY_EPOCH_MIN } from '@sluice/collector/window/backfills.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { settle } from '../../support/manual-clock.ts';
import { declaredOf, linkOf, rest, sequencerOf } from '../../support/sequencer-harness.ts';

test('live segments and history are transformed from where they are kept, and let go after that', async () => {
  const [read, dropped]: [number[], number[]] = [[], []];
  const keep = ({ byteLength }: Uint8Array) => {
    const stored = { byteLength, read: async () => new Uint8Array(byteLength) };
    return { stored, drop: () => void dropped.push(byteLength) };
  };
  const tables = [{ name: 'claims' }, { name: 'new', backfill: 'earliest' as const }];
  const parts = sequencerOf({ tables, bytesMax: 8_000, payloads: { keep } });
  const { sequencer, clock, writers, lanes, transformer } = parts;
  writers['claims']?.place(declaredOf(), 4_000);
  const link = linkOf();
  await sequencer.declare(link, [declaredOf()]);
  await clock.advance(0);
  assert.equal(sequencer.segment(link, rangeSegment(4_000, 4_300), 0), 'staged');
  assert.equal(sequencer.segment(link, rangeSegment(0, 500), HISTORY_EPOCH_MIN), 'staged');
  for (const { lane } of lanes) lane.close('drain');
  await clock.advance(0);
  await rest(parts);
  await settle();
  for (const segments of transformer.reads)
    for (const { segment, stored } of segments) {
      assert.equal(segment.payload.length, 0);
      read.push(stored?.byteLength ?? Number.NaN);
    }
  assert.deepEqual(
    [read.sort(), dropped.sort()],
    [
      [300, 300, 500],
      [300, 500],
    ],
  );
});
