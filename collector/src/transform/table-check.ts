// What is wrong with a table before any data: its plan, and DuckDB's own opinion of its SQL. An expression of
// the config's author must be one expression, must mean the same whenever a record is read again, and may not
// look at other rows, at settings or at keys.

import type { TableConfig } from '../contracts.ts';
import { type Database, openDatabase } from './duckdb.ts';
import { setKeys } from './key-files.ts';
import { type CompiledTable, compileTable, type Marks } from './sql/compile.ts';
import { type FieldPlan, planFields } from './sql/fields.ts';
import { literal } from './sql/types.ts';

/** Classes of DuckDB's parse tree that look beyond the row. */
const FOREIGN = ['SUBQUERY', 'WINDOW', 'PARAMETER', 'STAR', 'POSITIONAL_REFERENCE'];
/** Would be another value at the next try, or tell what is no business of a table. */
const REFUSED_FUNCTIONS = new Set([
  ...['random', 'setseed', 'uuid', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'nextval', 'currval'],
  ...['now', 'current_timestamp', 'get_current_timestamp', 'current_date', 'today', 'current_time'],
  ...['get_current_time', 'current_localtime', 'current_localtimestamp', 'localtime', 'localtimestamp'],
  ...['transaction_timestamp', 'txid_current', 'getvariable', 'current_setting', 'getenv', 'version'],
  ...['current_user', 'current_database', 'current_schema', 'current_schemas', 'current_query', 'pg_typeof'],
]);

/** Empty when it can run. */
export async function tableProblems(
  table: TableConfig,
  { directory, marks }: { readonly directory: string; readonly marks: Marks },
): Promise<string[]> {
  const plan = planFields(table);
  if (plan.problems.length > 0) return [...plan.problems];
  const database = await openDatabase({
    directories: [directory],
    spillDirectory: directory,
    memoryBytesMax: 64e6,
    threads: 1,
  });
  try {
    const problems = await askedProblems(database, plan);
    if (problems.length > 0) return problems;
    await setKeys(database, plan.keyFiles);
    await runEmpty(database, compileTable(table, plan, marks));
    return [];
  } catch (error) {
    return [`its SQL is refused: ${firstLine(error)}`];
  } finally {
    database.close();
  }
}

async function runEmpty(database: Database, compiled: CompiledTable): Promise<void> {
  for (const sql of compiled.createStaged) await database.run(sql);
  for (const form of ['checked', 'guarded'] as const)
    for (const sql of compiled.insertStaged(form, { exactText: true })) await database.run(sql);
  for (const { windowWise, partitionValues } of compiled.outputs) {
    for (const { sql } of windowWise) await database.run(sql);
    await database.rows(partitionValues);
  }
}

async function askedProblems(database: Database, { asked }: FieldPlan): Promise<string[]> {
  const problems: string[] = [];
  for (const expression of new Set(asked.expressions)) {
    const found = await expressionProblem(database, expression);
    if (found !== undefined) problems.push(`its SQL is refused: '${expression}' ${found}`);
  }
  for (const { sql, message } of asked.checks) {
    const [row] = await database.rows(`SELECT (${sql}) AS holds`).catch(() => []);
    if (row?.['holds'] !== true) problems.push(message);
  }
  return problems;
}

/** What is wrong with it as one expression; undefined where it is one. */
export async function expressionProblem(database: Database, expression: string): Promise<string | undefined> {
  const serialize = `SELECT json_serialize_sql(${literal(`SELECT (${expression}\n)`)}) AS tree`;
  const [row] = await database.rows(serialize);
  const tree = JSON.parse(String(row?.['tree'])) as SerializedSql;
  if (tree.error) return `cannot be parsed: ${tree.error_message ?? 'a syntax error'}`;
  const [statement, ...more] = tree.statements ?? [];
  const node = statement?.node;
  const isOne = node?.type === 'SELECT_NODE' && node.select_list?.length === 1;
  const isAlone = node?.from_table?.type === 'EMPTY' && node.where_clause === null && node.having === null;
  const isPlain = (node?.group_expressions ?? []).length === 0 && (node?.modifiers ?? []).length === 0;
  if (more.length > 0 || !isOne || !isAlone || !isPlain || node.qualify !== null)
    return 'is not one expression';
  return foreignPart(node.select_list);
}

interface SerializedSql {
  readonly error: boolean;
  readonly error_message?: string;
  readonly statements?: readonly { readonly node?: SerializedNode }[];
}

interface SerializedNode {
  readonly type: string;
  readonly select_list?: readonly unknown[];
  readonly from_table?: { readonly type: string };
  readonly where_clause?: unknown;
  readonly group_expressions?: readonly unknown[];
  readonly having?: unknown;
  readonly qualify?: unknown;
  readonly modifiers?: readonly unknown[];
}

function foreignPart(tree: unknown): string | undefined {
  if (typeof tree !== 'object' || tree === null) return undefined;
  const { class: kind, function_name: called, column_names: names } = tree as Record<string, unknown>;
  if (FOREIGN.includes(String(kind))) return `looks beyond its row: ${String(kind).toLowerCase()}`;
  if (typeof called === 'string' && REFUSED_FUNCTIONS.has(called.toLowerCase()))
    return `calls ${called}, which is not of the record alone`;
  if (Array.isArray(names) && names.length === 1 && REFUSED_FUNCTIONS.has(String(names[0]).toLowerCase()))
    return `names ${names[0]}, which is not of the record alone`;
  if (Array.isArray(names) && names.some((name) => String(name).startsWith('__')))
    return `names '${names.join('.')}', which is no column`;
  for (const part of Object.values(tree)) {
    const found = foreignPart(part);
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message.split('\n')[0] : String(error)) ?? '';
}
