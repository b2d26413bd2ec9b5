// filter: a record whose condition is false or NULL is filtered. One that failed before is quarantined
// whatever the condition says, and so is one for which it cannot be evaluated.
import type { StepOf } from '../../../step-config.ts';
import { DELETED } from '../metadata.ts';
import { problem } from '../problems.ts';
import { columns, type Place, type PlannedStep, type Scope } from './step.ts';

export function planFilter(step: StepOf<'filter'>, scope: Scope): PlannedStep {
  const { fields } = scope;
  const expression = scope.expression(step.expression);
  return { fields, layers: (at) => filterLayers(expression, columns(fields), at), mayThrow: true };
}

function filterLayers(condition: string, fields: string, at: Place): string[] {
  // What says that something was deleted has no values that a filter could judge.
  const expression = at.keepsDeleted ? `CASE WHEN ${DELETED} THEN true ELSE ${condition} END` : condition;
  if (at.form !== 'guarded') {
    const passes = `coalesce((${expression})::BOOLEAN, false)`;
    const filtered = `CASE WHEN __filtered OR __problem IS NOT NULL THEN __filtered ELSE NOT ${passes} END`;
    return [`${at.name} AS (SELECT ${at.carry({ filtered })}${fields} FROM ${at.from})`];
  }
  const tried = `TRY({'passes': (${expression})::BOOLEAN})`;
  const told = problem('FILTER_FAILED', '', { value: "''", type: 'filter' });
  const changed = {
    problem: `CASE WHEN __problem IS NULL AND NOT __filtered AND __tried IS NULL THEN ${told} ELSE __problem END`,
    filtered: '(__filtered OR (__tried IS NOT NULL AND NOT coalesce(__tried.passes, false)))',
  };
  const live = '__problem IS NULL AND NOT __filtered';
  return [
    `${at.name}tried AS (SELECT *, CASE WHEN ${live} THEN ${tried} END AS __tried FROM ${at.from})`,
    `${at.name} AS (SELECT ${at.carry(changed)}${fields} FROM ${at.name}tried)`,
  ];
}
