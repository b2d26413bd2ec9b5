// Steps for points in time, and for what may not be seen. Part of step-config.ts.
import { z } from 'zod';
import { FIELD, INTO, name, names, onError, pattern, timeUnit, zone } from './step-values.ts';

export const times = [
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

export const privacy = [
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
