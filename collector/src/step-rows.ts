// Steps that make several rows of one, or look at all rows of a window. Part of step-config.ts.
import { z } from 'zod';
import { name, names, plainType } from './step-values.ts';

export const rows = [
  z
    .strictObject({
      explode: z
        .strictObject({
          field: name().describe('Column, an array or a map'),
          column: name()
            .optional()
            .describe('Column of an element, or of a map’s value; else as the array, or value'),
          key: name().optional().describe('Column of a map’s key; else key'),
          position: name().optional().describe('Column to add: where the element stood, from 0'),
          outer: z
            .boolean()
            .default(false)
            .describe('Keeps a record with nothing to explode, with NULLs; else it is filtered'),
        })
        .describe('A row for each element'),
    })
    .transform(({ explode }) => ({ kind: 'explode' as const, ...explode, position: explode.position })),
  z
    .strictObject({ unnest: names().describe('Structs that become columns, named struct_field') })
    .transform(({ unnest: fields }) => ({ kind: 'unnest' as const, fields })),
  z
    .strictObject({
      unpivot: z
        .strictObject({
          fields: names().describe('Columns, all of one type'),
          name: name().describe('Column of their names'),
          value: name().describe('Column of their values'),
          keep_nulls: z.boolean().default(false).describe('A row for a NULL as well'),
        })
        .describe('A row for each of several columns'),
    })
    .transform(({ unpivot: { keep_nulls: keepNulls, ...rest } }) => ({
      kind: 'unpivot' as const,
      ...rest,
      keepNulls,
    })),
] as const;

const measure = z.enum(['sum', 'count', 'min', 'max', 'avg']);
export const windowWise = [
  z
    .strictObject({
      drop_duplicates: z
        .strictObject({
          keys: names().describe('Columns that are equal in duplicates; NULL equals NULL'),
          keep: z.enum(['first', 'last']).default('first').describe('Which of them stays'),
          order_by: name()
            .optional()
            .describe('Column that orders them; else timestamp, partition and offset'),
        })
        .describe('One row for each key of a window; the records of the others are merged'),
    })
    .transform(({ drop_duplicates: { order_by: orderBy, ...rest } }) => ({
      kind: 'drop_duplicates' as const,
      ...rest,
      orderBy,
    })),
  z
    .strictObject({
      aggregate: z
        .strictObject({
          by: names().describe('Columns of a group'),
          measures: z
            .array(
              z.strictObject({
                column: name().describe('Column to make'),
                function: measure.describe('What is computed of each group'),
                field: name().optional().describe('Column that is looked at; count counts rows without it'),
              }),
            )
            .min(1)
            .describe('Columns of each group'),
        })
        .describe('One row for each group of a window, to be added up across windows; records are merged'),
    })
    .transform(({ aggregate }) => ({ kind: 'aggregate' as const, ...aggregate })),
  z
    .strictObject({
      pivot: z
        .strictObject({
          by: names().describe('Columns of a group'),
          name: name().describe('Column whose values become columns'),
          value: name().describe('Column of what stands in them'),
          columns: z.record(z.string(), name()).describe('Value: the column that it becomes'),
          function: z
            .enum(['first', 'sum', 'min', 'max', 'count'])
            .default('first')
            .describe('Where there are several'),
        })
        .describe('One row for each group of a window, with a column for each value'),
    })
    .transform(({ pivot: { columns, ...rest } }) => ({
      kind: 'pivot' as const,
      ...rest,
      columns: Object.entries(columns).map(([value, column]) => ({ value, column })),
    })),
  z
    .strictObject({
      evaluate_data_quality: z
        .strictObject({
          rules: z
            .array(
              z.union([
                z.strictObject({ complete: name().describe('Column without NULL') }),
                z.strictObject({
                  unique: names().describe('Columns of which no values come twice in a window, NULL apart'),
                }),
                z.strictObject({
                  range: z
                    .strictObject({
                      column: name().describe('Column whose values lie between'),
                      min: z.union([z.number(), z.string()]).optional().describe('The least that may be'),
                      max: z.union([z.number(), z.string()]).optional().describe('The most that may be'),
                    })
                    .describe('Values lie between two'),
                }),
                z.strictObject({
                  matches: z
                    .strictObject({
                      column: name().describe('Text column'),
                      pattern: name().describe('Regular expression (RE2) of the whole text'),
                    })
                    .describe('Texts match a pattern'),
                }),
                z.strictObject({
                  rows: z
                    .strictObject({
                      min: z.int().min(0).optional().describe('The fewest rows of a window'),
                      max: z.int().min(0).optional().describe('The most rows of a window'),
                    })
                    .describe('How many rows a window has'),
                }),
                z.strictObject({
                  condition: name().describe('SQL condition that rows meet, or that is NULL'),
                }),
              ]),
            )
            .min(1)
            .describe('What rows must meet'),
          action: z
            .enum(['quarantine', 'fail', 'report'])
            .describe(
              'Records that break a rule go to quarantine; the window waits; or it is logged and counted',
            ),
        })
        .describe('Data quality rules, as in AWS Glue'),
    })
    .transform(({ evaluate_data_quality }) => ({
      kind: 'evaluate_data_quality' as const,
      ...evaluate_data_quality,
    })),
  z
    .strictObject({
      sql: z
        .strictObject({
          query: name().describe('One SELECT over `rows`, the good rows of a window'),
          columns: z.record(name(), name()).describe('Column: its type, which the query must give exactly'),
        })
        .describe('The way out: SQL of your own over a window; its records are merged'),
    })
    .transform(({ sql: { query, columns } }) => ({
      kind: 'sql' as const,
      query,
      columns: Object.entries(columns).map(([column, type]) => ({ column, type: plainType(type) })),
    })),
] as const;
