// apply_mapping: AWS Glue's quadruples. Each column is one of before under its new name and type; a value
// that the type does not hold exactly goes to quarantine, or is NULL and counted where the mapping says so.
import type { StepOf } from '../../../step-config.ts';
import { convert } from '../convert.ts';
import { surelyCasts } from '../plain-forms.ts';
import { castFailed, type Made, type PlannedStep, rowStep, type Scope, TEXT } from './step.ts';

type ApplyMapping = StepOf<'apply_mapping'>;

export function planApplyMapping({ mappings }: ApplyMapping, scope: Scope): PlannedStep {
  return rowStep(mappings.map((mapping) => planMapping(mapping, scope)));
}

function planMapping(mapping: ApplyMapping['mappings'][number], scope: Scope): Made {
  const { source, sourceType, target, targetType, onError = 'quarantine' } = mapping;
  const from = scope.find(source);
  const declared = scope.type(sourceType, source);
  if (declared.duckdb !== from.type.duckdb && from.type !== TEXT)
    scope.problem(`apply_mapping reads '${source}' as ${sourceType}, and it is ${from.type.glue}`);
  const to = { name: target, type: scope.type(targetType, target) };
  const conversion = convert(from.type, to.type);
  if (conversion === undefined)
    scope.problem(`'${source}': ${from.type.glue} does not convert to ${targetType}`);
  if (conversion === undefined || from.type.duckdb === to.type.duckdb) return { ...to, of: from };
  const { value, fails } = conversion;
  const told = castFailed(source, to.type, from.type);
  const form = surelyCasts(from.type, to.type);
  const wants = form === undefined ? undefined : { column: from.name, form };
  return { ...to, computed: { from: scope.column(from), value, fails, told, onError, wants, name: target } };
}
