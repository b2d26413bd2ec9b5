// mask, partial_mask, redact and hash: what a reader of the lake may not see. NULL stays NULL. The key of a
// hash is read from its file when a window opens and stands in no SQL text: `explain` prints the name of a
// variable.
import type { StepOf } from '../../../step-config.ts';
import { literal } from '../types.ts';
import { type Made, type PlannedStep, rowStep, type Scope, sure, TEXT, withColumns } from './step.ts';
import { textOf } from './strings.ts';

/** Each of these columns as a text of `hidden`. */
function hide(fields: readonly string[], scope: Scope, hidden: (text: string) => string): PlannedStep {
  const made = fields.map((name): Made => {
    const text = textOf(scope.find(name), scope);
    return { name, type: TEXT, computed: sure(name, hidden(text)) };
  });
  return rowStep(withColumns(scope.fields, made));
}

export function masked(text: string, character: string): string {
  return `repeat(${literal(character)}, length(${text}))`;
}

export function planMask({ fields, character }: StepOf<'mask'>, scope: Scope): PlannedStep {
  return hide(fields, scope, (text) => masked(text, character));
}

export function planPartialMask(step: StepOf<'partial_mask'>, scope: Scope): PlannedStep {
  const { fields, keepFirst, keepLast, character } = step;
  const middle = (text: string) => `repeat(${literal(character)}, length(${text}) - ${keepFirst + keepLast})`;
  const shown = (text: string) =>
    `substring(${text}, 1, ${keepFirst}) || ${middle(text)} || substring(${text}, length(${text}) - ${keepLast} + 1)`;
  return hide(
    fields,
    scope,
    (text) =>
      `CASE WHEN length(${text}) > ${keepFirst + keepLast} THEN ${shown(text)} ELSE ${masked(text, character)} END`,
  );
}

export function planRedact({ fields, text: instead }: StepOf<'redact'>, scope: Scope): PlannedStep {
  return hide(fields, scope, (text) => `CASE WHEN ${text} IS NOT NULL THEN ${literal(instead)} END`);
}

export function planHash({ fields, keyFile }: StepOf<'hash'>, scope: Scope): PlannedStep {
  const key = scope.secret(keyFile);
  return hide(fields, scope, (text) => hmac(text, key));
}

/** HMAC-SHA-256 (RFC 2104) in hex; the key's two halves are padded already. */
export function hmac(text: string, key: { readonly inner: string; readonly outer: string }): string {
  return `sha256(${key.outer} || unhex(sha256(${key.inner} || encode(${text}))))`;
}
