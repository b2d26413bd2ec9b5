// What the try brought: rows as the reader's own table, what was set aside and why, the proof, and what to do
// next.
import { relative } from 'node:path';
import { projectRoot } from '../local/project-root.ts';
import type { Site } from '../local/site.ts';
import type { Terminal } from './terminal.ts';

type Row = Readonly<Record<string, string | null>>;

const ROWS_SHOWN = 5;
const REASONS_SHOWN = 5;
const CELL_MAX = 40;
const REASON_MAX = 90;
const WIDTH_DEFAULT = 110;

export interface TryReport {
  readonly terminal: Terminal;
  readonly site: Site;
  readonly table: string;
  /** First offset after the read, by `topic-partition`. */
  readonly ends: ReadonlyMap<string, number>;
}

interface Verification {
  readonly tables: readonly {
    readonly in: number;
    readonly emitted: number;
    readonly quarantined: number;
    readonly partitions: readonly { readonly partition: string; readonly next: number }[];
  }[];
  readonly findings: readonly { readonly place: string; readonly message: string }[];
}

export interface Result {
  /** Whether the proof holds and there is something in the table or its quarantine. */
  readonly ok: boolean;
  readonly records: number;
  /** Whether every range was read to its end. */
  readonly complete: boolean;
}

export async function report({ terminal, site, table, ends }: TryReport): Promise<Result> {
  const { code, output } = await site.collector.command(['verify', '--deep', '--json']);
  const proof = JSON.parse(output.slice(output.indexOf('{'))) as Verification;
  const [found] = proof.tables;
  const { in: records = 0, emitted = 0, quarantined = 0, partitions = [] } = found ?? {};
  const next = new Map(partitions.map((p) => [p.partition, p.next]));
  const complete = [...ends].every(([partition, end]) => (next.get(partition) ?? 0) >= end);
  if (emitted > 0) await showRows(terminal, site, table);
  if (quarantined > 0) await showQuarantine(terminal, { site, table, quarantined });
  terminal.heading('Proof');
  const sum = `${number(records)} records = ${number(emitted)} rows + ${number(quarantined)} quarantined`;
  const holds = code === 0 && proof.findings.length === 0 && emitted + quarantined === records;
  terminal.line(
    `  ${holds ? '✓' : '✗'} ${sum}: ${holds ? 'every offset has exactly one fate' : 'NOT PROVEN'}`,
  );
  for (const { place, message } of proof.findings) terminal.line(`    ${place}: ${message}`);
  return { ok: holds && records > 0, records, complete };
}

async function query(site: Site, sql: string): Promise<Row[]> {
  const { code, output } = await site.collector.command(['query', '--json', sql]);
  if (code !== 0) throw new Error(`query failed: ${output}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '[]') as Row[];
}

async function showRows(terminal: Terminal, site: Site, table: string): Promise<void> {
  const sql = `select * from "${table}" order by _partition, _offset limit ${ROWS_SHOWN}`;
  terminal.heading(sql);
  const rows = await query(site, sql);
  for (const line of rowLines(rows, process.stdout.columns ?? WIDTH_DEFAULT)) terminal.line(`  ${line}`);
}

/** Side by side where that fits, else a line per column. */
export function rowLines(rows: readonly Row[], width: number): string[] {
  const columns = Object.keys(rows[0] ?? {});
  const table = [columns, ...rows.map((row) => columns.map((column) => cell(row[column] ?? null)))];
  const total = columns.reduce((sum, _, i) => sum + widest(table.map((line) => line[i] ?? '')) + 2, 0);
  return align(total <= width ? table : transpose(table));
}

function transpose(table: readonly (readonly string[])[]): string[][] {
  return (table[0] ?? []).map((_, i) => table.map((line) => line[i] ?? ''));
}

function align(table: readonly (readonly string[])[]): string[] {
  const widths = (table[0] ?? []).map((_, i) => widest(table.map((line) => line[i] ?? '')));
  return table.map((line) =>
    line
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map(({ length }) => length));
}

/** Whatever producers wrote, it stays on its line and does not speak to the terminal. */
function cell(text: string | null, charactersMax = CELL_MAX): string {
  const plain = (text ?? '').replace(/\p{Cc}/gu, ' ');
  return plain.length > charactersMax ? `${plain.slice(0, charactersMax - 1)}…` : plain;
}

async function showQuarantine(
  terminal: Terminal,
  { site, table, quarantined }: { site: Site; table: string; quarantined: number },
): Promise<void> {
  terminal.heading(`Quarantined: ${number(quarantined)}, each with its reason in ${table}_quarantine`);
  const rows = await query(
    site,
    `select code, field, count(*) as n, min(reason) as reason from "${table}_quarantine"
     group by 1, 2 order by 3 desc, 1, 2 limit ${REASONS_SHOWN}`,
  );
  for (const { n, reason } of rows)
    terminal.line(`  ${number(Number(n)).padStart(9)}  e.g. ${cell(reason ?? '', REASON_MAX)}`);
}

export function number(n: number): string {
  return n.toLocaleString('en');
}

/** Commands that work when pasted in the project's folder. */
export function nextCommands(terminal: Terminal, site: Site, table: string): void {
  const config = relative(projectRoot, site.collector.configFile);
  const collector = 'node_modules/.bin/node collector/bin/sluice-collector.mjs';
  terminal.heading('The lake stays. Next:');
  terminal.line(`  ${collector} query --config ${config} 'select count(*) from "${table}"'`);
  terminal.line(`  ${collector} verify --deep --config ${config}`);
  terminal.line(`  ${collector} explain --config ${config} ${table}`);
}
