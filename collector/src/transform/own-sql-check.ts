// SQL of the config's author, looked at as DuckDB's own parse tree before it runs: an expression is one, of
// its row alone and the same at every try; a query is one SELECT over `rows` and nothing else. DuckDB is
// locked down besides.
import type { Database } from './duckdb.ts';
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
  ...['session_user', 'user', 'current_role', 'current_catalog', 'in_search_path', 'get_block_size', 'stats'],
  ...['ago', 'pg_conf_load_time', 'pg_postmaster_start_time', 'pg_sleep', 'sleep_ms', 'write_log'],
  ...['current_connection_id', 'current_query_id', 'current_transaction_id', 'reservoir_quantile'],
]);
/** What DuckDB takes for a call without brackets, where no column has the name. */
const REFUSED_NAMES = new Set([
  ...['current_timestamp', 'current_date', 'current_time', 'localtime', 'localtimestamp'],
  ...['current_catalog', 'current_schema'],
]);
/** Of one argument it is the time from then till now. */
const AGE = 'age';
/** Calls what its second argument names. */
const BY_NAME = new Set(['aggregate', 'list_aggregate', 'list_aggr', 'array_aggregate', 'array_aggr']);

/** What a query may read beside `rows` and what it names itself. */
const TABLE_FUNCTIONS = ['range', 'generate_series', 'unnest'];
const FROM_KINDS = ['BASE_TABLE', 'SUBQUERY', 'JOIN', 'TABLE_FUNCTION', 'EXPRESSION_LIST', 'EMPTY', 'PIVOT'];

async function parsed(database: Database, sql: string): Promise<SerializedSql> {
  const [row] = await database.rows(`SELECT json_serialize_sql(${literal(sql)}) AS tree`);
  return JSON.parse(String(row?.['tree'])) as SerializedSql;
}

/** What is wrong with it as one expression; undefined where it is one. */
export async function expressionProblem(database: Database, expression: string): Promise<string | undefined> {
  const tree = await parsed(database, `SELECT (${expression}\n)`);
  if (tree.error) return unparsed(tree);
  const [statement, ...more] = tree.statements ?? [];
  const node = statement?.node;
  const isOne = node?.type === 'SELECT_NODE' && node.select_list?.length === 1;
  const isAlone = node?.from_table?.type === 'EMPTY' && node.where_clause === null && node.having === null;
  const isPlain = (node?.group_expressions ?? []).length === 0 && (node?.modifiers ?? []).length === 0;
  if (more.length > 0 || !isOne || !isAlone || !isPlain || node.qualify !== null)
    return 'is not one expression';
  return foreignPart(node.select_list);
}

/** Columns have names such as at, end and order, which DuckDB takes for words of its own. */
function unparsed({ error_message: message = 'a syntax error' }: SerializedSql): string {
  const [, near = ''] = /at or near "(.*)"/s.exec(message) ?? [];
  const remedy =
    near === '' ? '' : '; a column whose name is a word of SQL, as at or end, is written "at", "end"';
  return `cannot be parsed: ${message}${remedy}`;
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

/** What a node calls of what is refused, as a reason names it. */
function refusedCall(node: object): string | undefined {
  const { function_name: called, children } = node as { function_name?: unknown; children?: unknown };
  if (typeof called !== 'string') return undefined;
  const name = called.toLowerCase();
  const given: readonly unknown[] = Array.isArray(children) ? children : [];
  if (REFUSED_FUNCTIONS.has(name) || (name === AGE && given.length < 2)) return called;
  return BY_NAME.has(name) ? refusedName(called, given[1]) : undefined;
}

/** DuckDB takes whatever folds to a text: a name that is put together is not looked at, and refused. */
function refusedName(called: string, argument: unknown): string | undefined {
  const { class: kind, value } = (argument ?? {}) as { class?: unknown; value?: { value?: unknown } };
  const name = value?.value;
  if (kind !== 'CONSTANT' || typeof name !== 'string') return `${called} by a name that is computed`;
  return REFUSED_FUNCTIONS.has(name.toLowerCase()) ? name : undefined;
}

function foreignPart(tree: unknown): string | undefined {
  if (typeof tree !== 'object' || tree === null) return undefined;
  const { class: kind, column_names: names } = tree as Record<string, unknown>;
  if (FOREIGN.includes(String(kind))) return `looks beyond its row: ${String(kind).toLowerCase()}`;
  const called = refusedCall(tree);
  if (called !== undefined) return `calls ${called}, which is not of the record alone`;
  if (Array.isArray(names) && names.length === 1 && REFUSED_NAMES.has(String(names[0]).toLowerCase()))
    return `names ${names[0]}, which is not of the record alone`;
  if (Array.isArray(names) && names.some((name) => String(name).startsWith('__')))
    return `names '${names.join('.')}', which is no column`;
  for (const part of Object.values(tree)) {
    const found = foreignPart(part);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What is wrong with it as one SELECT over `rows`; undefined where it is one. */
export async function queryProblem(database: Database, query: string): Promise<string | undefined> {
  const tree = await parsed(database, `WITH __made AS (${query}\n) SELECT * FROM __made`);
  if (tree.error) return unparsed(tree);
  const [statement, ...more] = tree.statements ?? [];
  const alone = await parsed(database, query);
  if (more.length > 0 || alone.error || alone.statements?.length !== 1) return 'is not one SELECT';
  return strangeSource(statement, new Set(['rows', ...namesOf(statement)]));
}

/** Common table expressions anywhere in it. */
function namesOf(tree: unknown): string[] {
  if (typeof tree !== 'object' || tree === null) return [];
  const { cte_map: map } = tree as { cte_map?: { map?: readonly { key?: string }[] } };
  const own = (map?.map ?? []).flatMap(({ key }) => (key === undefined ? [] : [key.toLowerCase()]));
  return [...own, ...Object.values(tree).flatMap(namesOf)];
}

function strangeSource(tree: unknown, known: ReadonlySet<string>): string | undefined {
  if (typeof tree !== 'object' || tree === null) return undefined;
  const node = tree as Record<string, unknown>;
  const kind = String(node['type'] ?? '');
  if (kind === 'RECURSIVE_CTE_NODE') return 'is recursive: nothing bounds it';
  if ('from_table' in node || 'alias' in node) {
    const from = (node['from_table'] as { type?: string } | null | undefined)?.type;
    if (from !== undefined && !FROM_KINDS.includes(from)) return `reads ${from.toLowerCase()}`;
  }
  if (kind === 'BASE_TABLE') {
    const isOwn = known.has(String(node['table_name']).toLowerCase());
    if (!isOwn || node['schema_name'] || node['catalog_name'])
      return `reads '${String(node['table_name'])}': it may read rows alone`;
  }
  if (kind === 'TABLE_FUNCTION') {
    const called = String((node['function'] as { function_name?: string } | undefined)?.function_name ?? '');
    if (!TABLE_FUNCTIONS.includes(called.toLowerCase())) return `reads ${called}()`;
  }
  const refused = refusedCall(node);
  if (refused !== undefined) return `calls ${refused}, which is not of the rows alone`;
  if (typeof node['sample'] === 'object' && node['sample'] !== null) return 'takes a sample, which is chance';
  const names = node['column_names'];
  if (Array.isArray(names) && names.length === 1 && REFUSED_NAMES.has(String(names[0]).toLowerCase()))
    return `names ${String(names[0])}, which is not of the rows alone`;
  for (const part of Object.values(node)) {
    const found = strangeSource(part, known);
    if (found !== undefined) return found;
  }
  return undefined;
}
