// What the schemas of several steps share: names, types, and what becomes of a value that fails. Part of
// step-config.ts.
import { z } from 'zod';

export const name = () => z.string().min(1);
export const names = () => z.array(name()).min(1);
export const FIELD = 'Column that is read';
export const INTO = 'Column for what comes out; else the one that is read is replaced';

/** YAML reads a bare null as none. */
export const onError = z
  .union([z.enum(['quarantine', 'null']), z.null()])
  .default('quarantine')
  .transform((action): OnError => action ?? 'null')
  .describe('A value that fails: the record goes to quarantine, or null: the value is NULL, and counted');

/** Behind a mapping's four. */
export const mapping = z.tuple([name(), name(), name(), name(), onError.optional()]);

export type OnError = 'quarantine' | 'null';

export const timeUnit = z.enum(['s', 'ms', 'us']).describe('What one stands for');
export const zone = z
  .string()
  .regex(/^[A-Za-z0-9_+/-]{1,64}$/, 'the name of a time zone, such as Europe/Berlin')
  .optional()
  .describe('Time zone of the text, such as Europe/Berlin; else UTC');
export const pattern = 'Pattern with letters (yyyy-MM-dd HH:mm:ss) or with percent signs (%Y-%m-%d %H:%M:%S)';

/** What a column is read as. */
export const columnType = z.union([
  name(),
  z.strictObject({ type: name().describe('Type of the column'), on_error: onError }),
]);

/** Names of struct fields keep their case, because JSON tells it. */
export function plainType(type: string): string {
  return type.includes('<') ? type.trim() : type.toLowerCase();
}
