// Cuts of times around every jump that the clocks of any zone make, against what is meant, taken from the
// zone's offsets alone: jumps of half an hour, of a day, at a minute past midnight, there and back.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { cutIn } from '@sluice/collector/transform/sql/steps/timestamps.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const directory = temporaryDirectory();
const database = await openDatabase({
  ...{ directories: [directory], spillDirectory: directory, memoryBytesMax: 256e6, threads: 1 },
});
after(() => database.close());

const [MINUTE, HOUR, DAY] = [60, 3_600, 86_400];

/** Of what is looked at for a jump, and how finely. */
const STEPS = [
  [14 * DAY, DAY],
  [DAY, HOUR],
  [HOUR, 15 * MINUTE],
  [15 * MINUTE, MINUTE],
  [MINUTE, 1],
];

interface Jump {
  /** Seconds since 1970, as all here. */
  readonly at: number;
  readonly was: number;
  readonly is: number;
}

/** All that are not of an hour, and of a zone that jumps at a minute past midnight; of the others some. */
const KEPT = `abs(off - was) <> ${HOUR} OR name = 'America/St_Johns' OR sec % ${12 * 14 * DAY} = 0`;

/** Of each zone that has clocks of its own; asked for every two weeks, then ever more finely. */
async function jumpsOfZones(): Promise<ReadonlyMap<string, readonly Jump[]>> {
  const moved = (from: string) => `
    SELECT * FROM (SELECT name, sec, off, lag(off) OVER (PARTITION BY name, span ORDER BY sec) AS was
      FROM (SELECT *, epoch(timezone(name, to_timestamp(sec)))::BIGINT - sec AS off FROM (${from})))
    WHERE off <> was`;
  const all = `unnest(range(0, ${70 * 365 * DAY}, ${14 * DAY})) AS sec, 0 AS span`;
  await database.run(`CREATE TABLE coarse AS ${moved(`SELECT name, ${all} FROM pg_timezone_names()`)}`);
  await database.run(`CREATE TABLE found AS FROM coarse SEMI JOIN
    (SELECT min(name) AS name FROM
      (SELECT name, list((sec, off, was) ORDER BY sec) AS jumps FROM coarse GROUP BY name) GROUP BY jumps)
    USING (name) WHERE ${KEPT}`);
  for (const [width, step] of STEPS) {
    const finer = `unnest(range(sec - ${width}, sec + ${step}, ${step})) AS sec, sec AS span`;
    await database.run(`CREATE OR REPLACE TABLE found AS ${moved(`SELECT name, ${finer} FROM found`)}`);
  }
  const jumps = new Map<string, Jump[]>();
  for (const { name, sec, off, was } of await database.rows('FROM found ORDER BY name, sec')) {
    const all = jumps.get(String(name)) ?? [];
    jumps.set(String(name), [...all, { at: Number(sec), was: Number(was), is: Number(off) }]);
  }
  return jumps;
}

/** What the clocks show; of the jumps around. */
function shownAt(at: number, jumps: readonly Jump[]): number {
  const [first] = jumps;
  const last = jumps.findLast((jump) => jump.at <= at);
  return at + (last?.is ?? first?.was ?? 0);
}

const spelled = (at: number) => new Date(at * 1_000).toISOString().slice(0, 19).replace('T', ' ');
const UNITS = { minute: MINUTE, hour: HOUR, day: DAY } as const;

/** The beginning of what the clocks show at `at`, by looking at all moments that could be it. */
function meant(to: keyof typeof UNITS, at: number, jumps: readonly Jump[]): number {
  const cut = Math.floor(shownAt(at, jumps) / UNITS[to]) * UNITS[to];
  const offsets = [...new Set(jumps.flatMap(({ was, is }) => [was, is]))];
  const shows = offsets.map((offset) => cut - offset).filter((moment) => shownAt(moment, jumps) === cut);
  const before = shows.filter((moment) => moment <= at).sort((a, b) => a - b);
  const found = to === 'day' ? before[0] : before.at(-1);
  if (found !== undefined) return found;
  const skipped = jumps.filter(
    (jump) => jump.at <= at && jump.at + jump.was <= cut && cut < jump.at + jump.is,
  );
  return skipped.at(-1)?.at ?? assert.fail(`nothing begins ${to} ${spelled(at)}`);
}

const AROUND = [
  -7_000, -2_800, -1, 0, 1, 59, 61, 899, 1_700, 2_700, 3_599, 3_661, 5_400, 9_000, 40_000, 86_300,
];

test('a time is cut to the first moment of its minute, hour or day, around every jump of any zone', async () => {
  const jumps = await jumpsOfZones();
  let cuts = 0;
  for (const [zone, all] of jumps) {
    const times = all.flatMap(({ at }) => AROUND.map((by) => at + by));
    const columns = Object.keys(UNITS).map(
      (to) => `strftime(${cutIn(zone, to, 't')}, '%Y-%m-%d %H:%M:%S') AS ${to}`,
    );
    const from = `SELECT make_timestamp(unnest([${times.join(', ')}]::BIGINT[]) * 1000000) AS t`;
    const rows = await database.rows(`SELECT ${columns.join(', ')} FROM (${from})`);
    for (const [i, at] of times.entries())
      for (const to of Object.keys(UNITS) as (keyof typeof UNITS)[]) {
        const near = all.filter((jump) => Math.abs(jump.at - at) < 10 * DAY);
        const is = `${zone}: the ${to} of ${spelled(at)} (${spelled(shownAt(at, near))})`;
        assert.equal(rows[i]?.[to], spelled(meant(to, at, near)), is);
        cuts++;
      }
  }
  assert.ok(jumps.size > 200 && cuts > 10_000, `${jumps.size} zones, ${cuts} cuts`);
});
