// sql: the way out. One SELECT over the good rows of a window, called `rows`; what it gives must be of the
// types that the config declares. It sees that table and nothing else: no file, no setting, no key. The marks
// of deletions are not among the rows, as they are of no group: a count would take them for rows.
import type { StepOf } from '../../../step-config.ts';
import { DELETED } from '../metadata.ts';
import { GOOD } from '../partitions.ts';
import { identifier } from '../types.ts';
import { andNotDeleted, type PlannedStep, type Scope } from './step.ts';

export function planSql(step: StepOf<'sql'>, scope: Scope): PlannedStep {
  const query = scope.query(step.query);
  const fields = step.columns.map(({ column, type }) => ({ name: column, type: scope.type(type, column) }));
  const known = scope.ofRecords ? [...scope.places, '_timestamp'] : [];
  const seen = [...scope.fields.map(({ name }) => identifier(name)), ...known];
  const from = (table: string) =>
    `WITH rows AS (SELECT ${seen.join(', ')} FROM ${table} WHERE ${GOOD}${andNotDeleted(scope)}), __made AS (${query}\n)`;
  const types = fields.map(
    ({ name, type }) => `coalesce(typeof(any_value(${identifier(name)})), '') = typeof(NULL::${type.duckdb})`,
  );
  const declared = fields.map(({ name, type }) => `${name} ${type.glue}`).join(', ');
  return {
    fields,
    layers: () => [],
    windowWise: [
      {
        asserts: {
          sql: (table) => `${from(table)} SELECT ${types.join(' AND ')} AS holds FROM __made`,
          message: `sql: the query does not give the types that are declared: ${declared}`,
        },
        create: ({ from: table, to }) =>
          `CREATE OR REPLACE TEMP TABLE ${to} AS ${from(table)} SELECT ` +
          `${fields.map(({ name }) => identifier(name)).join(', ')}, NULL::VARCHAR AS __problem, ` +
          `false AS __filtered${scope.keepsDeleted ? `, false AS ${DELETED}` : ''} FROM __made`,
        ofRecords: false,
      },
    ],
  };
}
