// The end of the demo: what is in the lake, what was set aside and why, and the proof that nothing is missing
// or there twice. Everything is asked of the programs as an operator would ask.
import type { Site } from '../local/site.ts';
import { CLAIM_COUNT } from './claims.ts';
import type { Terminal } from './terminal.ts';

export interface ReportOptions {
  readonly terminal: Terminal;
  readonly site: Site;
  readonly directory: string;
  readonly expectMalformed: number;
}

const SHOWN = 5;

/** Whether everything is as it must be. */
export async function closingReport({ terminal, site, expectMalformed }: ReportOptions): Promise<boolean> {
  const query = async (sql: string) => {
    const { code, output } = await site.collector.command(['query', '--json', sql]);
    if (code !== 0) throw new Error(`query failed: ${output}`);
    return JSON.parse(output.trim().split('\n').at(-1) ?? '[]') as Record<string, string | null>[];
  };
  terminal.heading('Tables and partitions');
  for (const [table, column] of [
    ['claims', 'incident_day'],
    ['claims_csv', 'ingest_day'],
    ['claims_quarantine', 'ingest_day'],
  ] as const) {
    const rows = await query(`select ${column} as day, count(*) as n from ${table} group by 1 order by 1`);
    const listed = rows.map(({ day, n }) => `${day} (${Number(n).toLocaleString('en')})`).join('  ');
    terminal.line(`  ${table.padEnd(18)} by ${column.padEnd(12)} ${listed}`);
  }
  terminal.heading('select status, count(*), sum(amount) from claims group by status');
  for (const row of await query(
    'select status, count(*) n, sum(amount) total from claims group by 1 order by 1',
  ))
    terminal.line(
      `  ${String(row['status']).padEnd(10)} ${String(row['n']).padStart(7)}  ${String(row['total']).padStart(14)}`,
    );
  terminal.heading(`Malformed claims, by name (${expectMalformed} in all; the first ${SHOWN})`);
  const bad = await query(
    `select _topic, _partition, _offset, reason from claims_quarantine order by _partition, _offset limit ${SHOWN}`,
  );
  for (const row of bad)
    terminal.line(`  ${row['_topic']}-${row['_partition']}@${row['_offset']}: ${row['reason']}`);
  return await prove({ terminal, site, expectMalformed, query });
}

interface Proof extends Omit<ReportOptions, 'directory'> {
  query(sql: string): Promise<Record<string, string | null>[]>;
}

async function prove({ terminal, site, expectMalformed, query }: Proof): Promise<boolean> {
  terminal.heading('Proof');
  const [seen] = await query('select count(*) n, count(distinct claim_id) ids from claims');
  const [csv] = await query('select count(*) n, count(distinct claim_id) ids from claims_csv');
  const [bad] = await query('select count(*) n from claims_quarantine');
  const good = CLAIM_COUNT - expectMalformed;
  const checks = [
    [
      `claims: ${seen?.['n']} rows, ${seen?.['ids']} different claims`,
      allAre(good, seen?.['n'], seen?.['ids']),
    ],
    [
      `claims_csv: ${csv?.['n']} rows, ${csv?.['ids']} different claims`,
      allAre(good, csv?.['n'], csv?.['ids']),
    ],
    [`quarantined: ${bad?.['n']}`, allAre(expectMalformed, bad?.['n'])],
  ] as const;
  for (const [what, holds] of checks) terminal.line(`  ${holds ? '✓' : '✗'} ${what}`);
  const { code, output } = await site.collector.command(['verify', '--deep']);
  terminal.line(output.trimEnd().replace(/^/gm, '  '));
  return code === 0 && checks.every(([, holds]) => holds);
}

function allAre(expected: number, ...found: readonly (string | null | undefined)[]): boolean {
  return found.every((value) => Number(value) === expected);
}
