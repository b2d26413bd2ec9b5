// A table's config becomes SQL for DuckDB: records are read as text, cast with a check for each value,
// filtered, and staged with the reason of those that failed; the good rows and the bad ones leave by two
// COPYs. Pure and printable: `explain` shows exactly this.
import type { TableConfig, TableSchemas } from '../../contracts.ts';
import { namesTopic } from '../../table-topics.ts';
import type { Field, FieldPlan } from './fields.ts';
import { brokenLines } from './group-checks.ts';
import { DELETED, metadataFields, placeColumns } from './metadata.ts';
import { type CompiledOutput, compileOutput, countRecords } from './outputs.ts';
import { GOOD, placeProblems } from './partitions.ts';
import type { PlannedOutput } from './pipes.ts';
import { heldForms, plainForms, type WantedForms } from './plain-forms.ts';
import { type Layers, pluralStatements, stepLayers } from './plural.ts';
import { keptBeside, quarantineColumns, selectQuarantine } from './quarantine.ts';
import { type Context, inputLayer, isConverted, type Marks, rawBytes, readLayers } from './read-layers.ts';
import { type Changed, columns, type InsertForm, type PlannedStep } from './steps/step.ts';
import { type StraightReading, type StraightSql, straightSql } from './straight.ts';
import { identifier } from './types.ts';

export type { Marks } from './read-layers.ts';

export interface CompiledTable {
  readonly createStaged: readonly string[];
  /**
   * `raw` → the staged tables, all rows or, where the form does not fit them, none: the first statements may
   * fail and leave nothing. `exactText` where a text of a JSON record may be an object or an array; records
   * are numbered from `firstId` on.
   */
  insertStaged(form: InsertForm, how?: InsertOptions): readonly string[];
  /** Writes rows of `raw` without staging them; undefined where the table does not allow it. */
  readonly straight: StraightSql | undefined;
  /** One row: records quarantined, filtered, good, and of these those that still have a row. */
  readonly countRecords: string;
  /** Columns whose value was nulled, and how often; undefined where none can be. */
  readonly countNulled: string | undefined;
  /** What is written of the good rows; the first is the table itself. */
  readonly outputs: readonly CompiledOutput[];
  readonly selectQuarantine: string;
  readonly schemas: TableSchemas;
  readonly needsKeys: boolean;
  readonly needsHeaders: boolean;
  /** Whether quarantine needs the value as the record had it, which what SQL reads does not tell. */
  readonly needsOriginals: boolean;
}

export interface InsertOptions extends StraightReading {
  readonly firstId?: number;
}

/** What a table reads of a record beside its value. */
export function readsBeside(table: TableConfig): { readonly keys: boolean; readonly headers: boolean } {
  // SQL takes a name in any case.
  const named = JSON.stringify([table.steps, table.output.sortBy]).toLowerCase();
  const needs = (column: string) => table.provenance === 'full' || named.includes(column);
  return { keys: needs('_key') || table.record.tombstones === 'keep', headers: needs('_headers') };
}

export function compileTable(table: TableConfig, plan: FieldPlan, marks: Marks): CompiledTable {
  const keepsDeleted = table.record.tombstones === 'keep';
  const { keys: needsKeys, headers: needsHeaders } = readsBeside(table);
  const needsOriginals = isConverted(table) && table.quarantineRaw !== 'drop';
  const needed = { needsKeys, needsHeaders, needsOriginals };
  const keeps = keptBeside(table, needed);
  const context: Context = { table, plan, marks, ...needed, keepsDeleted, exactText: false, firstId: 0 };
  const forms = plainForms(plan.source, firstWants(plan));
  const read = ({ exactText, isPlain, isWhole }: StraightReading) => ({
    exactText,
    isWhole,
    plain: isPlain === true ? forms : undefined,
  });
  const outputs = plan.outputs.map((output) => compileOutput(table, output));
  const [rows, ...named] = outputs;
  return {
    createStaged: plan.outputs.map((output) => createStaged(context, output)),
    insertStaged: (form, { firstId = 0, ...reading } = { exactText: false }) =>
      insertStaged({ ...context, ...read(reading), firstId }, form),
    straight: straightSql(table, {
      plan,
      output: rows,
      columns: plan.outputs[0] === undefined ? [] : stagedColumns(context, plan.outputs[0]),
      rows: (reading) => stagedRows({ ...context, ...read(reading), firstId: undefined }, 'clean'),
    }),
    countRecords: countRecords(plan.outputs, plan.plural),
    countNulled: plan.nulls ? countNulled(plan.outputs) : undefined,
    outputs,
    selectQuarantine: selectQuarantine(table, keeps),
    schemas: {
      rows: rows?.columns ?? [],
      quarantine: quarantineColumns(table),
      partitionColumns: rows?.partitionColumns ?? [],
      quarantinePartitionColumns: [{ name: 'ingest_day', type: 'string' }],
      named: Object.fromEntries(
        named.map(({ name, columns, partitionColumns }) => [name, { columns, partitionColumns }]),
      ),
    },
    ...needed,
  };
}

function countNulled(outputs: readonly PlannedOutput[]): string {
  const each = outputs.map(
    ({ tables }) =>
      `SELECT unnest(string_split(ltrim(__nulled, ','), ',')) AS name FROM ${tables[0]} WHERE ${GOOD} AND __nulled <> ''`,
  );
  return `SELECT name, count(*) AS n FROM (${each.join(' UNION ALL ')}) GROUP BY ALL ORDER BY ALL`;
}

type StagedColumn = readonly [name: string, type: string];

function stagedColumns(context: Context, { staged }: PlannedOutput) {
  const { table, plan, needsKeys, needsHeaders, keepsDeleted } = context;
  const { key, headers } = table.record;
  const columns: StagedColumn[] = [
    ...(namesTopic(table) ? [['_topic', 'VARCHAR'] as const] : []),
    ['_partition', 'INTEGER'],
    ['_offset', 'BIGINT'],
    ['_timestamp', 'TIMESTAMP'],
  ];
  if (needsKeys) columns.push(['_key', key === 'bytes' ? 'BLOB' : 'VARCHAR']);
  if (needsHeaders) columns.push(['_headers', headers === 'map' ? 'MAP(VARCHAR, VARCHAR)' : 'VARCHAR']);
  if (keepsDeleted) columns.push([DELETED, 'BOOLEAN']);
  columns.push(['__problem', 'VARCHAR'], ['__filtered', 'BOOLEAN'], ['__raw', 'BLOB']);
  if (plan.nulls) columns.push(['__nulled', 'VARCHAR']);
  if (plan.plural) columns.push(['__id', 'BIGINT'], ['_row', 'INTEGER']);
  return [...columns, ...staged.map(({ name, type }): StagedColumn => [identifier(name), type.duckdb])];
}

function createStaged(context: Context, output: PlannedOutput): string {
  const columns = stagedColumns(context, output).map((column) => column.join(' '));
  return `CREATE OR REPLACE TEMP TABLE ${output.tables[0]} (${columns.join(', ')})`;
}

/**
 * One common table expression a layer, so that each expression is evaluated once and has a name for
 * `explain`.
 */
function insertStaged(context: Context, form: InsertForm): string[] {
  const { table, plan } = context;
  if (!plan.plural) return [`INSERT INTO staged\n${stagedRows(context, form)}`];
  const input = [inputLayer(context), ...readLayers(context, form)];
  const carry = (changed?: Changed) => carried(context, changed);
  const finish = (from: string, output: PlannedOutput) => finishLayers(context, from, output);
  const [metadata, raw] = [metadataOf(context), rawBytes(table)];
  const { keepsDeleted } = context;
  return pluralStatements({ plan, input, form, carry, finish, metadata, keepsDeleted, raw });
}

function metadataOf({ table, needsKeys, needsHeaders, keepsDeleted }: Context): string[] {
  const metadata = [...placeColumns(table), '_timestamp'];
  if (needsKeys) metadata.push('_key');
  if (needsHeaders) metadata.push('_headers');
  if (keepsDeleted) metadata.push(DELETED);
  return metadata;
}

/** SELECT of the staged columns, of each record the rows that it has before others are looked at. */
function stagedRows(context: Context, form: InsertForm): string {
  const { table, plan, keepsDeleted } = context;
  const input = [inputLayer(context), ...readLayers(context, form)];
  const [output] = plan.outputs;
  const steps = output === undefined ? [] : rowWise(plan.steps);
  const carry = (changed?: Changed) => carried(context, changed);
  const { plain } = context;
  const held = plain && heldForms(plain, plan.source, firstWants(plan));
  const { layers, last } = stepLayers({ steps, from: 'read', form, carry, keepsDeleted, held });
  const fields = output?.staged ?? [];
  const end = output === undefined ? { layers: [], last } : finishLayers(context, last, output);
  const raw = `CASE WHEN __problem IS NOT NULL THEN ${rawBytes(table)} END AS __raw`;
  const nulled = plan.nulls ? ', __nulled' : '';
  const numbered = plan.plural ? ', __id, __nth[-1] AS _row' : '';
  return (
    `WITH ${[...input, ...layers, ...end.layers].join(',\n')}\n` +
    `SELECT ${metadataOf(context).join(', ')}, __problem, __filtered, ${raw}${nulled}${numbered}${columns(fields)} FROM ${end.last}`
  );
}

/** What its first step asks of the values that are read. */
export const firstWants = ({ steps }: FieldPlan): WantedForms => steps[0]?.wants ?? new Map();

const rowWise = (steps: readonly PlannedStep[]) => steps.filter(({ windowWise }) => windowWise === undefined);

/** What the format and the partitions of an output ask of a row, as far as its columns are the record's. */
function finishLayers(context: Context, from: string, output: PlannedOutput): Layers {
  const { table } = context;
  const { staged, asRecords, ofRecords } = output;
  const texts = ofRecords ? [...asRecords, ...writtenKey(table)] : asRecords;
  const lines = table.output.kind === 'csv' ? brokenLines(texts) : [];
  const unfit = [
    ...lines.map(({ where }) => `WHEN ${where} THEN 'CSV_LINE_BREAK'`),
    ...placeProblems(table, asRecords),
  ];
  if (unfit.length === 0) return { layers: [], last: from };
  const problem = `CASE WHEN __problem IS NULL AND NOT __filtered THEN CASE ${unfit.join(' ')} END ELSE __problem END`;
  const layer = `placed AS (SELECT ${carried(context, { problem })}${columns(staged)} FROM ${from})`;
  return { layers: [layer], last: 'placed' };
}

/** As it came, unlike headers, which are JSON. */
function writtenKey(table: TableConfig): readonly Field[] {
  const isWritten = table.provenance === 'full' || table.record.tombstones === 'keep';
  return isWritten ? metadataFields(table).filter(({ name }) => name === '_key') : [];
}

const KNOWN = '_topic, _partition, _offset, _timestamp, _key, _headers';

/** What every layer hands on of a record, some of it changed. */
function carried({ plan, keepsDeleted }: Context, changed: Changed = {}): string {
  const { problem, filtered, nulled, nth, first } = changed;
  const as = (sql: string | undefined, name: string) => (sql === undefined ? name : `${sql} AS ${name}`);
  // Many rows of a large record would each have all of it, and fill any disk.
  const bytes = ['__value', '__original'].map((name) =>
    first === undefined ? name : `CASE WHEN ${first} THEN ${name} END AS ${name}`,
  );
  const known = [KNOWN, ...bytes].join(', ') + (keepsDeleted ? `, ${DELETED}` : '');
  const counted = plan.nulls ? `, ${as(nulled, '__nulled')}` : '';
  const numbered = plan.plural ? `, __id, ${as(nth, '__nth')}` : '';
  return `${known}, ${as(problem, '__problem')}, ${as(filtered, '__filtered')}${counted}${numbered}`;
}
