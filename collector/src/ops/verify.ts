// `sluice-collector verify`: proves from the ledger and the objects that every offset of every partition has exactly one
// fate. The fold checks the ledger against itself; here each object is compared with what its entry says.
import { partitionName } from '@sluice/shared/position.ts';
import type { CollectorConfig } from '../config.ts';
import type { CommitEntry, LedgerOutput, TableConfig, TableDefinition } from '../contracts.ts';
import type { Fold } from '../ledger/fold.ts';
import { type Database, openDatabase } from '../transform/duckdb.ts';
import type { TransformerWithChecks } from '../transform/transformer.ts';
import { type LakeReader, readerOf } from './lake-reader.ts';
import { definitionsOf } from './query.ts';

export interface Finding {
  readonly table: string;
  readonly place: string;
  readonly what: string;
}

export interface TableVerdict {
  readonly table: string;
  readonly entries: number;
  readonly windows: number;
  readonly in: number;
  readonly emitted: number;
  readonly filtered: number;
  readonly quarantined: number;
  readonly objects: number;
  readonly partitions: readonly {
    readonly partition: string;
    readonly start: number;
    readonly next: number;
  }[];
  readonly gaps: readonly string[];
  /** What could not be proven, and why. */
  readonly weaker: readonly string[];
}

export interface Verification {
  readonly tables: readonly TableVerdict[];
  readonly findings: readonly Finding[];
}

export interface VerifyOptions {
  readonly config: CollectorConfig;
  readonly reader: LakeReader;
  readonly transformer: TransformerWithChecks;
  readonly directories: readonly string[];
  readonly scratch: string;
}

export async function verify(options: VerifyOptions): Promise<Verification> {
  const findings: Finding[] = [];
  const tables: TableVerdict[] = [];
  const { directories, scratch } = options;
  const database = await openDatabase({
    directories,
    spillDirectory: scratch,
    memoryBytesMax: 512e6,
    threads: 1,
  });
  try {
    for (const table of options.config.tables) {
      try {
        tables.push(await verifyTable({ ...options, database, table, findings }));
      } catch (error) {
        const what = error instanceof Error ? error.message : String(error);
        findings.push({ table: table.name, place: 'ledger', what });
      }
    }
  } finally {
    database.close();
  }
  return { tables, findings };
}

interface TableTask extends VerifyOptions {
  readonly database: Database;
  readonly table: TableConfig;
  readonly findings: Finding[];
}

async function verifyTable(task: TableTask): Promise<TableVerdict> {
  const { table, reader, findings } = task;
  const ledger = await reader.ledger(table.name);
  let objects = 0;
  for await (const entry of reader.entries(table.name)) {
    if (entry.kind !== 'commit') continue;
    objects += entry.outputs.length;
    findings.push(...(await verifyEntry(task, entry)));
  }
  return { ...summary(table, ledger.fold), objects };
}

async function verifyEntry(task: TableTask, entry: CommitEntry): Promise<Finding[]> {
  const found: Finding[] = [];
  const say = (place: string, what: string) => found.push({ table: entry.table, place, what });
  const offsets: { output: LedgerOutput; path: string; definition: TableDefinition }[] = [];
  for (const output of entry.outputs) {
    const head = await task.reader.local(output.finalKey);
    const definition = definitionsOf(task.config, task.transformer).find(
      (d) => d.table.name === entry.table && d.output === output.output,
    )?.definition;
    if (head === undefined) say(output.finalKey, 'the object is gone, or was never published');
    else if (definition !== undefined) offsets.push({ output, path: head, definition });
  }
  for (const { output, path, definition } of offsets) {
    const rows = await countRows(task.database, definition, path);
    if (rows !== output.rows)
      say(output.finalKey, `it holds ${rows} rows and the ledger says ${output.rows}`);
  }
  if (task.table.provenance === 'none') return found;
  for (const problem of await offsetProblems(task.database, entry, offsets))
    say(`entry ${entry.sequence}`, problem);
  return found;
}

async function countRows(database: Database, definition: TableDefinition, path: string): Promise<number> {
  const { rows } = await database.select(`SELECT count(*) FROM ${readerOf(definition, [path])}`);
  return Number(rows[0]?.[0]);
}

/** Every row of an entry has an offset of its own, inside the entry's ranges. */
async function offsetProblems(
  database: Database,
  entry: CommitEntry,
  objects: readonly { path: string; definition: TableDefinition }[],
): Promise<string[]> {
  if (objects.length === 0) return [];
  const select = objects
    .map(
      ({ path, definition }) =>
        `SELECT _partition::BIGINT AS p, _offset::BIGINT AS o FROM ${readerOf(definition, [path])}`,
    )
    .join(' UNION ALL ');
  const { rows } = await database.select(
    `SELECT p, count(*), count(DISTINCT o), min(o), max(o) FROM (${select}) GROUP BY p`,
  );
  return rows.flatMap(([p, count, distinct, low, high]) => {
    const ranges = entry.ranges.filter((r) => r.partition === Number(p));
    const problems: string[] = [];
    if (count !== distinct && ranges.length < 2)
      problems.push(`partition ${p}: ${Number(count) - Number(distinct)} offsets are there more than once`);
    const inside = (offset: number) => ranges.some((r) => r.start <= offset && offset < r.next);
    if (!inside(Number(low)) || !inside(Number(high)))
      problems.push(`partition ${p}: offsets ${low} to ${high} leave the range of the entry`);
    return problems;
  });
}

function summary(table: TableConfig, fold: Fold): Omit<TableVerdict, 'objects'> {
  const partitions = [...fold.partitions.values()];
  const weaker =
    table.provenance === 'none' ? ["provenance is 'none': rows are counted, their offsets are not seen"] : [];
  return {
    table: table.name,
    entries: fold.nextSequence,
    ...fold.totals,
    partitions: partitions.map((p) => ({ partition: partitionName(p), start: p.start, next: p.next })),
    gaps: partitions.flatMap((p) =>
      p.gaps.map((g) => `${partitionName(p)} [${g.start}, ${g.next}): ${g.reason}`),
    ),
    weaker,
  };
}

export function formatVerification({ tables, findings }: Verification): string {
  const lines = tables.flatMap((t) => [
    `${t.table}: ${t.in} records in ${t.windows} windows = ${t.emitted} rows + ${t.filtered} filtered + ${t.quarantined} quarantined`,
    ...t.partitions.map((p) => `  ${p.partition}: [${p.start}, ${p.next}) without a gap or a duplicate`),
    ...t.gaps.map((gap) => `  gap ${gap}`),
    ...t.weaker.map((what) => `  weaker proof: ${what}`),
  ]);
  for (const { table, place, what } of findings) lines.push(`FINDING ${table}: ${place}: ${what}`);
  const verdict =
    findings.length === 0
      ? 'verified: every offset has exactly one fate, and the objects hold what the ledger says'
      : `${findings.length} finding${findings.length === 1 ? '' : 's'}`;
  return `${[...lines, verdict].join('\n')}\n`;
}
