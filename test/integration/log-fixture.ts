// Logs that a consumer must read with care - every codec, interleaved aborts, huge batches, holes that the
// log cleaner left - and what Java's read_committed console consumer makes of them, which is the truth for
// everyone.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BATCH_CODECS, type BatchCodec } from '@sluice/shared/codecs.ts';
import { type Admin, type Kafka, type Message, Partitioners, type Producer } from 'kafkajs';
import { eventually } from '../support/eventually.ts';

/** A broker with Kafka's own tools beside it. */
export interface ToolBroker {
  readonly address: string;
  /** Its log.dirs. */
  readonly dataDirectory: string;
  /** Runs one of Kafka's own tools; resolves with its stdout. */
  tool(className: string, args: readonly string[]): Promise<string>;
}

/** How Java prints a null value, and what stands for it in a digest. */
const NULL_LITERAL = '(none)';

/** As DuckDB's md5 of the text. */
export const digest = (value: string | Buffer | null) =>
  createHash('md5')
    .update(value ?? NULL_LITERAL)
    .digest('hex');

/** One record as offset, timestamp and digest of its value. */
export const recordLine = (offset: number | string, timestamp: number | string, valueDigest: string) =>
  `${offset} ${timestamp} ${valueDigest}`;

/** What Java's read_committed console consumer prints of a topic with one partition. */
export async function readByJava({ address, tool }: ToolBroker, topic: string): Promise<string[]> {
  const printed = await tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...['--bootstrap-server', address, '--topic', topic, '--from-beginning', '--timeout-ms', '6000'],
    ...['--command-property', 'isolation.level=read_committed'],
    ...['--formatter-property', 'print.offset=true', '--formatter-property', 'print.timestamp=true'],
    ...['--formatter-property', `null.literal=${NULL_LITERAL}`],
  ]);
  return printed
    .split('\n')
    .filter((line) => line.startsWith('CreateTime:'))
    .map((line) => {
      const [timestamp = '', offset = '', ...value] = line.split('\t');
      return recordLine(offset.split(':')[1] ?? '', timestamp.split(':')[1] ?? '', digest(value.join('\t')));
    });
}

interface JavaRecords {
  readonly codec: BatchCodec;
  readonly count: number;
  readonly bytes: number;
  readonly settings?: readonly string[];
}

async function produceWithJava(
  { address, tool }: ToolBroker,
  topic: string,
  { codec, count, bytes, settings = [] }: JavaRecords,
): Promise<void> {
  const producer = [`bootstrap.servers=${address}`, `compression.type=${codec}`, ...settings];
  await tool('org.apache.kafka.tools.ProducerPerformance', [
    ...['--topic', topic, '--throughput', '-1', '--num-records', String(count)],
    ...['--record-size', String(bytes), '--command-property', ...producer],
  ]);
}

/** One batch that holds nearly all of them. */
const HUGE_BATCH: JavaRecords = {
  codec: 'zstd',
  count: 200_000,
  bytes: 1,
  settings: ['batch.size=8000000', 'linger.ms=3000', 'max.request.size=8000000'],
};

/**
 * A topic of one partition with every codec, aborted transactions, a batch of 200,000 and messages of 6 MB,
 * mixed.
 */
export async function createMixture(broker: ToolBroker, { kafka, admin, topic }: NewLog): Promise<void> {
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }] });
  const small = BATCH_CODECS.map((codec) => ({ codec, count: 2_000, bytes: 100 }));
  const java = [HUGE_BATCH, ...small].map((records) => produceWithJava(broker, topic, records));
  await Promise.all([...java, interleaveTransactions(kafka, topic)]);
  await withProducer(kafka, async (producer) => {
    for (const values of [['x'.repeat(6_000_000)], ['y'.repeat(6_000_000), 'last']])
      await producer.send({ topic, messages: values.map((value) => ({ value, partition: 0 })) });
  });
}

interface NewLog {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly topic: string;
}

async function withProducer(kafka: Kafka, produce: (producer: Producer) => Promise<void>): Promise<void> {
  const createPartitioner = Partitioners.DefaultPartitioner;
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner });
  await producer.connect();
  await produce(producer);
  await producer.disconnect();
}

async function transactionalProducer(kafka: Kafka, transactionalId: string): Promise<Producer> {
  const producer = kafka.producer({
    transactionalId,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  return producer;
}

/** Two transactional producers and a plain one, turn by turn in partition 0: most of it is aborted. */
async function interleaveTransactions(kafka: Kafka, topic: string): Promise<void> {
  const [first, second] = await Promise.all([
    transactionalProducer(kafka, `${topic}-1`),
    transactionalProducer(kafka, `${topic}-2`),
  ]);
  const message = (value: string, key: string | Buffer): Message[] => [{ value, key, partition: 0 }];
  await withProducer(kafka, async (plain) => {
    for (let round = 0; round < 3; round++) {
      const a = await first.transaction();
      const b = await second.transaction();
      for (let i = 0; i < 3; i++) {
        await a.send({ topic, messages: message(`a${round}-${i}`, `a${i}`) });
        await b.send({ topic, messages: message(`b${round}-${i}`, Buffer.alloc(4)) });
      }
      await plain.send({ topic, messages: message(`plain-${round}`, 'plain') });
      await b.abort();
      if (round === 1) await a.commit();
      else await a.abort();
    }
  });
  await Promise.all([first.disconnect(), second.disconnect()]);
}

const ROUNDS = 12;
const KEYS_PER_ROUND = 20;

/**
 * A topic of one partition whose log the cleaner has really compacted up to its last record: single offsets
 * are gone, whole batches are, batches stand empty, tombstones stay, and the transactions in between were
 * cleaned as well.
 */
export async function createCompacted(
  { dataDirectory }: Pick<ToolBroker, 'dataDirectory'>,
  { kafka, admin, topic }: NewLog,
): Promise<void> {
  const config = {
    'cleanup.policy': 'compact',
    'segment.ms': '1000',
    'min.cleanable.dirty.ratio': '0.01',
  };
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }] });
  // Each round is minutes after the one before by its timestamps, and rolls a segment: only closed ones are
  // cleaned.
  const sinceMs = Date.now() - 3_600_000;
  for (let round = 0; round < ROUNDS; round++) {
    const timestamp = String(sinceMs + round * 120_000);
    const messages = Array.from({ length: KEYS_PER_ROUND }, (_, i) => {
      // Keys of rounds 0 to 3 are all written again; each later round leaves some of its own.
      const key = `k${round < 8 ? (round % 4) * KEYS_PER_ROUND + i : (round * 7 + i * i) % 90}`;
      return { key, value: i % 9 === 8 ? null : `${round}-${i}`, timestamp, partition: 0 };
    });
    // A producer's last batch is kept, empty if need be, to remember its sequence number.
    await withProducer(kafka, async (producer) => {
      for (let from = 0; from < messages.length; from += 5)
        await producer.send({ topic, messages: messages.slice(from, from + 5) });
    });
  }
  await interleaveTransactions(kafka, topic);
  const timestamp = String(Date.now() + 60_000);
  await withProducer(kafka, async (producer) => {
    await producer.send({ topic, messages: [{ key: 'last', value: 'the end', timestamp, partition: 0 }] });
  });
  const [log] = await admin.fetchTopicOffsets(topic);
  await eventually('the log cleaner has been through all but the last record', () => {
    const checkpoints = readFileSync(join(dataDirectory, 'cleaner-offset-checkpoint'), 'utf8').split('\n');
    const end = Number(log?.high) - 1;
    if (!checkpoints.includes(`${topic} 0 ${end}`))
      throw new Error(`not ${end}, but ${checkpoints.join('; ')}`);
    return true;
  });
}

/** That the cleaner left what this is about: fewer records than offsets, and the first round is gone. */
export function assertHoles(records: readonly string[]): void {
  const offsets = records.map((line) => Number(line.split(' ')[0]));
  assert.ok((offsets[0] ?? 0) > 0, `the first offset is ${offsets[0]}`);
  const holes = offsets.filter((offset, i) => i > 0 && offset !== (offsets[i - 1] ?? 0) + 1);
  assert.ok(holes.length > 5, `${holes.length} holes in ${offsets.join(' ')}`);
}
