// select_fields, drop_fields and rename_field: columns are kept, left out or named anew, and no value is
// looked at.
import type { StepOf } from '../../../step-config.ts';
import { kept, type Made, type PlannedStep, rowStep, type Scope } from './step.ts';

export function planSelectFields({ fields }: StepOf<'select_fields'>, scope: Scope): PlannedStep {
  return rowStep(fields.flatMap((name) => (scope.has(name) ? kept(scope.find(name)) : missing(name, scope))));
}

export function planDropFields({ fields }: StepOf<'drop_fields'>, scope: Scope): PlannedStep {
  for (const name of fields) scope.find(name);
  return rowStep(scope.fields.filter(({ name }) => !fields.includes(name)).map(kept));
}

export function planRenameField({ names }: StepOf<'rename_field'>, scope: Scope): PlannedStep {
  for (const { from } of names) scope.find(from);
  const renamed = scope.fields.map((field): Made => {
    const to = names.find(({ from }) => from === field.name)?.to;
    return { name: to ?? field.name, type: field.type, of: field };
  });
  return rowStep(renamed);
}

function missing(name: string, scope: Scope): Made[] {
  scope.find(name);
  return [];
}
