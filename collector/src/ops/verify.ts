// `sluice-collector verify`: proves from the ledger and the objects that every offset of every partition has exactly one
// fate. The fold checks the ledger against itself; here each object is compared with what its entry says.

import { assert } from '@sluice/shared/errors.ts';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import { partitionName } from '@sluice/shared/position.ts';
import type { CollectorConfig } from '../config.ts';
import type { LedgerOutput, TableConfig, TableDefinition, WindowEntry } from '../contracts.ts';
import { partitionPrefix } from '../lake/object-keys.ts';
import { type Fold, isWindow } from '../ledger/fold.ts';
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
  readonly merged: number;
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

/** What a table's outputs are read as, and what readers see of them. */
interface SeenOutput {
  readonly definition: TableDefinition;
  readonly isRegistered: (partition: LedgerOutput['partition']) => boolean;
  readonly isCatalogued: boolean;
}

type Outputs = Readonly<Record<LedgerOutput['output'], SeenOutput>>;

async function verifyTable(task: TableTask): Promise<TableVerdict> {
  const { table, reader, findings } = task;
  const outputs = await outputsOf(task);
  // Objects before entries: what lies there now was named before it came.
  const stored = [
    ...(await reader.stored(outputs.rows.definition.location)),
    ...(await reader.stored(outputs.quarantine.definition.location)),
  ];
  const ledger = await reader.ledger(table.name);
  const named = new Set<string>();
  const pending: string[] = [];
  for await (const entry of reader.entries(table.name)) {
    if (!isWindow(entry)) continue;
    for (const { finalKey } of entry.outputs) named.add(finalKey);
    const found = await verifyEntry(task, outputs, entry);
    findings.push(...found.findings);
    if (found.pending) pending.push(`entry ${entry.sequence} is committed and still being published`);
  }
  for (const place of stored.filter((key) => !named.has(key)))
    findings.push({ table: table.name, place, what: 'no entry names this object, and readers see it' });
  const { weaker, ...rest } = summary(table, ledger.fold);
  return { ...rest, objects: named.size, weaker: [...weaker, ...pending] };
}

async function outputsOf({ config, transformer, reader, table }: TableTask): Promise<Outputs> {
  const tables = await reader.cataloguedTables();
  const seen = async (output: LedgerOutput['output']): Promise<SeenOutput> => {
    const definition = definitionsOf(config, transformer).find(
      (d) => d.table.name === table.name && d.output === output,
    )?.definition;
    assert(definition !== undefined, `${table.name} has no ${output}`);
    const isRegistered = await reader.registered(definition.name);
    return { definition, isRegistered, isCatalogued: tables.has(definition.name) };
  };
  return { rows: await seen('rows'), quarantine: await seen('quarantine') };
}

interface LocalOutput {
  readonly output: LedgerOutput;
  readonly path: string;
  readonly definition: TableDefinition;
}

async function verifyEntry(
  task: TableTask,
  outputs: Outputs,
  entry: WindowEntry,
): Promise<{ findings: Finding[]; pending: boolean }> {
  const findings: Finding[] = [];
  const say = (place: string, what: string) => findings.push({ table: entry.table, place, what });
  const present: LocalOutput[] = [];
  let pending = false;
  for (const output of entry.outputs) {
    const seen = outputs[output.output];
    const path = await task.reader.local(output.finalKey);
    const unseen = unseenBy(seen, output);
    if ((path === undefined || unseen !== undefined) && (await task.reader.isBeingPublished(output))) {
      pending = true;
      continue;
    }
    if (unseen !== undefined) say(unseen.place, unseen.what);
    if (path === undefined) say(output.finalKey, 'the object is gone, or was never published');
    else present.push({ output, path, definition: seen.definition });
  }
  for (const { output, path, definition } of present) {
    if ((await sha256OfFile(path)) !== output.sha256)
      say(output.finalKey, 'its bytes are not those that were committed');
    const rows = await countRows(task.database, definition, path);
    if (rows !== output.rows)
      say(output.finalKey, `it holds ${rows} rows and the ledger says ${output.rows}`);
  }
  if (task.table.provenance !== 'none')
    for (const problem of await offsetProblems(task.database, entry, present))
      say(`entry ${entry.sequence}`, problem);
  return { findings, pending };
}

/** Why readers of the catalogued table do not see an object. */
function unseenBy(
  { definition, isCatalogued, isRegistered }: SeenOutput,
  { partition }: LedgerOutput,
): { readonly place: string; readonly what: string } | undefined {
  if (!isCatalogued) return { place: definition.name, what: 'the catalog does not have this table' };
  if (isRegistered(partition)) return undefined;
  const place = partitionPrefix(definition.location, partition);
  return { place, what: 'the catalog does not have this partition' };
}

async function countRows(database: Database, definition: TableDefinition, path: string): Promise<number> {
  const { rows } = await database.select(`SELECT count(*) FROM ${readerOf(definition, [path])}`);
  return Number(rows[0]?.[0]);
}

/** Every row of an entry has an offset of its own, inside the entry's ranges. */
async function offsetProblems(
  database: Database,
  entry: WindowEntry,
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
    `${t.table}: ${balanceOf(t)}, ${t.windows} windows`,
    ...t.partitions.map((p) => `  ${p.partition}: [${p.start}, ${p.next})${proofOf(t, findings)}`),
    ...t.gaps.map((gap) => `  gap ${gap}`),
    ...t.weaker.map((what) => `  weaker proof: ${what}`),
  ]);
  for (const { table, place, what } of findings) lines.push(`FINDING ${table}: ${place}: ${what}`);
  return `${[...lines, verdictOf(tables, findings)].join('\n')}\n`;
}

function balanceOf(t: TableVerdict): string {
  const number = (n: number) => n.toLocaleString('en-US');
  const merged = t.merged === 0 ? '' : ` + merged ${number(t.merged)}`;
  const rest = `quarantined ${number(t.quarantined)} + filtered ${number(t.filtered)}`;
  return `in ${number(t.in)} = emitted ${number(t.emitted)}${merged} + ${rest}`;
}

function proofOf(table: TableVerdict, findings: readonly Finding[]): string {
  if (findings.some((finding) => finding.table === table.table)) return '';
  if (table.weaker.length > 0) return ' contiguous in the ledger';
  return table.gaps.length > 0
    ? ' without a duplicate, and with the gaps below'
    : ' without a gap or a duplicate';
}

function verdictOf(tables: readonly TableVerdict[], findings: readonly Finding[]): string {
  if (findings.length > 0) return `${findings.length} finding${findings.length === 1 ? '' : 's'}`;
  return tables.some(({ weaker }) => weaker.length > 0)
    ? 'verified: the ledger balances and the objects hold as many rows as it says; see the weaker proofs above'
    : 'verified: every offset has exactly one fate, and the objects hold what the ledger says';
}
