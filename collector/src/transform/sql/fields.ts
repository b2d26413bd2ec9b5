// The columns of a table from its config alone: what is read, what the steps make of it, and everything that
// can be wrong with that. Pure; the SQL is built from the plan in compile.ts.
import { messageOf } from '@sluice/shared/errors.ts';
import type { InputFormat, PatternInput, ReadColumn, Step, TableConfig } from '../../contracts.ts';
import { isPlural } from '../../step-config.ts';
import { explodesArrays } from '../../table-input.ts';
import { avroDecoder } from '../decode/avro.ts';
import { fileDecoder } from '../decode/decoders.ts';
import { pathOf } from '../json-inside.ts';
import { textPattern } from '../text-pattern.ts';
import { DELETED, isCarried, isMetadata, metadataFields, placeColumns, ROW, topicSql } from './metadata.ts';
import { partitionsOf } from './partitions.ts';
import { type Pipe, type PlannedOutput, waysOf } from './pipes.ts';
import { planStep } from './steps/plan-step.ts';
import { type Field, type PlannedStep, type Reference, type Scope, TEXT } from './steps/step.ts';
import { type FieldType, identifier, isScalar, parseType } from './types.ts';

export type { Field };

/** A column as read from the record: `path` into a JSON object, or a position in a CSV line. */
export interface SourceField extends Field {
  readonly path: readonly string[];
  /** A value that fails is NULL, and counted. */
  readonly nullOnError: boolean;
}

export interface FieldPlan {
  readonly source: readonly SourceField[];
  readonly steps: readonly PlannedStep[];
  readonly pipes: readonly Pipe[];
  /** The table itself, then what steps make beside it. */
  readonly outputs: readonly PlannedOutput[];
  /** A record may have several rows. */
  readonly plural: boolean;
  /** Some value may become NULL where it fails, and is counted. */
  readonly nulls: boolean;
  /** An expression of the config's own may throw. */
  readonly mayThrow: boolean;
  /** Files with keys, in the order of the variables that hold them. */
  readonly keyFiles: readonly string[];
  /** Files that are looked up, in the order of their tables. */
  readonly references: readonly Reference[];
  readonly asked: Asked;
  readonly problems: readonly string[];
}

/** What only DuckDB can judge, when the table is checked. */
export interface Asked {
  /** Must be one expression each. */
  readonly expressions: string[];
  /** Must be one SELECT each, over `rows` alone. */
  readonly queries: string[];
  /** SELECT of one boolean that must be true, and what is wrong where it is not. */
  readonly checks: { readonly sql: string; readonly message: string }[];
}

export function planFields(table: TableConfig): FieldPlan {
  const problems: string[] = [];
  const keyFiles: string[] = [];
  const asked: Asked = { expressions: [], queries: [], checks: [] };
  const source = sourceFields(table, problems);
  checkCarried(source, problems);
  const references: Reference[] = [];
  const planning = { table, problems, asked, keyFiles, references, plural: isPlural(table) };
  const steps = planSteps(table.steps, source, planning);
  const { pipes, outputs } = waysOf(steps, source, explodesArrays(table.input));
  for (const output of outputs) checkOutput(table, output, problems);
  const all = pipes.flatMap((pipe) => pipe.steps);
  const nulls = source.some(({ nullOnError }) => nullOnError) || all.some((step) => step.nulls === true);
  const mayThrow = all.some((step) => step.mayThrow === true);
  return {
    source,
    steps,
    pipes,
    outputs,
    plural: planning.plural,
    nulls,
    mayThrow,
    keyFiles,
    references,
    asked,
    problems,
  };
}

/** Each step takes the columns of the one before it. */
function planSteps(
  steps: readonly Step[],
  source: readonly Field[],
  planning: Omit<Planning, 'fields' | 'ofRecords'>,
): readonly PlannedStep[] {
  const { problems } = planning;
  let fields = source;
  let windowWise: Step['kind'] | undefined;
  let ofRecords = true;
  return steps.map((step) => {
    const planned = planStep(step, scopeOf(step, { ...planning, fields, ofRecords }));
    ofRecords &&= planned.windowWise?.every((one) => one.ofRecords) ?? true;
    if (windowWise !== undefined && planned.windowWise === undefined)
      problems.push(
        `${step.kind} stands behind ${windowWise}, which looks at the whole window and comes last`,
      );
    if (planned.windowWise !== undefined) windowWise = step.kind;
    fields = planned.fields;
    const names = fields.map(({ name }) => name.toLowerCase());
    const twin = names.find((name, i) => names.indexOf(name) < i);
    if (twin !== undefined) problems.push(`two columns are named '${twin}' after ${step.kind}`);
    checkCarried(fields, problems);
    return planned;
  });
}

/** Also between the steps: what has the name of something of the record's would be read in its place. */
function checkCarried(fields: readonly Field[], problems: string[]): void {
  for (const { name } of fields) {
    const message = `no column can be named '${name}', not even between steps: the transform uses it itself`;
    if (isCarried(name) && !problems.includes(message)) problems.push(message);
  }
}

function checkOutput(
  table: TableConfig,
  { name, fields, ofRecords }: Pick<PlannedOutput, 'name' | 'fields' | 'ofRecords'>,
  problems: string[],
): void {
  const found: string[] = [];
  checkNames(table, fields, found);
  const partitionBy = partitionsOf(table.partitionBy, { name, fields });
  checkPartitions({ ...table, partitionBy }, fields, found);
  if (name === 'rows') checkSort(table, [...fields, ...(ofRecords ? metadataFields(table) : [])], found);
  const isTold = ofRecords && (table.provenance !== 'none' || table.record.tombstones === 'keep');
  const inPath = partitionBy.flatMap((spec) =>
    spec.kind === 'value' && spec.field === spec.column ? [spec.field] : [],
  );
  if (fields.length === 0 || (!isTold && fields.every((field) => inPath.includes(field.name))))
    found.push('no column is left to write');
  for (const problem of found) problems.push(name === 'rows' ? problem : `in '${name}': ${problem}`);
}

interface Planning {
  readonly table: TableConfig;
  readonly fields: readonly Field[];
  /** Rows can say of which record they are. */
  readonly ofRecords: boolean;
  readonly problems: string[];
  readonly asked: Asked;
  readonly keyFiles: string[];
  readonly references: Reference[];
  readonly plural: boolean;
}

function scopeOf({ kind: step }: Step, planning: Planning): Scope {
  const { table, fields, ofRecords, problems, asked, keyFiles, references, plural } = planning;
  const known = [...fields, ...(ofRecords ? metadataFields(table) : [])];
  const places = ofRecords ? placeColumns(table) : [];
  const arrival = ['_timestamp', ...places, ...(plural ? [ROW] : [])];
  return {
    step,
    fields,
    topic: topicSql(table),
    places,
    order: ofRecords ? arrival : fields.map(({ name }) => identifier(name)),
    ofRecords,
    keepsDeleted: table.record.tombstones === 'keep',
    rowPath: plural ? ', __nth::VARCHAR' : '',
    plan: (steps, from) => planSteps(steps, from, planning),
    find(name) {
      const field = known.find((one) => one.name === name);
      if (field === undefined) problems.push(`${step} names '${name}', which is no column at that step`);
      return field ?? { name, type: TEXT };
    },
    has: (name) => known.some((one) => one.name === name),
    column: ({ name }) => identifier(name),
    type: (text, name) => typeOf(text, name, problems),
    problem: (message) => void problems.push(message),
    expression(sql) {
      asked.expressions.push(sql);
      // A comment at its end must not take what stands behind it.
      return sql.includes('--') ? `${sql}\n` : sql;
    },
    query(sql) {
      asked.queries.push(sql);
      return sql;
    },
    reference(reference) {
      references.push(reference);
      return `reference_${references.length - 1}`;
    },
    check: (sql, message) => void asked.checks.push({ sql, message }),
    secret(keyFile) {
      if (!keyFiles.includes(keyFile)) keyFiles.push(keyFile);
      return keyVariables(keyFiles.indexOf(keyFile));
    },
  };
}

/** Where the two halves of a key are while a window is open. */
function keyVariables(index: number): { readonly inner: string; readonly outer: string } {
  return { inner: `getvariable('key_${index}_inner')`, outer: `getvariable('key_${index}_outer')` };
}

function sourceFields(table: TableConfig, problems: string[]): SourceField[] {
  const { input, columns } = table;
  const value = { name: 'value', path: ['value'], nullOnError: false };
  if (input.kind === 'text') return [{ ...value, type: TEXT }];
  if (input.kind === 'bytes') return [{ ...value, type: parseType('binary') ?? TEXT }];
  if (input.kind === 'regex' || input.kind === 'grok') return groupFields(input, columns, problems);
  const declared = columns.length > 0 ? columns.map(declaredSource) : mappedSources(table);
  if (declared.length === 0) problems.push("'columns' is missing, or an apply_mapping as the first step");
  const fields = declared.map((one) => ({ ...one, type: typeOf(one.type, one.name, problems) }));
  if (input.kind === 'csv' && columns.length === 0)
    problems.push("csv needs 'columns', in the order of the line");
  checkPaths(input, fields, problems);
  checkSchema(input, problems);
  return fields;
}

const declaredSource = ({ name, type, onError }: ReadColumn) => ({
  name,
  type,
  path: [name],
  nullOnError: onError === 'null',
});

function checkSchema(input: InputFormat, problems: string[]): void {
  if ((input.kind !== 'avro' && input.kind !== 'protobuf') || input.framing !== 'none') return;
  try {
    if (input.kind === 'avro') avroDecoder(input.schema);
    else fileDecoder(input);
  } catch (error) {
    problems.push(messageOf(error));
  }
}

/** The groups of a pattern; `columns` types those that it names, and the others are not read. */
function groupFields(input: PatternInput, columns: readonly ReadColumn[], problems: string[]): SourceField[] {
  const { groups, problems: found } = textPattern(input);
  problems.push(...found);
  const known = new Map(groups.map(({ name, type }) => [name, { name, type }]));
  for (const { name } of columns) if (!known.has(name)) problems.push(`'${name}' is no group of the pattern`);
  const read = (columns.length > 0 ? columns : [...known.values()]).map(declaredSource);
  const fields = read.map((one) => ({ ...one, type: typeOf(one.type, one.name, problems) }));
  checkPaths(input, fields, problems);
  return fields;
}

/** Without `columns`, the first apply_mapping says what is read: dots go into objects. */
function mappedSources(table: TableConfig) {
  const [first] = table.steps;
  if (first?.kind !== 'apply_mapping') return [];
  const read = first.mappings.filter(({ source }) => !isMetadata(source));
  return [...Map.groupBy(read, ({ source }) => source).entries()].map(([name, mappings]) => ({
    name,
    type: mappings.at(-1)?.sourceType ?? '',
    path: pathOf(name),
    nullOnError: mappings.every(({ onError }) => onError === 'null'),
  }));
}

function typeOf(type: string, name: string, problems: string[]): FieldType {
  const parsed = parseType(type);
  if (parsed === undefined) problems.push(`'${name}' has the type '${type}', which no column can have`);
  return parsed ?? TEXT;
}

/** DuckDB's struct fields do not tell upper from lower case, and a value cannot be an object as well. */
function checkPaths(input: InputFormat, fields: readonly SourceField[], problems: string[]): void {
  const seen = new Map<string, string>();
  const keyOf = (path: readonly string[]) => path.join('\0').toLowerCase();
  for (const { path, type } of fields) {
    const name = path.join('.');
    const twin = seen.get(keyOf(path));
    if (twin !== undefined) problems.push(`'${twin}' and '${name}' differ in nothing or only in case`);
    seen.set(keyOf(path), name);
    if (path.some((part) => part === '' || part.includes('\0'))) problems.push(`'${name}' has an empty part`);
    if (type.kind === 'binary' && input.kind !== 'avro' && input.kind !== 'protobuf')
      problems.push(`'${name}': JSON and CSV hold no binary; read it as string`);
  }
  const objects = new Map<string, string>();
  for (const { path } of fields)
    for (let length = 1; length < path.length; length++) {
      const parent = path.slice(0, length).join('.');
      const key = keyOf(path.slice(0, length));
      if (seen.has(key)) problems.push(`'${parent}' is read both as a value and as an object`);
      const twin = objects.get(key) ?? parent;
      if (twin !== parent)
        problems.push(`'${twin}' and '${parent}' are read as objects and differ only in case`);
      objects.set(key, twin);
    }
}

function checkNames(table: TableConfig, fields: readonly Field[], problems: string[]): void {
  const seen = new Set<string>();
  for (const { name, type } of fields) {
    if (type.kind === 'choice') problems.push(`column '${name}' is ${type.glue}: resolve_choice decides`);
    if (!/^[a-z_][a-z0-9_]{0,254}$/.test(name) || name.startsWith('__')) {
      const rule = 'lower-case letters, digits and underscore, not starting with a digit or two underscores';
      problems.push(`column '${name}' must be renamed by rename_field or apply_mapping: ${rule}`);
    } else if (isTaken(table, name)) {
      problems.push(`column '${name}' has the name of a metadata column: see 'provenance'`);
    }
    if (seen.has(name.toLowerCase())) problems.push(`two columns are named '${name}'`);
    seen.add(name.toLowerCase());
  }
}

/** Whether a table writes a column of this name itself, or may when its `provenance` is another. */
function isTaken(table: TableConfig, name: string): boolean {
  if (isMetadata(name)) return true;
  return name === DELETED ? table.record.tombstones === 'keep' : name === ROW && isPlural(table);
}

function checkSort(table: TableConfig, known: readonly Field[], problems: string[]): void {
  for (const name of table.output.sortBy ?? []) {
    if (!known.some((field) => field.name === name))
      problems.push(`output.sortBy names '${name}', which is no column after the steps`);
  }
}

function checkPartitions(table: TableConfig, fields: readonly Field[], problems: string[]): void {
  const taken = new Set(fields.map(({ name }) => name));
  for (const spec of table.partitionBy) {
    if (!/^[a-z_][a-z0-9_]{0,254}$/.test(spec.column))
      problems.push(`partition column '${spec.column}' is no safe name`);
    if (isTaken(table, spec.column))
      problems.push(
        `partition column '${spec.column}' has the name of a metadata column: say another with 'as'`,
      );
    const isValue = spec.kind === 'value' && spec.column === spec.field;
    if (!isValue && taken.has(spec.column))
      problems.push(`partition column '${spec.column}' is a column already`);
    taken.add(spec.column);
    if (spec.kind === 'ingest') continue;
    const field = fields.find(({ name }) => name === spec.field);
    if (field === undefined)
      problems.push(`partitionBy names '${spec.field}', which is no column after the steps`);
    else if (spec.kind === 'time' && field.type.kind !== 'timestamp' && field.type.kind !== 'date') {
      problems.push(
        `partitionBy '${spec.field}' by ${spec.by} needs a timestamp or date, and it is ${field.type.glue}`,
      );
    } else if (spec.kind === 'time' && field.type.kind === 'date' && ['hour', 'minute'].includes(spec.by)) {
      problems.push(`partitionBy '${spec.field}' by ${spec.by} needs a timestamp, and it is a date`);
    } else if (spec.kind === 'time' && field.type.kind === 'date' && spec.zone !== undefined) {
      problems.push(`partitionBy '${spec.field}': a date has no time zone`);
    } else if (
      spec.kind === 'value' &&
      (!isScalar(field.type) || ['binary', 'float'].includes(field.type.kind))
    ) {
      problems.push(`partitionBy '${spec.field}': a ${field.type.glue} makes no partition`);
    }
  }
}
