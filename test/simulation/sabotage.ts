// Bugs put in on purpose, at the edges of the product and in tests only: what each of them would do to a
// user's data must be seen by the oracle.

export const SABOTAGES = [
  'acknowledged before published',
  'spool drops what was sent',
  'no dedupe by offset',
  'aborted records leak',
  'conditional writes are not',
  'published objects are deleted',
  'group offset runs ahead',
  'a swap forgets what came meanwhile',
  'joined objects lack a row',
] as const;

export type Sabotage = (typeof SABOTAGES)[number];
