// `sluice-agent sample`: some values of a topic on standard output, for `sluice-collector detect`. Joins no
// group, commits nothing, and needs no collector.
import type { Clock } from '@sluice/shared/clock.ts';
import { encodeSample } from '@sluice/shared/sample-lines.ts';
import type { KafkaSettings } from '../contracts.ts';
import { createTopicSampler } from '../source/topic-sampler.ts';

/** Half from where the logs begin, half from before they end. */
const SAMPLE_RECORDS = 10_000;

export async function sampleTopic(kafka: KafkaSettings, clock: Clock, topic: string): Promise<string> {
  const sampler = createTopicSampler(kafka, clock);
  try {
    const logs = await sampler.logs(topic);
    const ranges = logs.map(({ partition, logStart: from, logEnd: to }) => ({ partition, from, to }));
    const records = await sampler.sample(topic, ranges, SAMPLE_RECORDS);
    return encodeSample(records.map(({ value }) => value));
  } finally {
    await sampler.close();
  }
}
