// Steps that choose, compute and take apart columns. Part of step-config.ts.
import { z } from 'zod';
import { FIELD, mapping, name, names, onError, plainType } from './step-values.ts';

export const reshape = [
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

export const compute = [
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
  z
    .strictObject({
      lookup: z
        .strictObject({
          file: name()
            .regex(
              /^(?:s3:\/\/[^/]+\/.+|(?!s3:\/\/).+)\.(csv|json|parquet)$/,
              'a file named .csv (with a header), .json (a line each) or .parquet',
            )
            .describe(
              'Reference file: beside the config, or s3://bucket/key; another one counts from the next window on',
            ),
          keys: z.record(name(), name()).describe('Column: the column of the file that it must equal'),
          columns: z
            .array(
              z.strictObject({
                from: name().describe('Column of the file'),
                column: name().describe('Column to add'),
                type: name().describe('Its type'),
              }),
            )
            .min(1)
            .describe('What is taken from the file'),
          missing: z
            .enum(['quarantine', 'null', 'filter'])
            .default('quarantine')
            .describe('Where the file has no such key: quarantine the record, NULLs, or filter it'),
        })
        .describe('Columns of a reference file, by key'),
    })
    .transform(({ lookup: { keys, columns, ...rest } }) => ({
      kind: 'lookup' as const,
      ...rest,
      keys: Object.entries(keys).map(([column, of]) => ({ column, of })),
      columns: columns.map(({ from: of, column, type }) => ({ of, column, type: plainType(type) })),
    })),
] as const;

export const texts = [
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
