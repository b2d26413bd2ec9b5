// The end of a chaos run: no fault any more, everything must come through within a bound; then the lake is
// read with the collector's own commands and compared with what the producers know.
import type { Site } from '@sluice/deploy/local/site.ts';
import { eventually } from '../support/eventually.ts';
import type { Journal } from './journal.ts';
import { isMalformed, type NumberedProducer } from './numbered-producer.ts';
import { GROUP, numberIn, type Stage, TABLES, TOPICS } from './stage.ts';
import { judge } from './verdict.ts';

/**
 * From the last fault until all is acknowledged: a link that died in silence is noticed in 45 s, and what is
 * parked tries again every 2 minutes at the latest.
 */
export const DRAIN_MS_MAX = 180_000;

/** What ordinary lag tools see, over all topics. */
export async function lag({ admin }: Pick<Stage, 'admin'>): Promise<number> {
  let behind = 0;
  for (const { topic } of TOPICS) {
    const ends = await admin.fetchTopicOffsets(topic);
    const [group] = await admin.fetchOffsets({ groupId: GROUP, topics: [topic] });
    for (const { partition, high } of ends) {
      const at = group?.partitions.find((p) => p.partition === partition)?.offset ?? '-1';
      behind += Number(high) - Math.max(0, Number(at));
    }
  }
  return behind;
}

export async function untilDrained(stage: Stage): Promise<void> {
  await eventually(
    'everything that was produced is acknowledged',
    async () => {
      const behind = await lag(stage);
      if (behind > 0) throw new Error(`${behind} offsets are not`);
      return true;
    },
    { deadlineMs: DRAIN_MS_MAX, everyMs: 500 },
  );
}

/** `status` of each program finds nothing wrong, soon. */
export async function judgeHealth(stage: Stage, journal: Journal): Promise<void> {
  const programs = stage.places.flatMap(({ site }) => [site.agent, site.collector]);
  for (const program of programs) {
    let output = '';
    const isWell = async () => {
      const said = await program.command(['status']);
      output = said.output;
      return said.code === 0;
    };
    await eventually(`${program.configFile} is well`, isWell, { deadlineMs: 60_000, everyMs: 1_000 }).catch(
      () => journal.violated(`${program.configFile}: status still says: ${output}`),
    );
  }
}

export async function judgeLake(
  stage: Stage,
  producers: readonly NumberedProducer[],
  journal: Journal,
): Promise<void> {
  const [{ site }] = stage.places;
  const { code, output } = await site.collector.command(['verify']);
  journal.say(`verify ended with ${code}\n${output}`);
  if (code !== 0) journal.violated(`verify ended with ${code}: ${output}`);
  for (const { name: table, topic, numbers: sql, isStrict } of TABLES) {
    const numbers = producers.find((p) => p.topic === topic)?.numbers;
    if (numbers === undefined) throw new Error(`nobody produces ${topic}`);
    const [rows, quarantined] = [
      await numbersOf(site, `select ${sql} as n from ${table}`),
      await numbersOf(site, `select ${numberIn('decode(raw)')} as n from ${table}_quarantine`),
    ];
    journal.say(`${table}: ${rows.length} rows, ${quarantined.length} in quarantine`);
    const isBad = (n: number) => isStrict && isMalformed(n);
    for (const wrong of judge(numbers, { table, rows, quarantined, isBad })) journal.violated(wrong);
  }
}

async function numbersOf(site: Site, sql: string): Promise<number[]> {
  const { code, output } = await site.collector.command(['query', '--json', sql]);
  if (code !== 0) throw new Error(`query ended with ${code}: ${output}`);
  const rows = JSON.parse(output.trim().split('\n').at(-1) ?? '') as { n: string | null }[];
  return rows.map(({ n }) => Number(n));
}
