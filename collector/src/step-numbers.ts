// Steps that read numbers which others wrote their own way. Part of step-config.ts.
import { z } from 'zod';
import { FIELD, INTO, name, onError, plainType } from './step-values.ts';

const isMark = /^[^\s\d+-]$|^ $/u;

export const numbers = [
  z
    .strictObject({
      parse_number: z
        .strictObject({
          field: name().describe(FIELD),
          column: name().optional().describe(INTO),
          type: name().describe('Type of the number; it must fit exactly'),
          point: z.string().regex(isMark).default('.').describe('What stands in front of the fraction'),
          group: z
            .string()
            .regex(isMark, 'one character; a space stands for any space between digits')
            .optional()
            .describe('What may stand between groups of three digits'),
          on_error: onError,
        })
        .describe('A text becomes a number: with a decimal comma, groups of digits, or a sign behind it'),
    })
    .transform(({ parse_number: { type, on_error: onError, ...rest } }) => ({
      kind: 'parse_number' as const,
      ...rest,
      type: plainType(type),
      onError,
    })),
  z
    .strictObject({
      decode_decimal: z
        .strictObject({
          field: name().describe(`${FIELD}: base64`),
          column: name().optional().describe(INTO),
          type: name().describe('decimal(p,s), with the scale that the schema of the bytes says'),
          on_error: onError,
        })
        .describe('Bytes of a decimal, as Kafka Connect and Debezium write them in JSON, become the decimal'),
    })
    .transform(({ decode_decimal: { type, on_error: onError, ...rest } }) => ({
      kind: 'decode_decimal' as const,
      ...rest,
      type: plainType(type),
      onError,
    })),
] as const;
