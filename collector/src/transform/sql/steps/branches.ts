// split_rows and relationalize: rows that go to tables of their own, `<table>_<output>`, in the same window
// and the same ledger entry. A record that fails in one of them is quarantined and has no row in any.
import type { Step, StepOf } from '../../../step-config.ts';
import { problem } from '../problems.ts';
import { identifier } from '../types.ts';
import { uuidOfRow } from './add-uuid.ts';
import { exploded, flattened, LIVE, listOf } from './explode.ts';
import {
  type Branch,
  columns,
  type Field,
  kept,
  type Made,
  type PlannedStep,
  rowStep,
  type Scope,
  sure,
  TEXT,
} from './step.ts';

/** The first condition that a row meets decides; rows that meet none go on here. */
export function planSplitRows({ splits }: StepOf<'split_rows'>, scope: Scope): PlannedStep {
  const { fields } = scope;
  const conditions = splits.map(({ when }) => `(${scope.expression(when)})::BOOLEAN`);
  const branches = splits.map(({ output, steps }, i): Branch => {
    const planned = scope.plan(steps as readonly Step[], fields);
    return { output, where: `${LIVE} AND __route = ${i}`, fields, steps: planned };
  });
  const told = splits.map(({ output }, i) => {
    const type = `condition of split_rows for '${output}'`;
    return `WHEN ${thrown(i)} THEN ${problem('FILTER_FAILED', '', { value: "''", type })}`;
  });
  return {
    fields,
    branches,
    rest: '__route IS NULL',
    mayThrow: true,
    layers: (at) => {
      if (at.form !== 'guarded') {
        const cases = conditions.map((condition, i) => `WHEN ${condition} THEN ${i}`);
        const route = `CASE WHEN ${LIVE} THEN CASE ${cases.join(' ')} END END`;
        return [
          `${at.name} AS (SELECT ${at.carry()}${columns(fields)}, ${route} AS __route FROM ${at.from})`,
        ];
      }
      const tried = `CASE WHEN ${LIVE} THEN coalesce(${conditions.map(triedRoute).join(', ')}) END AS __tried`;
      const found = `CASE WHEN __tried < 0 THEN CASE __tried ${told.join(' ')} END ELSE __problem END`;
      const route = 'CASE WHEN __tried >= 0 THEN __tried END AS __route';
      return [
        `${at.name}tried AS (SELECT *, ${tried} FROM ${at.from})`,
        `${at.name} AS (SELECT ${at.carry({ problem: found })}${columns(fields)}, ${route} FROM ${at.name}tried)`,
      ];
    },
  };
}

/** What stands for the condition that cannot be evaluated, in place of a route. */
const thrown = (i: number) => -1 - i;

/** Its number where a row meets the condition, NULL where not: the next is asked then, and only then. */
function triedRoute(condition: string, i: number): string {
  const met = `TRY({'r': CASE WHEN ${condition} THEN ${i} END})`;
  return `coalesce(${met}, {'r': ${thrown(i)}}).r`;
}

export function planRelationalize({ fields }: StepOf<'relationalize'>, scope: Scope): PlannedStep {
  return relationalized(fields, scope, '');
}

/**
 * As in AWS Glue: structs become columns, and each array or map named becomes a table of its elements. Its
 * column holds what the elements have as relation_id.
 */
function relationalized(
  paths: readonly string[],
  scope: Pick<Scope, 'fields' | 'problem' | 'topic'>,
  prefix: string,
): PlannedStep {
  const inner = Map.groupBy(paths, (path) => path.split('.')[0] ?? '');
  const key = uuidOfRow(scope.topic, ', __nth::VARCHAR');
  const flat = rowStep(scope.fields.flatMap(({ name, type }) => flattened(name, type, identifier(name))));
  const lists = [...inner.keys()].flatMap((name) => {
    const field = flat.fields.find((one) => one.name === name);
    const list = field === undefined ? undefined : listOf(field);
    if (field === undefined || list === undefined)
      scope.problem(
        `relationalize: '${prefix}${name}' is ${field?.type.glue ?? 'no column'}, not an array or map`,
      );
    return field === undefined || list === undefined ? [] : [{ field, list }];
  });
  const made = flat.fields.map((field): Made => {
    if (!lists.some((one) => one.field.name === field.name)) return kept(field);
    const id = `CASE WHEN ${identifier(field.name)} IS NOT NULL THEN ${key} END`;
    return { name: field.name, type: TEXT, computed: sure(field.name, id) };
  });
  const outer = rowStep(made);
  const branches = lists.map(({ field, list }, i): Branch => {
    const name = `__l${i}`;
    const nested = (inner.get(field.name) ?? []).flatMap((path) => path.split('.').slice(1).join('.') || []);
    const steps = elementSteps({
      field: { ...field, name },
      list,
      nested,
      scope,
      prefix: `${prefix}${field.name}`,
    });
    const where = `${LIVE} AND len(${listOf({ ...field, name })?.sql}) > 0`;
    return {
      output: `${prefix}${field.name}`,
      where,
      fields: [
        { name: '__key', type: TEXT },
        { ...field, name },
      ],
      steps,
    };
  });
  const beside = lists.map(({ field }, i) => `, ${identifier(field.name)} AS __l${i}`).join('');
  return {
    fields: outer.fields,
    branches,
    multiplies: true,
    layers: (at) => {
      const flatLayers = flat.layers({ ...at, name: `${at.name}flat` });
      const named = outer.fields.map((field, i) => {
        const one = made[i];
        const sql =
          one !== undefined && 'computed' in one
            ? one.computed.value(one.computed.from)
            : identifier(field.name);
        return `, ${sql} AS ${identifier(field.name)}`;
      });
      return [
        ...flatLayers,
        `${at.name} AS (SELECT ${at.carry()}${named.join('')}, ${key} AS __key${beside} FROM ${at.name}flat)`,
      ];
    },
  };
}

interface Elements {
  readonly field: Field;
  readonly list: NonNullable<ReturnType<typeof listOf>>;
  readonly nested: readonly string[];
  readonly scope: Pick<Scope, 'problem' | 'topic'>;
  readonly prefix: string;
}

/** A row for each element: whose it is, where it stood, and what it holds. */
function elementSteps({ field, list, nested, scope, prefix }: Elements): PlannedStep[] {
  const whole = listOf(field);
  const parts = list.parts.map(({ type, of }, i) => ({ name: `__p${i}`, type, of }));
  const explode = exploded({
    list: whole?.sql ?? '[]',
    others: [{ name: '__key', type: TEXT }],
    made: parts,
    position: '__at',
    outer: false,
  });
  const int = explode.fields.at(-1) as Field;
  const names = field.type.kind === 'map' ? ['key', 'value'] : [''];
  const values = parts.flatMap(({ name, type }, i) => {
    const wanted = names[i] === '' && type.kind !== 'struct' ? 'value' : (names[i] ?? '');
    return flattened(wanted, type, identifier(name));
  });
  const row = rowStep([
    { name: 'relation_id', type: TEXT, of: { name: '__key', type: TEXT } },
    { name: 'relation_index', type: int.type, of: int },
    ...values,
  ]);
  if (nested.length === 0) return [explode, row];
  return [explode, row, relationalized(nested, { ...scope, fields: row.fields }, `${prefix}_`)];
}
