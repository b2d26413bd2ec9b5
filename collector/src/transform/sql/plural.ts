// Tables of which a record has several rows, or rows in several tables: a record is all its rows, so that one
// that fails takes the others with it. Each chunk is made whole in tables of its own, then each record is
// judged once, and only then are rows staged.
import type { FieldPlan } from './fields.ts';
import type { Pipe, PlannedOutput } from './pipes.ts';
import type { WantedForms } from './plain-forms.ts';
import { columns, type Field, type InsertForm, type Place, type PlannedStep } from './steps/step.ts';

export interface Layers {
  readonly layers: readonly string[];
  /** The layer that the next one reads. */
  readonly last: string;
}

interface Stepping {
  readonly steps: readonly PlannedStep[];
  readonly from: string;
  readonly form: InsertForm;
  readonly carry: Place['carry'];
  readonly keepsDeleted: boolean;
  /** What is known of the values that the first step reads. */
  readonly held?: WantedForms | undefined;
}

export function stepLayers({ steps, from, form, carry, keepsDeleted, held }: Stepping): Layers {
  let last = from;
  const layers = steps.flatMap((step, index) => {
    const name = `step${index}`;
    const known = index === 0 ? held : undefined;
    const own = step.layers({ from: last, name, form, carry, keepsDeleted, held: known });
    last = name;
    return own;
  });
  return { layers, last };
}

export interface PluralParts {
  readonly plan: FieldPlan;
  /** Layers that end in `read`. */
  readonly input: readonly string[];
  readonly form: InsertForm;
  readonly carry: Place['carry'];
  /** What an output asks of its rows. */
  finish(from: string, output: PlannedOutput): Layers;
  readonly keepsDeleted: boolean;
  readonly metadata: readonly string[];
  /** SQL of the record as it was. */
  readonly raw: string;
}

/** Those that may fail come first and leave nothing that counts. */
export function pluralStatements(parts: PluralParts): string[] {
  const { plan } = parts;
  return [
    ...plan.pipes.map((pipe) => layDown(parts, pipe)),
    verdicts(parts),
    ...plan.outputs.map((output) => stage(parts, output)),
    stageLost(parts),
  ];
}

const made = (output: string) => `made_${output}`;

function layDown(parts: PluralParts, { from, steps, to, fields }: Pipe): string {
  const { plan, input, form, carry, finish, keepsDeleted } = parts;
  const read =
    from === undefined
      ? input
      : [`read AS (SELECT ${carry()}${columns(from.fields)} FROM ${from.table} WHERE ${from.where})`];
  const stepped = stepLayers({ steps, from: 'read', form, carry, keepsDeleted });
  const output = 'output' in to ? plan.outputs.find(({ name }) => name === to.output) : undefined;
  const end = output === undefined ? { layers: [], last: stepped.last } : finish(stepped.last, output);
  const layers = [...read, ...stepped.layers, ...end.layers];
  const table = 'output' in to ? made(to.output) : to.table;
  const what = 'output' in to ? ownColumns(parts, fields) : '*';
  return `CREATE OR REPLACE TEMP TABLE ${table} AS\nWITH ${layers.join(',\n')}\nSELECT ${what} FROM ${end.last}`;
}

/** What is asked of an output's rows later: of the record's bytes those that its first row has. */
function ownColumns({ plan, metadata, raw }: PluralParts, fields: readonly Field[]): string {
  const nulled = plan.nulls ? ['__nulled'] : [];
  const known = [...metadata, ...nulled, '__id', '__nth', '__problem', '__filtered'];
  return `${known.join(', ')}, CASE WHEN __value IS NOT NULL THEN ${raw} END AS __raw${columns(fields)}`;
}

/** One row for each record: what is wrong with the first of its bad rows, and whether no row is left. */
function verdicts({ plan, metadata }: PluralParts): string {
  const each = plan.outputs.map(
    ({ name }) => `SELECT __id, __nth, ${metadata.join(', ')}, __problem, __filtered FROM ${made(name)}`,
  );
  const known = metadata.map((name) => `any_value(${name}) AS ${name}`);
  const first = "min({'n': __nth, 'p': __problem}) FILTER (__problem IS NOT NULL).p";
  return (
    `CREATE OR REPLACE TEMP TABLE verdict AS SELECT __id, ${known.join(', ')}, ${first} AS problem, ` +
    `bool_and(__filtered) AS filtered FROM (\n${each.join('\nUNION ALL ')}\n) GROUP BY __id`
  );
}

function stage({ plan, metadata }: PluralParts, { name, staged, tables }: PlannedOutput): string {
  const own = ['__id', ...staged.map((field) => `"${field.name.replaceAll('"', '""')}"`)];
  const nulled = plan.nulls ? ['__nulled'] : [];
  const into = [...metadata, ...nulled, ...own, '_row', '__problem', '__filtered'];
  const values = [...metadata, ...nulled, ...own].map((column) => `made.${column}`);
  const row = '(row_number() OVER (PARTITION BY made.__id ORDER BY made.__nth) - 1)::INTEGER';
  return (
    `INSERT INTO ${tables[0]} (${into.join(', ')})\nSELECT ${values.join(', ')}, ${row}, NULL, false ` +
    `FROM ${made(name)} AS made JOIN verdict USING (__id) WHERE problem IS NULL AND NOT made.__filtered ` +
    'ORDER BY made.__id, made.__nth'
  );
}

/** Records without rows stand beside the table's own; the first row of one has its bytes. */
function stageLost({ plan, metadata }: PluralParts): string {
  const bad = '(SELECT __id FROM verdict WHERE problem IS NOT NULL)';
  const bytes = plan.outputs.map(
    ({ name }) => `SELECT __id, __raw AS raw FROM ${made(name)} WHERE __raw IS NOT NULL AND __id IN ${bad}`,
  );
  const known = metadata.join(', ');
  return (
    `INSERT INTO staged (${known}, __problem, __filtered, __raw, __id)\n` +
    `SELECT ${known}, problem, problem IS NULL, raw, __id FROM verdict ` +
    `LEFT JOIN (SELECT __id, any_value(raw) AS raw FROM (\n${bytes.join('\nUNION ALL ')}\n) GROUP BY __id) ` +
    'USING (__id) WHERE problem IS NOT NULL OR filtered'
  );
}
