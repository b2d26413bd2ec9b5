// Examples beside a table's config: records that come in, and the rows, the quarantine and the filtered that
// must come of them. Part of config.ts; `sluice-collector test` runs them.
import { z } from 'zod';

const record = z.union([
  z.string().describe('A record whose value is this text'),
  z.null().describe('A tombstone'),
  z.strictObject({
    json: z.unknown().optional().describe('A value, written as JSON'),
    text: z.string().optional().describe('A value, as text'),
    base64: z.base64().optional().describe('A value, as bytes'),
    key: z.string().optional().describe('The record’s key'),
    headers: z.record(z.string(), z.string()).optional().describe('The record’s headers'),
    topic: z.string().optional().describe('Which of the table’s `topics` it is of; else the first by name'),
    timestamp: z.iso.datetime({ offset: true }).optional().describe('The record’s timestamp'),
  }),
]);

export const examplesSchema = z
  .array(
    z.strictObject({
      name: z.string().min(1).describe('What is shown'),
      records: z.array(record).min(1).describe('What comes in, at offsets from 0 on'),
      rows: z
        .array(z.record(z.string(), z.unknown()))
        .default([])
        .describe('All rows that must come of it, in any order; columns that are not named are not compared'),
      outputs: z
        .record(z.string(), z.array(z.record(z.string(), z.unknown())))
        .default({})
        .describe('As `rows`, of the tables beside this one, by the name of the output'),
      quarantine: z
        .array(
          z.strictObject({
            offset: z.int().min(0).optional().describe('Which record'),
            code: z.string().describe('Why it is there'),
            field: z.string().optional().describe('The column that was wrong'),
          }),
        )
        .default([])
        .describe('All records that must be quarantined, in any order'),
      filtered: z.int().min(0).default(0).describe('How many records must be filtered'),
    }),
  )
  .default([])
  .describe('Records and what must become of them: see `sluice-collector test`');

export type TableExample = z.output<typeof examplesSchema>[number];
export type ExampleRecord = TableExample['records'][number];
