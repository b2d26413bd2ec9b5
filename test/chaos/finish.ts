// The end of a chaos run: no fault any more, everything must come through within a bound; then the lake is
// read with the collector's own commands and compared with what the producers know.
import type { Site } from '@sluice/deploy/local/site.ts';
import { eventually } from '../support/eventually.ts';
import type { Journal } from './journal.ts';
import { isMalformed, type NumberedProducer } from './numbered-producer.ts';
import { GROUP, numberIn, type Stage, TABLES, TOPICS } from './stage.ts';
import { floods, judge } from './verdict.ts';

/**
 * From the last fault until all is acknowledged: a link that died in silence is noticed in 45 s, and what is
 * parked tries again every 2 minutes at the latest. A busy machine has time.
 */
const DRAIN_MS_MAX = 300_000;
const HEALTHY_MS_MAX = 120_000;

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
    await eventually(`${program.configFile} is well`, isWell, {
      deadlineMs: HEALTHY_MS_MAX,
      everyMs: 1_000,
    }).catch(() => journal.violated(`${program.configFile}: status still says: ${output}`));
  }
}

/** Nobody turned in circles, whatever befell it. */
export function judgeLogs(stage: Stage, journal: Journal): void {
  for (const program of stage.places.flatMap(({ site }) => [site.agent, site.collector]))
    for (const flood of floods(program.log()))
      journal.violated(`${program.configFile} floods its log: ${flood}`);
}

export async function judgeLake(
  stage: Stage,
  producers: readonly NumberedProducer[],
  journal: Journal,
): Promise<void> {
  const [{ site }] = stage.places;
  await judgeLedger(site, journal);
  for (const { name: table, topic, numbers: sql, isStrict } of TABLES) {
    const numbers = producers.find((p) => p.topic === topic)?.numbers;
    if (numbers === undefined) throw new Error(`nobody produces ${topic}`);
    const rows = await select<{ n: string | null }>(site, `select ${sql} as n from ${table}`);
    const quarantined = await select<{ n: string | null; code: string }>(
      site,
      `select ${numberIn('decode(raw)')} as n, code from ${table}_quarantine`,
    );
    journal.say(`${table}: ${rows.length} rows, ${quarantined.length} in quarantine`);
    const found = {
      table,
      rows: rows.map(({ n }) => Number(n)),
      quarantined: quarantined.map(({ n }) => Number(n)),
      isBad: (n: number) => isStrict && isMalformed(n),
    };
    for (const wrong of judge(numbers, found)) journal.violated(wrong);
    for (const code of new Set(quarantined.map((row) => row.code)))
      if (code !== MALFORMED_CODE) journal.violated(`${table}: records are in quarantine for ${code}`);
  }
}

/** What `isMalformed` makes is found under this name. */
const MALFORMED_CODE = 'JSON_INVALID';

/** Kafka lost nothing in this run: a gap or a fork in the ledger is a lie, however well told. */
async function judgeLedger(site: Site, journal: Journal): Promise<void> {
  const { code, output } = await site.collector.command(['verify', '--json']);
  if (code !== 0) return journal.violated(`verify ended with ${code}: ${output}`);
  const { tables } = JSON.parse(/^\{[\s\S]*^\}/m.exec(output)?.[0] ?? '') as {
    tables: readonly { table: string; objects: number; gaps: readonly string[]; forks: readonly string[] }[];
  };
  for (const { table, objects, gaps, forks } of tables) {
    journal.say(`${table}: ${objects} objects`);
    for (const what of [...gaps, ...forks]) journal.violated(`${table}: ${what}`);
  }
}

async function select<T>(site: Site, sql: string): Promise<T[]> {
  const { code, output } = await site.collector.command(['query', '--json', sql]);
  if (code !== 0) throw new Error(`query ended with ${code}: ${output}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as T[];
}
