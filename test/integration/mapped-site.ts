// A site over an emulated S3 and Glue whose table has a mapping that turns out wrong: records that say which
// they are, and the collector begun anew with a corrected config, whatever flows meanwhile.
import { readFileSync, writeFileSync } from 'node:fs';
import { startMinistack } from '@sluice/deploy/local/ministack.ts';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import type { Json, Site } from '@sluice/deploy/local/site.ts';
import { parse, stringify } from 'yaml';
import { startJourney } from './journey-fixture.ts';

export const TOPIC = 'claims';
const PARTITIONS = 3;

export interface MappedSite {
  readonly site: Site;
  /** Records `from` up to `to`, each with its number in key and header. */
  produce(from: number, to: number): Promise<void>;
  /** The config has these tables and no others from now on. */
  correct(tables: readonly Json[]): Promise<void>;
  stop(): Promise<void>;
}

export interface MappedSiteOptions {
  readonly tables: readonly Json[];
  /** What record n says beside its number. */
  fieldsOf(n: number): object;
}

/** Both programs run. */
export async function startMappedSite(
  name: string,
  { tables, fieldsOf }: MappedSiteOptions,
): Promise<MappedSite> {
  await ensureMinistack();
  const [journey, aws] = await Promise.all([startJourney(), startMinistack()]);
  await fetch(`${aws.endpoint}/lake`, { method: 'PUT' });
  await journey.createTopics(PARTITIONS, TOPIC);
  const endpoints = { s3Endpoint: aws.endpoint, glueEndpoint: aws.endpoint };
  const where = { store: 's3://lake/acme', catalog: 'glue', database: 'acme', region: 'us-east-1' };
  const { environment } = aws;
  const sketch = { topics: [TOPIC], tables, lake: { ...where, ...endpoints }, environment };
  const site = await journey.site(name, sketch);
  await site.collector.start();
  await site.agent.start();
  return {
    site,
    produce(from, to) {
      const messages = Array.from({ length: to - from }, (_, i) => {
        const n = from + i;
        const value = JSON.stringify({ n, ...fieldsOf(n) });
        return { key: `key-${n}`, value, headers: { n: String(n) }, partition: n % PARTITIONS };
      });
      return journey.produce(TOPIC, messages);
    },
    async correct(corrected) {
      const { configFile } = site.collector;
      const config = parse(readFileSync(configFile, 'utf8')) as object;
      writeFileSync(configFile, stringify({ ...config, tables: corrected }));
      await site.collector.stop();
      await site.collector.start();
    },
    async stop() {
      await site.agent.stop();
      await site.collector.stop();
      await Promise.all([journey.stop(), aws.stop()]);
    },
  };
}
