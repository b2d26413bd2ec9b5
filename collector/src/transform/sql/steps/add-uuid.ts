// add_uuid: a UUID (version 8, RFC 9562) of where the record stands in Kafka and of its timestamp, so that
// the same record has the same one whenever it is read.
import type { Step } from '../../../step-config.ts';
import { literal } from '../types.ts';
import { type PlannedStep, rowStep, type Scope, sure, TEXT, withColumns } from './step.ts';

export function planAddUuid({ column }: Extract<Step, { kind: 'add_uuid' }>, scope: Scope): PlannedStep {
  if (scope.has(column)) scope.problem(`add_uuid: '${column}' is a column already`);
  const computed = {
    ...sure(
      column,
      `md5(concat_ws(' ', ${literal(scope.topic)}, _partition, _offset, epoch_us(_timestamp)${scope.rowPath}))`,
    ),
    value: (from: string) => uuidOf(from),
  };
  return rowStep(withColumns(scope.fields, [{ name: column, type: TEXT, computed }]));
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
