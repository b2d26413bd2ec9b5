// What a collector takes is bounded by what it granted, whoever sends and however much there is to send.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { assertContiguous } from '../support/oracles.ts';
import { opaqueSegment } from '../support/segments.ts';
import { sequencerDouble } from '../support/sequencer-double.ts';

const MIB = 2 ** 20;
const SEGMENT_BYTES = MIB / 4;
const pki = await createLinkPki();
const collector = await pki.collector();
const agent = await pki.agent('site-1');
const partition = (number: number) => ({ topic: 'claims', topicId: NO_TOPIC_ID, partition: number });
const endless = (id = partition(0)) =>
  feedDouble([
    { id, at: (offset) => opaqueSegment(offset, offset + 1, { ...id, payloadBytes: SEGMENT_BYTES }) },
  ]);

test('while nothing is committed an agent stops at the collector’s room, and goes on when there is some again', async (t) => {
  const roomBytes = 4 * MIB;
  const sequencer = sequencerDouble({ roomBytes });
  const there = await startCollectorEnd(t, { tls: collector, sequencer });
  const address = { host: '127.0.0.1', port: there.port };
  const here = startAgentEnd(t, { address, tls: agent, feed: endless(), segmentBytesMax: SEGMENT_BYTES });
  for (let round = 1; round <= 5; round++) {
    await eventually('all credit is used up, and receipted', () => {
      const { creditBytes, inFlightBytes } = here.uplink.status();
      return sequencer.room() === 0 && creditBytes < SEGMENT_BYTES && inFlightBytes === 0;
    });
    assert.equal(sequencer.stagedBytes, roomBytes);
    assert.ok(here.feed.handed * SEGMENT_BYTES <= round * roomBytes + SEGMENT_BYTES, `${here.feed.handed}`);
    assert.equal(here.uplink.status().state, 'connected');
    sequencer.commitAll();
    there.ingest.roomChanged();
  }
  assert.equal(sequencer.stagedBytesPeak, roomBytes);
  assert.equal(here.uplink.status().attempts, 1);
  assertContiguous(sequencer.taken(partition(0)));
});

test('many agents together stay within the room, and one credit and segment each, and each of them moves', async (t) => {
  const roomBytes = 4 * MIB;
  const sequencer = sequencerDouble({ roomBytes });
  const there = await startCollectorEnd(t, { tls: collector, sequencer, connectionsMax: 8 });
  const address = { host: '127.0.0.1', port: there.port };
  const ids = [0, 1, 2, 3, 4, 5].map(partition);
  for (const id of ids)
    startAgentEnd(t, { address, tls: agent, feed: endless(id), instanceId: `i${id.partition}` });
  await eventually('each has sent', () => {
    sequencer.commitAll();
    there.ingest.roomChanged();
    return ids.every((id) => sequencer.taken(id).length >= 20);
  });
  // With nothing in flight, a segment may go that the rest of the credit is too small for.
  const bound = roomBytes + ids.length * (MIB + SEGMENT_BYTES);
  assert.ok(sequencer.stagedBytesPeak <= bound, `${sequencer.stagedBytesPeak} of ${bound}`);
  for (const id of ids) assertContiguous(sequencer.taken(id));
});
