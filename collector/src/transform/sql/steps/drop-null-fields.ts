// drop_null_fields: a table's columns are declared, so that a column of nothing but NULLs is one that nobody
// declares. What is left of AWS Glue's transform is inside the values: nulls leave arrays and maps, and texts
// that stand for nothing become NULL, by name.
import type { StepOf } from '../../../step-config.ts';
import { literal } from '../types.ts';
import { type Field, type Made, type PlannedStep, rowStep, type Scope, sure, withColumns } from './step.ts';

export function planDropNullFields(
  { fields, asNull }: StepOf<'drop_null_fields'>,
  scope: Scope,
): PlannedStep {
  const made = fields.map((name): Made => {
    const field = scope.find(name);
    return { ...field, computed: sure(name, withoutNulls(field, asNull, scope)) };
  });
  return rowStep(withColumns(scope.fields, made));
}

function withoutNulls(field: Field, asNull: readonly string[], scope: Scope): string {
  const sql = scope.column(field);
  if (field.type.kind === 'array') return `list_filter(${sql}, lambda __x: __x IS NOT NULL)`;
  if (field.type.kind === 'map')
    return `map_from_entries(list_filter(map_entries(${sql}), lambda __x: __x.value IS NOT NULL))`;
  if (field.type.kind !== 'string' || asNull.length === 0)
    scope.problem(
      `drop_null_fields: '${field.name}' is ${field.type.glue}: arrays and maps lose nulls, texts with 'as_null'`,
    );
  return `CASE WHEN ${sql} IN (${['NULL', ...asNull.map(literal)].join(', ')}) THEN NULL ELSE ${sql} END`;
}
