// What is wrong with a table before any data: its plan, and DuckDB's own opinion of its SQL. An expression of
// the config's author must be one expression, must mean the same whenever a record is read again, and may not
// look at other rows, at settings or at keys.
import { messageOf } from '@sluice/shared/errors.ts';
import type { TableConfig } from '../contracts.ts';
import { type Database, openDatabase } from './duckdb.ts';
import { setKeys } from './key-files.ts';
import { expressionProblem, queryProblem } from './own-sql-check.ts';
import { loadReferences, type ReferenceCopies } from './references.ts';
import { type CompiledTable, compileTable, type Marks } from './sql/compile.ts';
import { type FieldPlan, planFields } from './sql/fields.ts';
import type { StatementWatches } from './statement-watch.ts';

export interface TableCheck {
  readonly directory: string;
  readonly references: ReferenceCopies;
  readonly marks: Marks;
  readonly watches: StatementWatches;
}

/** Of one statement, which has no rows. */
const STATEMENT_MS_MAX = 30_000;

/** Empty when it can run. */
export async function tableProblems(
  table: TableConfig,
  { directory, references: copies, marks, watches }: TableCheck,
): Promise<string[]> {
  const plan = planFields(table);
  if (plan.problems.length > 0) return [...plan.problems];
  const watch = watches.of(table.name, Math.min(STATEMENT_MS_MAX, table.transformTimeoutMs ?? Infinity));
  const database = await openDatabase({
    watch,
    directories: [directory],
    spillDirectory: directory,
    memoryBytesMax: 64e6,
    threads: 1,
  });
  try {
    const problems = await askedProblems(database, plan);
    if (problems.length > 0) return problems;
    await setKeys(database, plan.keyFiles);
    await loadReferences(database, plan.references, { directory, copies });
    return await runEmpty(database, compileTable(table, plan, marks));
  } catch (error) {
    return [`its SQL is refused: ${firstLine(error)}`];
  } finally {
    watch.whenEnded(() => database.close());
  }
}

async function runEmpty(database: Database, compiled: CompiledTable): Promise<string[]> {
  const problems: string[] = [];
  for (const sql of compiled.createStaged) await database.run(sql);
  for (const form of ['checked', 'guarded'] as const)
    for (const sql of compiled.insertStaged(form, { exactText: true })) await database.run(sql);
  for (const { windowWise, partitionValues } of compiled.outputs) {
    for (const statement of windowWise) {
      const [row] = await database.rows(statement.sql);
      const asserts = statement.rule === undefined ? statement.asserts : undefined;
      if (asserts !== undefined && row?.['holds'] !== true) problems.push(asserts);
    }
    await database.rows(partitionValues);
  }
  return problems;
}

async function askedProblems(database: Database, { asked }: FieldPlan): Promise<string[]> {
  const problems: string[] = [];
  for (const expression of new Set(asked.expressions)) {
    const found = await expressionProblem(database, expression);
    if (found !== undefined) problems.push(`its SQL is refused: '${expression}' ${found}`);
  }
  for (const query of new Set(asked.queries)) {
    const found = await queryProblem(database, query);
    if (found !== undefined) problems.push(`its SQL is refused: the query ${found}`);
  }
  for (const { sql, message } of asked.checks) {
    const [row] = await database.rows(`SELECT (${sql}) AS holds`).catch(() => []);
    if (row?.['holds'] !== true) problems.push(message);
  }
  return problems;
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}
