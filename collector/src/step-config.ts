// The steps of a table, as they are written in collector.yaml: named as AWS Glue names them where Glue has
// them, and run in the order written. What `describe` says is the reference in docs/config.md; what a step
// makes of the columns is decided in transform/sql/steps.
import { z } from 'zod';

const name = () => z.string().min(1);
const names = () => z.array(name()).min(1);
const FIELD = 'Column that is read';
const INTO = 'Column for what comes out; else the one that is read is replaced';

/** YAML reads a bare null as none. */
const onError = z
  .union([z.enum(['quarantine', 'null']), z.null()])
  .default('quarantine')
  .transform((action): OnError => action ?? 'null')
  .describe('A value that fails: the record goes to quarantine, or null: the value is NULL, and counted');

/** Behind a mapping's four. */
const mapping = z.tuple([name(), name(), name(), name(), onError.optional()]);

export type OnError = 'quarantine' | 'null';

const timeUnit = z.enum(['s', 'ms', 'us']).describe('What one stands for');
const zone = z
  .string()
  .regex(/^[A-Za-z0-9_+/-]{1,64}$/, 'the name of a time zone, such as Europe/Berlin')
  .optional()
  .describe('Time zone of the text, such as Europe/Berlin; else UTC');
const pattern = 'Pattern with letters (yyyy-MM-dd HH:mm:ss) or with percent signs (%Y-%m-%d %H:%M:%S)';

/** What a column is read as. */
export const columnType = z.union([
  name(),
  z.strictObject({ type: name().describe('Type of the column'), on_error: onError }),
]);

const reshape = [
  z
    .strictObject({
      apply_mapping: z
        .array(mapping)
        .min(1)
        .describe(
          'As in AWS Glue: [source, its type, column, its type]; dots reach into objects, the rest is dropped. A fifth, "null": a value that fails is NULL, and counted',
        ),
    })
    .transform(({ apply_mapping }) => ({
      kind: 'apply_mapping' as const,
      mappings: apply_mapping.map(([source, sourceType, target, targetType, onError]) => ({
        source,
        sourceType: plainType(sourceType),
        target,
        targetType: plainType(targetType),
        ...(onError === 'null' ? { onError } : {}),
      })),
    })),
  z
    .strictObject({ select_fields: names().describe('Keeps these columns, in this order') })
    .transform(({ select_fields: fields }) => ({ kind: 'select_fields' as const, fields })),
  z
    .strictObject({ drop_fields: names().describe('Drops these columns') })
    .transform(({ drop_fields: fields }) => ({ kind: 'drop_fields' as const, fields })),
  z
    .strictObject({ rename_field: z.record(name(), name()).describe('Old name: new name') })
    .transform(({ rename_field }) => ({
      kind: 'rename_field' as const,
      names: Object.entries(rename_field).map(([from, to]) => ({ from, to })),
    })),
  z
    .strictObject({
      resolve_choice: z
        .array(
          z.tuple([
            name(),
            z
              .string()
              .regex(
                /^(make_cols|make_struct|(cast|project):.+)$/,
                'cast:<type>, project:<type>, make_cols or make_struct',
              ),
          ]),
        )
        .min(1)
        .describe(
          'As in AWS Glue: [column of a choice<...> type, cast:<type>, project:<type>, make_cols or make_struct]',
        ),
    })
    .transform(({ resolve_choice }) => ({
      kind: 'resolve_choice' as const,
      choices: resolve_choice.map(([field, action]) => ({ field, action })),
    })),
  z
    .strictObject({
      drop_null_fields: z
        .strictObject({
          fields: names().describe('Columns that are looked into'),
          as_null: z
            .array(z.string())
            .default([])
            .describe('Texts that mean nothing, such as "" or "null": a text column holds NULL instead'),
        })
        .describe('Takes nulls out of arrays and maps, and makes NULL of texts that mean it'),
    })
    .transform(({ drop_null_fields: { fields, as_null } }) => ({
      kind: 'drop_null_fields' as const,
      fields,
      asNull: as_null,
    })),
] as const;

const compute = [
  z
    .strictObject({
      filter: name().describe('SQL condition on the columns; a record that does not meet it is filtered'),
    })
    .transform(({ filter: expression }) => ({ kind: 'filter' as const, expression })),
  z
    .strictObject({
      derive: z
        .array(
          z.strictObject({
            column: name().describe('Column to add, or to replace'),
            type: name().describe('Its type; the value must fit it exactly'),
            expression: name().describe('SQL expression of the columns'),
            on_error: onError,
          }),
        )
        .min(1)
        .describe('Columns computed from others, all at once: none sees another of the same list'),
    })
    .transform(({ derive }) => ({
      kind: 'derive' as const,
      columns: derive.map(({ type, on_error: onError, ...rest }) => ({
        ...rest,
        type: plainType(type),
        onError,
      })),
    })),
  z
    .strictObject({
      fill_missing: z
        .array(
          z.union([
            z.strictObject({
              column: name().describe('Column whose NULLs are filled'),
              value: z
                .union([z.string(), z.number(), z.boolean()])
                .transform(String)
                .describe('What stands there instead'),
            }),
            z.strictObject({
              column: name().describe('Column whose NULLs are filled'),
              expression: name().describe('SQL expression of what stands there instead'),
            }),
          ]),
        )
        .min(1)
        .describe('Something in place of NULL'),
    })
    .transform(({ fill_missing: fills }) => ({ kind: 'fill_missing' as const, fills })),
] as const;

const texts = [
  z
    .strictObject({
      concat: z
        .strictObject({
          column: name().describe('Column to add, or to replace'),
          fields: names().describe('Columns whose texts are joined; NULLs are left out'),
          separator: z.string().default('').describe('What stands between two of them'),
        })
        .describe('Joins texts'),
    })
    .transform(({ concat }) => ({ kind: 'concat' as const, ...concat })),
  z
    .strictObject({
      split_string: z
        .union([
          z.strictObject({
            field: name().describe(FIELD),
            separator: name().describe('What stands between two parts'),
            column: name().describe('Column of all parts, an array<string>'),
          }),
          z.strictObject({
            field: name().describe(FIELD),
            separator: name().describe('What stands between two parts'),
            into: names().describe('A column for each part'),
            on_error: onError,
          }),
        ])
        .describe('Splits a text'),
    })
    .transform(({ split_string: { field, separator, ...to } }) => ({
      kind: 'split_string' as const,
      field,
      separator,
      to: 'into' in to ? { into: to.into, onError: to.on_error } : { column: to.column },
    })),
  z
    .strictObject({
      regex_extract: z
        .strictObject({
          field: name().describe(FIELD),
          pattern: name().describe('Regular expression (RE2), found anywhere in the text'),
          into: names().describe('A column for each group of the pattern, in order; text'),
          on_error: onError,
        })
        .describe('Takes parts out of a text'),
    })
    .transform(({ regex_extract: { on_error: onError, ...rest } }) => ({
      kind: 'regex_extract' as const,
      ...rest,
      onError,
    })),
] as const;

const times = [
  z
    .strictObject({
      parse_timestamp: z
        .strictObject({
          field: name().describe(FIELD),
          column: name().optional().describe(INTO),
          patterns: names().describe(`${pattern}; the first that fits is taken`),
          zone,
          type: z.enum(['timestamp', 'date']).default('timestamp').describe('What comes out'),
          on_error: onError,
        })
        .describe('A text becomes a point in time'),
    })
    .transform(({ parse_timestamp: { on_error: onError, ...rest } }) => ({
      kind: 'parse_timestamp' as const,
      ...rest,
      onError,
    })),
  z
    .strictObject({
      from_epoch: z
        .strictObject({
          field: name().describe(FIELD),
          column: name().optional().describe(INTO),
          unit: timeUnit,
          on_error: onError,
        })
        .describe('A number since 1970 becomes a timestamp'),
    })
    .transform(({ from_epoch: { on_error: onError, ...rest } }) => ({
      kind: 'from_epoch' as const,
      ...rest,
      onError,
    })),
  z
    .strictObject({
      to_epoch: z
        .strictObject({
          field: name().describe(FIELD),
          column: name().optional().describe(INTO),
          unit: timeUnit,
        })
        .describe('A timestamp becomes a bigint since 1970; what is below the unit is cut off'),
    })
    .transform(({ to_epoch }) => ({ kind: 'to_epoch' as const, ...to_epoch })),
  z
    .strictObject({
      format_timestamp: z
        .strictObject({
          field: name().describe(FIELD),
          column: name().optional().describe(INTO),
          pattern: name().describe(pattern),
          zone,
        })
        .describe('A timestamp or date becomes a text'),
    })
    .transform(({ format_timestamp }) => ({ kind: 'format_timestamp' as const, ...format_timestamp })),
  z
    .strictObject({
      truncate_timestamp: z
        .strictObject({
          field: name().describe(FIELD),
          column: name().optional().describe(INTO),
          to: z
            .enum(['second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'])
            .describe('What begins at the timestamp that comes out; a week begins on Monday'),
          zone,
        })
        .describe('A timestamp is cut'),
    })
    .transform(({ truncate_timestamp }) => ({ kind: 'truncate_timestamp' as const, ...truncate_timestamp })),
] as const;

const character = z.string().length(1).default('*').describe('What stands for a hidden character');
const entity = z.enum(['email', 'phone', 'credit_card', 'ssn', 'ip', 'iban']);
export type PiiEntity = z.output<typeof entity>;

const privacy = [
  z
    .strictObject({
      add_uuid: z
        .strictObject({ column: name().describe('Column to add') })
        .describe('A UUID made of topic, partition and offset: the same whenever the record is read'),
    })
    .transform(({ add_uuid }) => ({ kind: 'add_uuid' as const, ...add_uuid })),
  z
    .strictObject({
      mask: z
        .strictObject({ fields: names().describe('Columns to hide'), character })
        .describe('Each character is hidden: only the length is left'),
    })
    .transform(({ mask }) => ({ kind: 'mask' as const, ...mask })),
  z
    .strictObject({
      partial_mask: z
        .strictObject({
          fields: names().describe('Columns to hide'),
          keep_first: z.int().min(0).max(1_000).default(0).describe('Characters that stay at the start'),
          keep_last: z.int().min(0).max(1_000).default(0).describe('Characters that stay at the end'),
          character,
        })
        .describe('The middle is hidden; of a text that is no longer than what stays, everything'),
    })
    .transform(({ partial_mask: { keep_first, keep_last, ...rest } }) => ({
      kind: 'partial_mask' as const,
      ...rest,
      keepFirst: keep_first,
      keepLast: keep_last,
    })),
  z
    .strictObject({
      redact: z
        .strictObject({
          fields: names().describe('Columns to hide'),
          text: z.string().default('[REDACTED]').describe('What stands there instead'),
        })
        .describe('A fixed text in place of each value'),
    })
    .transform(({ redact }) => ({ kind: 'redact' as const, ...redact })),
  z
    .strictObject({
      hash: z
        .strictObject({
          fields: names().describe('Columns to hide'),
          key: name().describe('File with the secret key, at least 16 bytes'),
        })
        .describe('HMAC-SHA-256 in hex: equal values stay equal, and nobody without the key can guess them'),
    })
    .transform(({ hash: { fields, key: keyFile } }) => ({ kind: 'hash' as const, fields, keyFile })),
  z
    .strictObject({
      detect_pii: z
        .strictObject({
          fields: names().describe('Text columns that are looked through'),
          entities: z
            .array(entity)
            .min(1)
            .default([...entity.options])
            .describe('What is looked for; card numbers must pass Luhn’s check, IBANs theirs'),
          action: z
            .enum(['redact', 'mask', 'hash', 'report'])
            .default('redact')
            .describe('What is done with each find; report leaves it and needs `column`'),
          key: name().optional().describe('File with the secret key, for hash'),
          column: name()
            .optional()
            .describe('Column to add: which entities were found in the record, an array<string>'),
        })
        .describe('Finds personal data inside texts'),
    })
    .transform(({ detect_pii: { key: keyFile, ...rest } }) => ({
      kind: 'detect_pii' as const,
      ...rest,
      keyFile,
    })),
] as const;

const rows = [
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

const measure = z.enum(['sum', 'count', 'min', 'max', 'avg']);
const windowWise = [
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
                  unique: names().describe('Columns of which no values come twice in a window'),
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
] as const;

export const stepSchema = z.union([
  ...reshape,
  ...compute,
  ...texts,
  ...times,
  ...privacy,
  ...rows,
  ...branches,
  ...windowWise,
]);

/** A step of a table, compiled: `kind` names it. */
export type Step = z.output<typeof stepSchema>;

const MULTIPLYING: readonly Step['kind'][] = ['explode', 'unpivot', 'split_rows', 'relationalize'];

/** Whether a record may have other than one row in one table. */
export function isPlural(steps: readonly Step[]): boolean {
  return steps.some(({ kind }) => MULTIPLYING.includes(kind));
}

/** Whether each row is of one record, and each record has at most one. */
export function rowsAreRecords(steps: readonly Step[]): boolean {
  return !isPlural(steps) && !isGrouped(steps);
}

/** Whether some rows stand for groups of records: they cannot say of which record they are. */
export function isGrouped(steps: readonly Step[]): boolean {
  return steps.some((step) => {
    if (step.kind === 'split_rows')
      return step.splits.some(({ steps: own }) => isGrouped(own as readonly Step[]));
    return step.kind === 'aggregate' || step.kind === 'pivot';
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

/** Names of struct fields keep their case, because JSON tells it. */
export function plainType(type: string): string {
  return type.includes('<') ? type.trim() : type.toLowerCase();
}

/** As the config writes them. */
export const STEP_NAMES: readonly string[] = stepSchema.options.flatMap((option) =>
  Object.keys(option.def.in.shape),
);
