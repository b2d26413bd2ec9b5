// What a step is to the compiler: the columns that come out of it and the SQL layers that make them. Each
// module beside this one plans one kind of step, from its config and the columns that go in; `row` writes the
// layers of every step that makes one row of one row.
import type { Step } from '../../../step-config.ts';
import { DELETED } from '../metadata.ts';
import type { WantedForms } from '../plain-forms.ts';
import { problem } from '../problems.ts';
import { type FieldType, identifier, literal, parseType, type ScalarType } from '../types.ts';

export interface Field {
  readonly name: string;
  readonly type: FieldType;
}

/**
 * clean: fails where a value is not JSON. checked: each value is validated before it is read, a tenth slower.
 * guarded: survives an expression that throws too, at a fifth of the speed.
 */
export type InsertForm = 'clean' | 'checked' | 'guarded';

/** Where a step's layers stand: they read `from`, and the last is called `name`. */
export interface Place {
  readonly from: string;
  readonly name: string;
  readonly form: InsertForm;
  /** A record without a value is the mark of a deletion: no filter takes it away. */
  readonly keepsDeleted: boolean;
  /** What is known of the values of columns. */
  readonly held?: WantedForms | undefined;
  /** What every layer hands on of a record, some of it changed. */
  carry(changed?: Changed): string;
}

/** For a condition of a row that the mark of a deletion does not meet. */
export const andNotDeleted = ({ keepsDeleted }: { readonly keepsDeleted: boolean }) =>
  keepsDeleted ? ` AND NOT ${DELETED}` : '';

/** SQL for what a layer finds out about a record. */
export interface Changed {
  readonly problem?: string;
  readonly filtered?: string;
  /** Names of columns whose value was nulled, each behind a comma. */
  readonly nulled?: string;
  /** Where a row stands among those of its record: a list of numbers. */
  readonly nth?: string;
  /** Whether a row is the first of those that are made of one, and keeps the record's bytes for all. */
  readonly first?: string;
}

export interface PlannedStep {
  readonly fields: readonly Field[];
  /** Of columns that go in: what makes checks needless. */
  readonly wants?: WantedForms;
  readonly layers: (at: Place) => string[];
  /** Runs an expression of the user's own: the guarded form is needed. */
  readonly mayThrow?: boolean;
  /** May make NULL of a value that fails, and counts it. */
  readonly nulls?: boolean;
  /** Makes several rows of one, or none: a record is then all its rows. */
  readonly multiplies?: boolean;
  /** Each row stays one, whatever is in it. */
  readonly keepsRows?: boolean;
  /** Rows that leave for tables of their own. */
  readonly branches?: readonly Branch[];
  /** SQL condition of the rows that stay where some leave. */
  readonly rest?: string;
  /** Runs once for the whole window, after its last record. */
  readonly windowWise?: readonly WindowStep[];
}

export interface Branch {
  readonly output: string;
  /** SQL condition on the rows where ways part. */
  readonly where: string;
  readonly fields: readonly Field[];
  readonly steps: readonly PlannedStep[];
}

export interface WindowStep {
  /** CREATE of table `to` from the good rows of `from`; without it rows stay as they are. */
  readonly create?: (at: { readonly from: string; readonly to: string }) => string;
  /** SELECT of one boolean that must be true, whatever the rows are. */
  readonly asserts?: { readonly sql: (from: string) => string; readonly message: string };
  /** What the rows are held to. */
  readonly rules?: readonly WindowRule[];
  /** What comes out are rows of single records still. */
  readonly ofRecords: boolean;
}

export interface WindowRule {
  readonly name: string;
  /** SELECT of how many rows of a table break it. */
  failed(from: string): string;
  readonly action: 'fail' | 'report';
}

export interface Reference {
  readonly file: string;
  /** Columns of the file that are the key: k0, k1 ... */
  readonly keys: readonly { readonly of: string; readonly type: FieldType }[];
  /** Columns of the file that are looked up: c0, c1 ... */
  readonly columns: readonly { readonly of: string; readonly type: FieldType }[];
}

/** The columns a step may name, and where it says what is wrong with it. */
export interface Scope {
  /** As the config writes the step. */
  readonly step: string;
  readonly fields: readonly Field[];
  /** A column, or one of the record's metadata. A problem where there is none. */
  find(name: string): Field;
  has(name: string): boolean;
  /** SQL of a column. */
  column(field: Field): string;
  /** SQL of the config's author, to be checked as one expression when the table is. */
  expression(sql: string): string;
  /** A SELECT of the config's author over `rows`, to be checked when the table is. */
  query(sql: string): string;
  /** SELECT of one boolean that must be true, asked when the table is checked. */
  check(sql: string, message: string): void;
  type(text: string, name: string): FieldType;
  problem(message: string): void;
  /** SQL of the two halves of an HMAC key, from a file that is read when a window opens. */
  secret(keyFile: string): { readonly inner: string; readonly outer: string };
  /** SQL of the record's topic. */
  readonly topic: string;
  /** Columns that tell records of a window apart; none where rows are of groups. */
  readonly places: readonly string[];
  /** SQL of columns that order rows as they came; of groups, which came in no order, all their columns. */
  readonly order: readonly string[];
  /** Rows can say of which record they are. */
  readonly ofRecords: boolean;
  /** Some rows are the marks of deletions. */
  readonly keepsDeleted: boolean;
  /** SQL, behind a comma, of where a row stands among those of its record; empty where each has one. */
  readonly rowPath: string;
  /** The table that a reference file is read into when a window opens. */
  reference(reference: Reference): string;
  /** Plans steps of a way of their own. */
  plan(steps: readonly Step[], fields: readonly Field[]): readonly PlannedStep[];
}

export const TEXT = parseType('string') as ScalarType;
export const columns = (fields: readonly Field[]) =>
  fields.map(({ name }) => `, ${identifier(name)}`).join('');

/** A value that a layer computes once for each row. */
export interface Computed {
  /** What it is made of: SQL over the columns. */
  readonly from: string;
  /** `from` is of the user's own and may throw. */
  readonly mayThrow?: boolean;
  /** SQL of the value, of `from`. */
  value(from: string): string;
  /** SQL that is true where it failed; `to` is the value. */
  fails(from: string, to: string): string;
  /** SQL of the problem. */
  told(from: string, to: string): string;
  readonly onError: 'quarantine' | 'null';
  /** The form of a column's values with which it cannot fail. */
  readonly wants?: { readonly column: string; readonly form: string } | undefined;
  /** Named in the problem of an expression that throws, and where NULLs are counted. */
  readonly name: string;
}

const never = () => 'false';

/** A value that cannot fail. */
export function sure(name: string, value: string): Computed {
  return {
    from: value,
    value: (from) => from,
    fails: never,
    told: () => 'NULL',
    onError: 'quarantine',
    name,
  };
}

/** A column out of a row step: computed, or taken over. */
export type Made = Field & ({ readonly computed: Computed } | { readonly of: Field });

export const kept = (field: Field): Made => ({ ...field, of: field });

/** `made` in place of the column of the same name, else behind the others. */
export function withColumns(fields: readonly Field[], made: readonly Made[]): Made[] {
  const replaced = fields.map((field) => made.find(({ name }) => name === field.name) ?? kept(field));
  return [...replaced, ...made.filter(({ name }) => !fields.some((field) => field.name === name))];
}

/** A step that makes one row of one row. */
export function rowStep(made: readonly Made[]): PlannedStep {
  const computed = made.flatMap((one) => ('computed' in one ? [one.computed] : []));
  const distinct = [...new Set(computed)];
  return {
    fields: made.map(({ name, type }) => ({ name, type })),
    layers: (at) => rowLayers(made, distinct, at),
    wants: wantedBy(distinct),
    keepsRows: true,
    mayThrow: distinct.some(({ mayThrow }) => mayThrow === true),
    nulls: distinct.some(({ onError }) => onError === 'null'),
  };
}

/** A column that is wanted in two forms is not wanted. */
function wantedBy(computed: readonly Computed[]): WantedForms {
  const all = computed.flatMap(({ wants }) => wants ?? []);
  const twice = (column: string, form: string) =>
    all.some((other) => other.column === column && other.form !== form);
  return new Map(all.flatMap(({ column, form }) => (twice(column, form) ? [] : [[column, form]])));
}

function rowLayers(made: readonly Made[], computed: readonly Computed[], at: Place): string[] {
  const value = (one: Made) =>
    'of' in one ? identifier(one.of.name) : `__m${computed.indexOf(one.computed)}`;
  const named = made.map((one) => `, ${value(one)} AS ${identifier(one.name)}`).join('');
  if (computed.length === 0) return [`${at.name} AS (SELECT ${at.carry()}${named} FROM ${at.from})`];
  const layers: string[] = [];
  let { from } = at;
  const owned = computed.flatMap((one, i) => (one.mayThrow === true ? [{ one, i }] : []));
  if (owned.length > 0) {
    const tried = owned.map(({ one, i }) => `${evaluated(one.from, at)} AS __e${i}`);
    layers.push(`${at.name}tried AS (SELECT *, ${tried.join(', ')} FROM ${from})`);
    from = `${at.name}tried`;
  }
  const source = (i: number) => sourceOf(computed[i] as Computed, `__e${i}`, at);
  const values = computed.map((one, i) => `${one.value(source(i))} AS __m${i}`);
  layers.push(`${at.name}cast AS (SELECT *, ${values.join(', ')} FROM ${from})`);
  const { told, nulled, values: final } = verdicts(computed, { source, at });
  const outputs = made
    .map((one) => {
      const i = 'computed' in one ? computed.indexOf(one.computed) : -1;
      return `, ${final[i] ?? value(one)} AS ${identifier(one.name)}`;
    })
    .join('');
  const changed = {
    ...(told.length === 0
      ? {}
      : { problem: `CASE WHEN __problem IS NOT NULL OR __filtered THEN __problem ${told.join('\n  ')} END` }),
    ...(nulled.length === 0 ? {} : { nulled: `__nulled || ${nulled.join(' || ')}` }),
  };
  layers.push(`${at.name} AS (SELECT ${at.carry(changed)}${outputs} FROM ${at.name}cast)`);
  return layers;
}

/** In the guarded form a struct, NULL where the expression threw: a NULL that was meant stands inside. */
function evaluated(expression: string, { form }: Place): string {
  if (form !== 'guarded') return `(${expression})`;
  return `CASE WHEN __problem IS NULL AND NOT __filtered THEN TRY({'v': (${expression})}) END`;
}

function sourceOf({ from, mayThrow }: Computed, evaluatedAs: string, { form }: Place): string {
  if (mayThrow !== true) return from;
  return form === 'guarded' ? `struct_extract(${evaluatedAs}, 'v')` : evaluatedAs;
}

interface Verdicts {
  readonly told: string[];
  readonly nulled: string[];
  /** By number of the computed value: its SQL where that is not simply its name. */
  readonly values: (string | undefined)[];
}

function verdicts(
  computed: readonly Computed[],
  { source, at }: { source: (i: number) => string; at: Place },
): Verdicts {
  const found: Verdicts = { told: [], nulled: [], values: [] };
  computed.forEach((one, i) => {
    const thrown =
      one.mayThrow === true && at.form === 'guarded' ? `(NOT __filtered AND __e${i} IS NULL)` : 'false';
    const isSure = one.wants !== undefined && at.held?.get(one.wants.column) === one.wants.form;
    const fails = isSure ? 'false' : one.fails(source(i), `__m${i}`);
    if (one.onError === 'quarantine') {
      if (thrown !== 'false')
        found.told.push(
          `WHEN ${thrown} THEN ${problem('DERIVE_FAILED', one.name, { value: "''", type: 'computable' })}`,
        );
      if (fails !== 'false') found.told.push(`WHEN ${fails} THEN ${one.told(source(i), `__m${i}`)}`);
      return;
    }
    const failed = [thrown, fails].filter((sql) => sql !== 'false').join(' OR ');
    if (failed === '') return;
    found.values[i] = `CASE WHEN ${failed} THEN NULL ELSE __m${i} END`;
    found.nulled.push(
      `CASE WHEN __problem IS NULL AND NOT __filtered AND (${failed}) THEN ${literal(`,${one.name}`)} ELSE '' END`,
    );
  });
  return found;
}

/** The problem of a value that is not of the type that is wanted, but of another where that is known. */
export function castFailed(field: string, type: FieldType, found?: FieldType): Computed['told'] {
  const wanted = found === undefined ? type.glue : `${type.glue} but ${found.glue}`;
  return (from) => problem('CAST_FAILED', field, { value: from, type: wanted });
}
