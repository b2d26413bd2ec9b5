// Parts of a partition's log, read beside the group over a connection of their own: nothing is joined,
// committed or sought, and what fails here fails nobody else. Whoever asks hears what Kafka has from an
// offset on, or where its log begins now. A topic that was created again under the same name is never taken
// for the one that was meant.
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey, partitionName, slotKey } from '@sluice/shared/position.ts';
import type { KafkaSettings, LogPiece, LogReader } from '../contracts.ts';
import type { Events } from '../events.ts';
import { type DamageSeen, usableBatches } from './damaged-batches.ts';
import type { PartitionFetch } from './fetch-response.ts';
import { type KafkaAdapter, kafkajsAdapter } from './kafka-adapter.ts';
import { copyBatches } from './record-set.ts';

export interface LogReaderOptions {
  readonly kafka: KafkaSettings;
  readonly clock: Clock;
  readonly events: Pick<Events, 'kafkaClientLogged' | 'sourceBatchDamaged'>;
  readonly adapter?: KafkaAdapter;
}

export function createLogReader(options: LogReaderOptions): LogReader {
  const { kafka, clock, events, adapter = kafkajsAdapter } = options;
  const cluster = adapter.cluster(kafka, events.kafkaClientLogged);
  /** The last damaged batch of a partition; bounded by the partitions that are read. */
  const damages = new Map<string, DamageSeen>();

  /** Asked last: a topic that is still the one that was meant was it before, too. */
  async function assertSame({ topic, topicId }: PartitionId): Promise<void> {
    const [found] = await cluster.topics([topic]);
    if (found?.errorCode === 0 && found.topicId === topicId) return;
    throw new SluiceError('KAFKA_TOPIC_UNKNOWN', `topic '${topic}' is not the one that was asked for`);
  }

  async function lostTo(id: PartitionId, offset: number): Promise<number | undefined> {
    const logs = await cluster.logs([id.topic]);
    await assertSame(id);
    const start = logs.find((log) => slotKey(log) === slotKey(id))?.logStart;
    return start !== undefined && start > offset ? start : undefined;
  }

  function usable(id: PartitionId, position: number, { batches, bounds }: PartitionFetch): LogPiece {
    const lacking = batches.filter(({ lastOffset, damaged }) => damaged || lastOffset >= position);
    const damageSeen = damages.get(partitionKey(id));
    const { batches: found, seen, damage } = usableBatches(lacking, bounds, { position, damageSeen });
    if (seen === undefined) damages.delete(partitionKey(id));
    else damages.set(partitionKey(id), seen);
    if (damage !== undefined)
      events.sourceBatchDamaged({ topic: id.topic, partition: id.partition, ...damage });
    return { kind: 'batches', batches: copyBatches(found) };
  }

  return {
    async read(id, offset, bytesMax) {
      adapter.prepare(clock);
      const { topic, partition } = id;
      try {
        const [answer] = await cluster.fetch([{ topic, partition, offset, bytesMax }]);
        if (answer === undefined)
          throw new SluiceError('KAFKA_UNREACHABLE', 'no leader answered', { place: partitionName(id) });
        await assertSame(id);
        return usable(id, offset, answer.fetch);
      } catch (error) {
        const nextOffset = await lostTo(id, offset);
        if (nextOffset === undefined) throw error;
        const reason = `retention: Kafka’s log begins at ${nextOffset}`;
        return { kind: 'lost', nextOffset, reason };
      }
    },
    close: () => cluster.close(),
  };
}
