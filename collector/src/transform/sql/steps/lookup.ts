// lookup: columns of a reference file, found by key. The file is read when a window opens, so that the next
// window sees what changed. A key that the file has twice would make two rows of one: such a file stops the
// table.
import type { StepOf } from '../../../step-config.ts';
import { problem } from '../problems.ts';
import { identifier, isScalar } from '../types.ts';
import { andNotDeleted, columns, type Place, type PlannedStep, type Scope } from './step.ts';

type Lookup = StepOf<'lookup'>;

export function planLookup(step: Lookup, scope: Scope): PlannedStep {
  const { missing } = step;
  const keys = step.keys.map(({ column, of }) => ({ field: scope.find(column), of }));
  const found = step.columns.map(({ of, column, type: wanted }) => {
    const type = scope.type(wanted, column);
    if (!isScalar(type) || type.kind === 'binary')
      scope.problem(`lookup: '${column}' cannot be ${type.glue}`);
    if (scope.has(column)) scope.problem(`lookup: '${column}' is a column already`);
    return { of, name: column, type };
  });
  for (const { field } of keys)
    if (!isScalar(field.type) || field.type.kind === 'binary')
      scope.problem(`lookup: '${field.name}' is ${field.type.glue} and no key`);
  const table = scope.reference({
    file: step.file,
    keys: keys.map(({ field, of }) => ({ of, type: field.type })),
    columns: found.map(({ of, type }) => ({ of, type })),
  });
  const same = keys.map(({ field }, i) => `made.${identifier(field.name)} = ${table}.k${i}`).join(' AND ');
  const values = found.map(({ name }, i) => `, ${table}.c${i} AS ${identifier(name)}`).join('');
  const fields = [...scope.fields, ...found.map(({ name, type }) => ({ name, type }))];
  const shown = keys[0] === undefined ? "''" : identifier(keys[0].field.name);
  const told = problem('LOOKUP_MISSING', keys[0]?.field.name ?? '', {
    value: shown,
    type: 'in the reference file',
  });
  return {
    fields,
    layers: (at: Place) => [
      `${at.name}joined AS (SELECT made.*, ${table}.k0 IS NOT NULL AS __found${values} ` +
        `FROM ${at.from} AS made LEFT JOIN ${table} ON ${same})`,
      `${at.name} AS (SELECT ${at.carry(changedBy(at, missing, told))}${columns(fields)} FROM ${at.name}joined)`,
    ],
  };
}

/** The mark of a deletion has no key that a file could miss. */
function changedBy(at: Place, missing: Lookup['missing'], told: string) {
  const lost = `__problem IS NULL AND NOT __filtered AND NOT __found${andNotDeleted(at)}`;
  if (missing === 'null') return {};
  if (missing === 'filter') return { filtered: `__filtered OR (${lost})` };
  return { problem: `CASE WHEN ${lost} THEN ${told} ELSE __problem END` };
}
