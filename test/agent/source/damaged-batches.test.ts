// A batch that broke on its way from the broker is fetched again and whole; one that stays broken goes on as
// it is, or its partition waits by name. None is skipped, and none stops another partition.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceBatch, SourceHandler } from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { REFETCHES_MAX } from '@sluice/agent/source/damaged-batches.ts';
import type { KafkaAdapter } from '@sluice/agent/source/kafka-adapter.ts';
import type { MemberListener } from '@sluice/agent/source/kafka-client.ts';
import { createKafkaSource } from '@sluice/agent/source/kafka-source.ts';
import { walkRecordSet } from '@sluice/agent/source/record-set.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const END = 40;
const ATTRIBUTES_AT = 21;
const DELTA_AT = 23;
const COUNT_AT = 57;
const slot = (partition: number) => ({ topic: 'claims', partition });

/** Ten records from `baseOffset` on. */
function batchAt(baseOffset: number): Buffer {
  const record = { timestamp: 1, key: null, value: Buffer.from('claim'), headers: [] };
  const records = Array.from({ length: 10 }, (_, i) => ({ ...record, offset: baseOffset + i }));
  return encodeRecordBatch({ baseOffset }, records);
}

const LOG: readonly Buffer[] = [0, 10, 20, 30].map(batchAt);

/** A source whose partitions hold LOG; `damage` changes a batch on its way, at the nth fetch of it. */
async function reading(damage: (batch: Buffer, partition: number, fetch: number) => void) {
  const taken = new Map<number, string[]>();
  const log = recordingLogger();
  const fetches = new Map<string, number>();
  let listener: MemberListener | undefined;
  const adapter: KafkaAdapter = {
    prepare() {},
    cluster: () => ({
      topics: async () => [{ topic: 'claims', topicId: 'c', errorCode: 0, internal: false, partitions: [] }],
      logs: async () => [],
      groupOffsets: async () => [],
      checkGroup: async () => {},
      topicIds: async () => new Map(),
      topicIdsEverywhere: async () => new Set(),
      epochEnds: async () => [],
      fetch: () => Promise.reject(new Error('not here')),
      close: async () => {},
    }),
    member: (_settings, told) => {
      listener = told;
      return {
        start: async () => {},
        stop: async () => {},
        seek: () => {},
        pause: () => {},
        resume: () => {},
        commit: async () => {},
      };
    },
  };
  const source = createKafkaSource({
    kafka: {} as never,
    topics: [{ kind: 'name', name: 'claims', startAt: 'earliest' } as never],
    events: createEvents(log, createMetrics()),
    clock: manualClock(),
    random: seededRandom(1),
    adapter,
  });
  const positions = new Map([0, 1].map((partition) => [partition, 0]));
  await source.start({
    assigned: () => new Map(),
    described: () => {},
    batches: ({ partition }: { partition: number }, batches: readonly SourceBatch[]) => {
      const list = taken.get(partition) ?? [];
      taken.set(partition, list);
      for (const { baseOffset, lastOffset, kind, damaged } of batches)
        list.push(`${baseOffset}-${lastOffset} ${kind}${damaged ? ' damaged' : ''}`);
    },
  } as unknown as SourceHandler);
  await settle();
  listener?.joined([slot(0), slot(1)]);
  for (const partition of [0, 1]) source.seek(slot(partition), 0);
  // Before the first fetch the topic is asked for.
  await settle();

  /** One fetch of each partition that flows, as kafkajs does: nothing taken, the same again. */
  const fetch = () => {
    for (const { partition, paused } of source.status().partitions) {
      const offset = positions.get(partition) ?? 0;
      if (paused.length > 0 || offset >= END) continue;
      const set = LOG.slice(offset / 10).map((whole) => {
        const batch = Buffer.from(whole);
        const key = `${partition}@${batch.readBigInt64BE(0)}`;
        fetches.set(key, (fetches.get(key) ?? 0) + 1);
        damage(batch, partition, fetches.get(key) ?? 0);
        return batch;
      });
      const bounds = { logStart: 0, lastStableOffset: END, highWatermark: END };
      const last = listener?.fetched(
        slot(partition),
        { batches: walkRecordSet(Buffer.concat(set), []), bounds },
        offset,
      );
      if (last !== undefined) positions.set(partition, last + 1);
    }
  };
  for (let i = 0; i < 20; i++) fetch();
  const waits = source.status().partitions.map(({ paused }) => [...paused]);
  await source.stop();
  return {
    taken,
    waits,
    said: log.said(/CRC-32C of a record batch/).map((one) => (one as { fate: string }).fate),
  };
}

const flip = (batch: Buffer) => batch.writeUInt8(batch.readUInt8(70) ^ 1, 70);
const WHOLE = ['0-9 data', '10-19 data', '20-29 data', '30-39 data'];
const isAt = (batch: Buffer, offset: bigint) => batch.readBigInt64BE(0) === offset;

for (const at of [0n, 10n, 30n])
  test(`a batch at ${at} that broke on the wire is fetched again, and everything arrives whole and once`, async () => {
    const { taken, waits, said } = await reading((batch, partition, fetch) => {
      if (partition === 0 && isAt(batch, at) && fetch <= REFETCHES_MAX) flip(batch);
    });
    assert.deepEqual([taken.get(0), taken.get(1)], [WHOLE, WHOLE]);
    assert.deepEqual(waits, [[], []]);
    assert.deepEqual(
      said,
      Array.from({ length: REFETCHES_MAX }, () => 'fetched again'),
    );
  });

for (const [what, damage] of [
  ['a flipped bit of its records', flip],
  ['its flags made a control batch’s', (batch: Buffer) => batch.writeInt16BE(0x20, ATTRIBUTES_AT)],
] as const)
  test(`a batch that stays broken by ${what} is passed on as data, for the collector to quarantine`, async () => {
    const { taken, waits, said } = await reading((batch, partition) => {
      if (partition === 0 && isAt(batch, 10n)) damage(batch);
    });
    assert.deepEqual(taken.get(0), ['0-9 data', '10-19 data damaged', '20-29 data', '30-39 data']);
    assert.deepEqual(taken.get(1), WHOLE);
    assert.deepEqual(waits, [[], []]);
    assert.equal(said.at(-1), 'passed on');
  });

for (const [what, damage] of [
  ['an end behind the next batch', (batch: Buffer) => batch.writeInt32BE(1_000_000, DELTA_AT)],
  ['no records', (batch: Buffer) => batch.writeInt32BE(0, COUNT_AT)],
] as const)
  test(`a batch that stays broken and says ${what} is not passed over: its partition waits, by name`, async () => {
    const { taken, waits, said } = await reading((batch, partition) => {
      if (partition === 0 && isAt(batch, 10n)) damage(batch);
    });
    assert.deepEqual(taken.get(0), ['0-9 data']);
    assert.deepEqual(taken.get(1), WHOLE);
    assert.deepEqual(waits, [['its next record batch is damaged and cannot be counted'], []]);
    assert.equal(said.at(-1), 'waits');
  });
