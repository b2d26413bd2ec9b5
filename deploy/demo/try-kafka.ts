// The user's Kafka as this command sees it before anything is started: reachable, allowed, its partitions,
// the offsets to read and a sample of their values. Nothing is joined and nothing written.
import { readFileSync } from 'node:fs';
import type { KafkaSettings } from '@sluice/agent/contracts.ts';
import { createTopicSampler, type TopicSampler } from '@sluice/agent/source/topic-sampler.ts';
import { type Detection, detectColumns } from '@sluice/collector/transform/detect-columns.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { Terminal } from './terminal.ts';
import { assertReachable, Refusal } from './try-diagnosis.ts';
import type { TryOptions } from './try-options.ts';
import { chooseRanges, offsetsIn, type Range } from './try-ranges.ts';

export interface Survey {
  readonly ranges: readonly Range[];
  /** In the topic as a whole. */
  readonly offsets: number;
  readonly sampled: number;
  readonly detection: Detection;
}

const SAMPLE_RECORDS_MAX = 1_000;
const SIMILAR_MAX = 5;

export function kafkaSettings(
  { brokers, tls, sasl }: TryOptions,
  { groupId, password }: { groupId: string; password: string | undefined },
): KafkaSettings {
  const read = (name: 'ca' | 'cert' | 'key') => {
    const path = tls?.[name];
    return path === undefined ? {} : { [name]: readFileSync(path, 'utf8') };
  };
  return {
    brokers,
    clientId: 'sluice-try',
    groupId,
    tls:
      tls === undefined
        ? undefined
        : { ...read('ca'), ...read('cert'), ...read('key'), rejectUnauthorized: true },
    sasl:
      sasl === undefined
        ? undefined
        : { mechanism: sasl.mechanism, username: sasl.username, password: password ?? '' },
    sessionTimeoutMs: 10_000,
  };
}

/** Throws a Refusal, or what Kafka said. */
export async function survey(
  terminal: Terminal,
  options: TryOptions,
  settings: KafkaSettings,
): Promise<Survey> {
  const { topic, brokers } = options;
  await terminal.step(`${brokers.length === 1 ? brokers[0] : `${brokers.length} brokers`} answer`, () =>
    assertReachable(brokers, settings.tls),
  );
  const sampler = createTopicSampler(settings, systemClock);
  try {
    const logs = await terminal.step(`topic '${topic}' may be read`, async () => {
      const found = await logsOf(sampler, topic);
      await sampler.checkGroup();
      return found;
    });
    const whole = logs.map(({ partition, logStart: from, logEnd: to }) => ({ partition, from, to }));
    const ranges = chooseRanges(logs, options.range);
    if (offsetsIn(ranges) === 0)
      throw new Refusal(`topic '${topic}' holds no record now`, ['Produce some, or try another topic.']);
    const records = await terminal.step('a look at some values', () =>
      sampler.sample(topic, ranges, SAMPLE_RECORDS_MAX),
    );
    const detection = detectColumns(
      records.map(({ value }) => value),
      { format: options.format },
    );
    return { ranges, offsets: offsetsIn(whole), sampled: records.length, detection };
  } finally {
    await sampler.close();
  }
}

async function logsOf(sampler: TopicSampler, topic: string) {
  try {
    return await sampler.logs(topic);
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'KAFKA_TOPIC_UNKNOWN')) throw error;
    const seen = await sampler.topics();
    const known = similar(topic, seen);
    const remedy =
      known.length > 0
        ? `Topics that may be seen: ${known.join(', ')}${seen.length > known.length ? ', ...' : ''}`
        : 'This user sees no topic at all: it needs Describe or Read on the topic.';
    throw new Refusal(error.message, [remedy]);
  }
}

/** The likeliest first: those that share the longest beginning, or hold the name. */
function similar(topic: string, names: readonly string[]): string[] {
  const wanted = topic.toLowerCase();
  const likeness = (name: string) => {
    const lower = name.toLowerCase();
    if (lower.includes(wanted) || wanted.includes(lower)) return Number.MAX_SAFE_INTEGER;
    let length = 0;
    while (length < lower.length && lower[length] === wanted[length]) length++;
    return length;
  };
  return names.toSorted((a, b) => likeness(b) - likeness(a) || a.localeCompare(b)).slice(0, SIMILAR_MAX);
}
