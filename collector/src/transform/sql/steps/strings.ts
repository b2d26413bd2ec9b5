// concat, split_string and regex_extract: texts out of texts. A text without the wanted parts goes to
// quarantine, or its columns are NULL and counted.
import type { OnError, StepOf } from '../../../step-config.ts';
import { convert } from '../convert.ts';
import { problem } from '../problems.ts';
import { arrayOf, literal } from '../types.ts';
import {
  type Field,
  type Made,
  type PlannedStep,
  rowStep,
  type Scope,
  sure,
  TEXT,
  withColumns,
} from './step.ts';

/** A column as text; a problem where it has none. */
export function textOf(field: Field, scope: Scope): string {
  const sql = scope.column(field);
  if (field.type.kind === 'string') return sql;
  const conversion = convert(field.type, TEXT);
  if (conversion === undefined)
    scope.problem(`${scope.step}: '${field.name}' is ${field.type.glue} and no text`);
  return conversion?.value(sql) ?? sql;
}

export function planConcat({ column, fields, separator }: StepOf<'concat'>, scope: Scope): PlannedStep {
  const parts = fields.map((name) => textOf(scope.find(name), scope));
  const joined = `concat_ws(${[literal(separator), ...parts].join(', ')})`;
  return rowStep(withColumns(scope.fields, [{ name: column, type: TEXT, computed: sure(column, joined) }]));
}

export function planSplitString({ field, separator, to }: StepOf<'split_string'>, scope: Scope): PlannedStep {
  const text = textOf(scope.find(field), scope);
  const parts = `string_split(${text}, ${literal(separator)})`;
  if ('column' in to) {
    const type = arrayOf(TEXT) ?? TEXT;
    const computed = sure(to.column, parts);
    return rowStep(withColumns(scope.fields, [{ name: to.column, type, computed }]));
  }
  const { into, onError } = to;
  const wanted = `${into.length} parts between '${separator}'`;
  const fails = `(${text} IS NOT NULL AND len(${parts}) <> ${into.length})`;
  return parted(scope, into, { text, field, wanted, onError, fails, part: (i) => `${parts}[${i + 1}]` });
}

export function planRegexExtract(step: StepOf<'regex_extract'>, scope: Scope): PlannedStep {
  const { field, into, onError } = step;
  const text = textOf(scope.find(field), scope);
  const pattern = literal(step.pattern);
  scope.check(
    `SELECT regexp_extract('', ${pattern}, ${into.length}) IS NOT NULL`,
    `regex_extract: '${step.pattern}' is no pattern with ${into.length} groups`,
  );
  const groups = step.pattern.replace(/\\./gs, '').match(/\((?!\?)|\(\?P?</g)?.length ?? 0;
  if (groups < into.length)
    scope.problem(`regex_extract: '${step.pattern}' has ${groups} groups for ${into.length} columns`);
  const fails = `(${text} IS NOT NULL AND NOT regexp_matches(${text}, ${pattern}))`;
  const wanted = `text with ${step.pattern}`;
  const part = (i: number) =>
    `CASE WHEN ${text} IS NOT NULL THEN regexp_extract(${text}, ${pattern}, ${i + 1}) END`;
  return parted(scope, into, { text, field, wanted, onError, fails, part });
}

interface Parts {
  readonly text: string;
  readonly field: string;
  readonly wanted: string;
  readonly onError: OnError;
  /** SQL that is true where the text has not all of them. */
  readonly fails: string;
  part(i: number): string;
}

/** A column for each part of one text. */
function parted(scope: Scope, into: readonly string[], parts: Parts): PlannedStep {
  const { text, field, wanted, onError } = parts;
  const made = into.map((name, i): Made => {
    const computed = {
      from: text,
      value: () => parts.part(i),
      fails: () => parts.fails,
      told: () => problem('SPLIT_FAILED', field, { value: text, type: wanted }),
      onError,
      name,
    };
    return { name, type: TEXT, computed };
  });
  return rowStep(withColumns(scope.fields, made));
}
