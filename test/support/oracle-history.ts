// What the oracle of a lake knows of one table's history: which offsets below its beginning the table has
// promised to bring, how far it is, and what nobody has begun. Pure.
import type { LogPart, OraclePartition } from './oracle-log.ts';

interface Span {
  readonly start: number;
  readonly next: number;
}

/** By the name of a slot. */
export class OracleHistory {
  readonly #begins = new Map<string, number>();
  readonly #read = new Map<string, Span>();
  readonly #brought = new Map<string, LogPart[]>();

  opened(slot: string, start: number): void {
    this.#begins.set(slot, start);
  }

  /** Why it may not be, in words. */
  begun(slot: string, { from, to }: { readonly from: number; readonly to: number }): string | undefined {
    const begins = this.#begins.get(slot);
    if (begins === undefined || to > begins || from >= to)
      return `begins a history [${from}, ${to}) of ${slot}, which it opened at ${begins}`;
    if (this.#read.has(slot)) return `begins the history of ${slot} twice`;
    this.#read.set(slot, { start: from, next: to });
    return undefined;
  }

  /** Whether it goes on there; then it has come that far. */
  goesOn(slot: string, { start, next }: Span): boolean {
    const unread = this.#read.get(slot);
    if (unread === undefined || start !== unread.start || next > unread.next || start >= next) return false;
    this.#read.set(slot, { start: next, next: unread.next });
    return true;
  }

  /** The log was cut: what lies behind comes again, as it comes live, and is no history any more. */
  cut(slot: string, at: number): void {
    const begins = this.#begins.get(slot);
    if (begins !== undefined) this.#begins.set(slot, Math.min(begins, at));
    const unread = this.#read.get(slot);
    if (unread === undefined) return;
    this.#read.set(slot, { start: Math.min(unread.start, at), next: Math.min(unread.next, at) });
  }

  /** It came to the table; of what Kafka had lost nothing did. */
  came(slot: string, part: LogPart): void {
    this.#brought.set(slot, [...this.brought(slot), part]);
  }

  brought(slot: string): readonly LogPart[] {
    return this.#brought.get(slot) ?? [];
  }

  /** What is still to be read of what Kafka has, in words. */
  missing(slot: string, { start }: OraclePartition): string | undefined {
    const unread = this.#read.get(slot);
    const begins = this.#begins.get(slot) ?? 0;
    if (unread === undefined)
      return begins > start ? `the history of ${slot} below ${begins} was never begun` : undefined;
    return unread.start < unread.next
      ? `the history of ${slot} is at ${unread.start} of ${unread.next}`
      : undefined;
  }
}
