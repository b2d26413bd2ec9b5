// What a collector asks of the world, one scheduling point each, as text: equal questions are equal texts.
// The two collectors are named by two signs, so that a state with both exchanged can be recognised as the
// same.

export const SELF = '§';
const OTHER = '¤';

export type Operation =
  | { readonly op: 'create'; readonly key: string; readonly body: string }
  | { readonly op: 'put'; readonly key: string; readonly body: string }
  | { readonly op: 'read'; readonly key: string }
  | { readonly op: 'list'; readonly prefix: string; readonly after: string }
  | { readonly op: 'stage'; readonly key: string; readonly body: string }
  | { readonly op: 'publish'; readonly from: string; readonly to: string }
  | { readonly op: 'remove'; readonly keys: readonly string[] }
  | { readonly op: 'register'; readonly key: string }
  /** A partition of the catalog gets another place, unless a later move was there. */
  | { readonly op: 'move'; readonly key: string; readonly order: number }
  /** Where the catalog has a table. */
  | { readonly op: 'place'; readonly table: string }
  /** A wait for another collector's sake: it may be over at any time. */
  | { readonly op: 'wait' }
  /** What nothing in the world decides: one of `of`. */
  | { readonly op: 'choose'; readonly of: number };

/** The reply that says only that something failed, whether or not it took effect. */
export const FAILED = '!';
export const MISSING = '-';

const MUTATING = new Set<Operation['op']>([
  'create',
  'put',
  'stage',
  'publish',
  'remove',
  'register',
  'move',
]);
export const isMutating = ({ op }: Operation) => MUTATING.has(op);

const SIGNS = new RegExp(`[${SELF}${OTHER}]`, 'g');

/** The same text with the collectors exchanged. */
export function exchanged(text: string): string {
  return text.replace(SIGNS, (sign) => (sign === SELF ? OTHER : SELF));
}
