// What no file and no path can hold, in columns that a step over the whole window has made: such a row is of
// no single record that could go to quarantine. It holds the window, by name, and is written nowhere; a time
// out of a partition's bounds is only reported, since one clock that was never set may not stop a table.
import type { TableConfig } from '../../contracts.ts';
import type { WindowStatement } from './outputs.ts';
import { GOOD, longPartition, longTexts, timeOutOfBounds } from './partitions.ts';
import type { Field } from './steps/step.ts';
import { identifier } from './types.ts';

/** `made`: columns of `from` whose values no record was asked about; none where rows are of records. */
export function groupChecks(table: TableConfig, made: readonly Field[], from: string): WindowStatement[] {
  const among = (where: string) => `FROM ${from} WHERE ${GOOD} AND coalesce(${where}, false)`;
  const lines = table.output.kind === 'csv' ? brokenLines(made) : [];
  const longValues = table.partitionBy.flatMap((spec) => longPartition(spec, made));
  const outOfBounds = table.partitionBy.flatMap((spec) => timeOutOfBounds(spec, made));
  return [
    ...[...lines, ...longTexts(made), ...longValues].map(({ where, told }) => {
      return { sql: `SELECT count(*) = 0 AS holds ${among(where)}`, asserts: told };
    }),
    ...outOfBounds.map(({ where, told }) => {
      return { sql: `SELECT count(*) ${among(where)}`, rule: told, action: 'report' as const };
    }),
  ];
}

/** Readers of CSV tables split at line breaks before they look at quotes. */
export function brokenLines(fields: readonly Field[]): { readonly where: string; readonly told: string }[] {
  return fields.flatMap(({ name, type }) => {
    if (type.kind !== 'string') return [];
    const text = identifier(name);
    return [
      {
        where: `(contains(${text}, chr(10)) OR contains(${text}, chr(13)))`,
        told: `a text of '${name}' holds a line break, which no reader of CSV tables takes: write Parquet or JSON`,
      },
    ];
  });
}
