// The verifiable producer: numbered records, acks=all, idempotent, one send at a time. It knows which numbers
// Kafka has acknowledged, and which it does not know about.
import type { Clock } from '@sluice/shared/clock.ts';
import { type Kafka, Partitioners, type Producer } from 'kafkajs';
import type { Chance } from '../simulation/chance.ts';
import type { Journal } from './journal.ts';
import type { Numbers } from './verdict.ts';

export interface NumberedTopic {
  readonly topic: string;
  readonly partitions: number;
}

export interface NumberedProducer {
  readonly topic: string;
  readonly numbers: Numbers;
  /** Resolves after the last send. */
  readonly ended: Promise<void>;
}

const BATCH_MAX = 120;
const PAUSE_MS_MAX = 250;
const FILLER_BYTES_MAX = 200;
/**
 * Each day is a partition of the table: new ones for as long as records come, so that Glue is always asked.
 */
const RECORDS_PER_DAY = 1_000;

/** One record in 97 is no JSON. */
export const isMalformed = (n: number) => n % 97 === 13;

export function startNumberedProducer(
  { topic, partitions }: NumberedTopic,
  options: { kafka: Kafka; chance: Chance; clock: Clock; journal: Journal; signal: AbortSignal },
): NumberedProducer {
  const { kafka, clock, journal, signal } = options;
  const chance = options.chance.stream(`producer ${topic}`);
  const numbers = { attempted: 0, unconfirmed: new Set<number>() };

  async function run(): Promise<void> {
    let producer = await connected(kafka, clock);
    while (!signal.aborted) {
      const first = numbers.attempted;
      numbers.attempted += chance.between(1, BATCH_MAX);
      const sent = Array.from({ length: numbers.attempted - first }, (_, i) => first + i);
      for (const n of sent) numbers.unconfirmed.add(n);
      const messages = sent.map((n) => ({
        value: recordOf(n, chance),
        partition: chance.between(0, partitions - 1),
      }));
      try {
        await producer.send({ topic, acks: -1, messages });
        for (const n of sent) numbers.unconfirmed.delete(n);
      } catch (error) {
        journal.say(
          `${topic}: ${sent.length} numbers from ${first} are unconfirmed: ${(error as Error).message}`,
        );
        // Its next sequence number may be taken already: a new producer, or Kafka would drop the next batch
        // as a repeat.
        await producer.disconnect().catch(() => {});
        producer = await connected(kafka, clock);
      }
      await clock.sleep(chance.between(0, PAUSE_MS_MAX), signal);
    }
    await producer.disconnect().catch(() => {});
  }
  return { topic, numbers, ended: run() };
}

/** Records that Kafka has acknowledged. */
export function acknowledged(producers: readonly NumberedProducer[]): number {
  return producers.reduce((sum, { numbers }) => sum + numbers.attempted - numbers.unconfirmed.size, 0);
}

function recordOf(n: number, chance: Chance): string {
  const filler = chance.hex(chance.between(0, FILLER_BYTES_MAX / 2));
  const record = JSON.stringify({ n, day: `day-${Math.floor(n / RECORDS_PER_DAY)}`, filler });
  return isMalformed(n) ? record.slice(0, -1) : record;
}

async function connected(kafka: Kafka, clock: Clock): Promise<Producer> {
  for (;;) {
    const producer = kafka.producer({
      allowAutoTopicCreation: false,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    try {
      await producer.connect();
      return producer;
    } catch {
      await producer.disconnect().catch(() => {});
      await clock.sleep(500);
    }
  }
}
