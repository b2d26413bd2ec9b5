// add_uuid: a UUID (version 8, RFC 9562) of where the record stands in Kafka and of its timestamp, so that
// the same record has the same one whenever it is read.
import type { StepOf } from '../../../step-config.ts';
import { type PlannedStep, rowStep, type Scope, sure, TEXT, withColumns } from './step.ts';

export function planAddUuid({ column }: StepOf<'add_uuid'>, scope: Scope): PlannedStep {
  if (scope.has(column)) scope.problem(`add_uuid: '${column}' is a column already`);
  const computed = sure(column, uuidOfRow(scope.topic, scope.rowPath));
  return rowStep(withColumns(scope.fields, [{ name: column, type: TEXT, computed }]));
}

/** SQL of the UUID; `topic` is SQL, too; `rowPath`, behind a comma, tells rows of one record apart. */
export function uuidOfRow(topic: string, rowPath: string): string {
  const digest = `md5(concat_ws(' ', ${topic}, _partition, _offset, epoch_us(_timestamp)${rowPath}))`;
  return `list_transform([${digest}], lambda __d: ${uuidOf('__d')})[1]`;
}

/** 32 digits in hex with version and variant set. */
function uuidOf(digest: string): string {
  const part = (from: number, length: number) => `substr(${digest}, ${from}, ${length})`;
  const variant = `substr('89ab89ab89ab89ab', strpos('0123456789abcdef', ${part(17, 1)}), 1)`;
  return [
    part(1, 8),
    "'-'",
    part(9, 4),
    "'-8'",
    part(14, 3),
    "'-'",
    variant,
    part(18, 3),
    "'-'",
    part(21, 12),
  ].join(' || ');
}
