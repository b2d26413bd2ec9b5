// How a problem is written down while SQL finds it: one text of code, field, value shown and the type wanted.
import { literal } from './types.ts';

/** Unit separator (ASCII 31): between code, field, value and type of a problem. */
export const US = 'chr(31)';
const VALUE_SHOWN_MAX = 120;

interface Shown {
  /** SQL of the value. */
  readonly value: string;
  /** What was wanted: a text, or SQL for it. */
  readonly type: string | { readonly sql: string };
  /** SQL of what stands behind the field's name. */
  readonly path?: string;
}

/** SQL for a problem as one text: code, field, value shown and the type that was wanted. */
export function problem(code: string, field: string, { value, type, path }: Shown): string {
  const shown = `coalesce(left(${value}::VARCHAR, ${VALUE_SHOWN_MAX}), '')`;
  const place = path === undefined ? literal(field) : `${literal(field)} || ${path}`;
  const wanted = typeof type === 'string' ? literal(type) : type.sql;
  return `${literal(code)} || ${US} || ${place} || ${US} || ${shown} || ${US} || ${wanted}`;
}
