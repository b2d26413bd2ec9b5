// The steps of a table, as they are written in collector.yaml: named as AWS Glue names them where Glue has
// them, and run in the order written. What `describe` says is the reference in docs/config.md; what a step
// makes of the columns is decided in transform/sql/steps.
import { z } from 'zod';
import { compute, reshape, texts } from './step-columns.ts';
import { privacy, times } from './step-hiding.ts';
import { numbers } from './step-numbers.ts';
import { rows, windowWise } from './step-rows.ts';
import { name, names } from './step-values.ts';
import { explodesArrays } from './table-input.ts';
import type { TableConfig } from './tables.ts';

export type { PiiEntity } from './step-hiding.ts';
export { columnType, type OnError, plainType } from './step-values.ts';

const outputName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,99}$/, 'lower-case letters, digits and underscore, starting with a letter')
  .refine((output) => !['rows', 'quarantine'].includes(output), 'rows and quarantine are taken')
  .describe('The rows are in the table `<table>_<output>`');

/** Steps of a way of their own; `Step[]`, which cannot be said here without going round in a circle. */
const ownSteps = z
  .lazy((): z.ZodType<readonly unknown[]> => z.array(stepSchema))
  .default([])
  .describe('Steps of these rows alone, as `steps`');

const branches = [
  z
    .strictObject({
      split_rows: z
        .array(
          z.strictObject({
            output: outputName,
            when: name().describe('SQL condition; the first that holds decides'),
            steps: ownSteps,
          }),
        )
        .min(1)
        .describe('Rows go to tables of their own; those that meet no condition stay in this one'),
    })
    .transform(({ split_rows: splits }) => ({ kind: 'split_rows' as const, splits })),
  z
    .strictObject({
      relationalize: names().describe(
        'Arrays and maps, with dots also those inside, that become tables `<table>_<name>`; structs become columns',
      ),
    })
    .transform(({ relationalize: fields }) => ({ kind: 'relationalize' as const, fields })),
] as const;

export const stepSchema = z.union([
  ...reshape,
  ...compute,
  ...texts,
  ...times,
  ...numbers,
  ...privacy,
  ...rows,
  ...branches,
  ...windowWise,
]);

/** A step of a table, compiled: `kind` names it. */
export type Step = z.output<typeof stepSchema>;

export type StepOf<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;

const MULTIPLYING: readonly Step['kind'][] = ['explode', 'unpivot', 'split_rows', 'relationalize'];

/** Whether a record may have other than one row in one table. */
export function isPlural({ input, steps }: Pick<TableConfig, 'input' | 'steps'>): boolean {
  return explodesArrays(input) || steps.some(({ kind }) => MULTIPLYING.includes(kind));
}

/** Whether each row is of one record, and each record has at most one. */
export function rowsAreRecords(table: Pick<TableConfig, 'input' | 'steps'>): boolean {
  return !isPlural(table) && !isGrouped(table.steps);
}

/** Whether some rows stand for groups of records: they cannot say of which record they are. */
export function isGrouped(steps: readonly Step[]): boolean {
  return steps.some((step) => {
    if (step.kind === 'split_rows')
      return step.splits.some(({ steps: own }) => isGrouped(own as readonly Step[]));
    return ['aggregate', 'pivot', 'sql'].includes(step.kind);
  });
}

/** The outputs beside the table itself and its quarantine. */
export function outputNames(steps: readonly Step[]): readonly string[] {
  return steps.flatMap((step) => {
    if (step.kind === 'relationalize') return step.fields.map((path) => path.replaceAll('.', '_'));
    if (step.kind !== 'split_rows') return [];
    return step.splits.flatMap(({ output, steps: own }) => [output, ...outputNames(own as readonly Step[])]);
  });
}

/** All outputs of a table. */
export function allOutputs({ steps }: { readonly steps: readonly Step[] }): readonly string[] {
  return ['rows', 'quarantine', ...outputNames(steps)];
}

/** Files that lookups name. */
export function referenceFiles(steps: readonly Step[]): readonly string[] {
  return steps.flatMap((step) => {
    if (step.kind === 'lookup') return [step.file];
    return step.kind === 'split_rows'
      ? step.splits.flatMap((split) => referenceFiles(split.steps as readonly Step[]))
      : [];
  });
}

/** As the config writes them. */
export const STEP_NAMES: readonly string[] = stepSchema.options.flatMap((option) =>
  Object.keys(option.def.in.shape),
);
