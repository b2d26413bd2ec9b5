// resolve_choice: columns that are of one of several types from record to record, as AWS Glue resolves them.
// `cast` makes one type of all, exactly or not at all; `project` keeps the values of one type and is NULL for
// the others, which it counts.
import type { StepOf } from '../../../step-config.ts';
import { convert } from '../convert.ts';
import { type ChoiceType, identifier, literal, structOf } from '../types.ts';
import {
  castFailed,
  type Field,
  kept,
  type Made,
  type PlannedStep,
  rowStep,
  type Scope,
  sure,
} from './step.ts';

type Choices = StepOf<'resolve_choice'>;

export function planResolveChoice({ choices }: Choices, scope: Scope): PlannedStep {
  for (const { field } of choices) scope.find(field);
  const made = scope.fields.flatMap((field): Made[] => {
    const action = choices.find((choice) => choice.field === field.name)?.action;
    if (action === undefined) return [kept(field)];
    if (field.type.kind !== 'choice') {
      scope.problem(`resolve_choice: '${field.name}' is ${field.type.glue} and no choice<...>`);
      return [kept(field)];
    }
    return resolve({ ...field, type: field.type }, action, scope);
  });
  return rowStep(made);
}

type ChoiceField = Field & { readonly type: ChoiceType };

function resolve(field: ChoiceField, action: string, scope: Scope): Made[] {
  const [, verb = action, wanted = ''] = /^(cast|project):(.*)$/.exec(action) ?? [];
  if (verb === 'make_struct') return [makeStruct(field)];
  if (verb === 'make_cols')
    return field.type.members.map(({ name, type }) => ({
      name: `${field.name}_${name}`,
      type,
      computed: sure(field.name, member(field, name)),
    }));
  return [verb === 'cast' ? castAll(field, wanted, scope) : project(field, wanted, scope)];
}

function member({ name }: Field, of: string): string {
  return `struct_extract(${identifier(name)}, ${literal(of)})`;
}

function makeStruct(field: ChoiceField): Made {
  const parts = field.type.members.map(({ name, type }) => ({ source: name, type }));
  return { name: field.name, type: structOf(parts) ?? field.type, of: field };
}

function castAll(field: ChoiceField, wanted: string, scope: Scope): Made {
  const type = scope.type(wanted, field.name);
  const members = field.type.members.map(({ name, type: from }) => {
    const conversion = convert(from, type);
    if (conversion === undefined)
      scope.problem(`resolve_choice: '${field.name}': ${from.glue} does not convert to ${wanted}`);
    return { sql: member(field, name), value: (x: string) => x, fails: () => 'false', ...conversion };
  });
  const computed = {
    from: identifier(field.name),
    value: () => `coalesce(${members.map(({ sql, value }) => value(sql)).join(', ')})`,
    fails: (_from: string, to: string) => {
      const failed = members.flatMap(({ sql, fails }) => {
        const condition = fails(sql, to);
        return condition === 'false' ? [] : [`(${sql} IS NOT NULL AND ${condition})`];
      });
      return failed.length === 0 ? 'false' : `(${failed.join(' OR ')})`;
    },
    told: () =>
      castFailed(field.name, type)(`coalesce(${members.map(({ sql }) => `${sql}::VARCHAR`).join(', ')})`, ''),
    onError: 'quarantine' as const,
    name: field.name,
  };
  return { name: field.name, type, computed };
}

function project(field: ChoiceField, wanted: string, scope: Scope): Made {
  const type = scope.type(wanted, field.name);
  const found = field.type.members.find((one) => one.type.glue === type.glue);
  if (found === undefined)
    scope.problem(`resolve_choice: '${field.name}' is ${field.type.glue}, of which ${wanted} is no part`);
  const computed = {
    from: identifier(field.name),
    value: () => member(field, found?.name ?? ''),
    fails: (from: string, to: string) => `(${from} IS NOT NULL AND ${to} IS NULL)`,
    told: () => 'NULL',
    onError: 'null' as const,
    name: field.name,
  };
  return { name: field.name, type, computed };
}
