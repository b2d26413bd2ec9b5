// The oracle of a chaos run: each number that Kafka acknowledged to the producer is in a table exactly once,
// as a row or named in its quarantine. A number whose send failed may be there once or not at all. Pure.
import { compareOnce } from '../support/oracles.ts';

export interface Numbers {
  /** 0 to `attempted` - 1 were given to Kafka. */
  readonly attempted: number;
  /** Of these, the ones that Kafka never acknowledged. */
  readonly unconfirmed: ReadonlySet<number>;
}

export interface FoundNumbers {
  readonly table: string;
  readonly rows: readonly number[];
  readonly quarantined: readonly number[];
  /** Whether the table cannot take this number's record. */
  readonly isBad: (n: number) => boolean;
}

/** Kinds that were due and are not among what happened. */
export function neverHappened(
  kinds: readonly string[],
  counts: ReadonlyMap<string, { readonly times: number }>,
): string[] {
  return [...new Set(kinds)].filter((kind) => (counts.get(kind)?.times ?? 0) === 0);
}

/** The same words more often than this within one second are those of a program that turns in circles. */
const LINES_PER_SECOND_MAX = 100;

/** What a log of JSON lines says too fast, in words. */
export function floods(log: string): string[] {
  const counts = new Map<string, number>();
  for (const line of log.split('\n')) {
    const [, second = '', message = ''] = /"time":"([^".]*)[^"]*".*"msg":"([^"]*)"/.exec(line) ?? [];
    const key = `'${message}' at ${second}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts]
    .filter(([key, lines]) => lines > LINES_PER_SECOND_MAX && key !== `'' at `)
    .map(([key, lines]) => `${lines} times ${key}`);
}

const NAMED_MAX = 10;

/** What is wrong, in words; empty if nothing is. */
export function judge({ attempted, unconfirmed }: Numbers, found: FoundNumbers): string[] {
  const { table, rows, quarantined, isBad } = found;
  const acknowledged = Array.from({ length: attempted }, (_, n) => n).filter((n) => !unconfirmed.has(n));
  const { missing, doubled, unknown } = compareOnce(
    acknowledged.map(String),
    [...rows, ...quarantined].map(String),
  );
  const kinds: readonly [string, readonly (string | number)[]][] = [
    ['acknowledged numbers are missing', missing],
    ['numbers are there more than once', doubled],
    ['numbers were never produced', unknown.filter((n) => !unconfirmed.has(Number(n)))],
    ['good numbers are in quarantine', quarantined.filter((n) => !isBad(n))],
    ['bad numbers are rows', rows.filter(isBad)],
  ];
  return kinds
    .filter(([, numbers]) => numbers.length > 0)
    .map(([what, numbers]) => `${table}: ${numbers.length} ${what} (${some(numbers)})`);
}

function some(numbers: readonly (string | number)[]): string {
  const rest = numbers.length > NAMED_MAX ? ', …' : '';
  return numbers.slice(0, NAMED_MAX).join(', ') + rest;
}
