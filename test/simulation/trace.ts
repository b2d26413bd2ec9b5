// What happened in a simulation, line by line: kept as a hash and as counts, and as text for whoever wants to
// read it.

export class Trace {
  readonly counts = new Map<string, number>();
  lines = 0;
  readonly #write: ((line: string) => void) | undefined;
  readonly #nowMs: () => number;
  #high = 0xdeadbeef;
  #low = 0x41c6ce57;

  constructor(nowMs: () => number, write?: (line: string) => void) {
    this.#nowMs = nowMs;
    this.#write = write;
  }

  say(who: string, what: string): void {
    const ms = this.#nowMs();
    this.lines++;
    const line = `${(ms / 1e3).toFixed(4).padStart(9)}  ${who.padEnd(14)} ${what}`;
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i);
      this.#high = Math.imul(this.#high ^ code, 2654435761);
      this.#low = Math.imul(this.#low ^ code, 1597334677);
    }
    this.#write?.(line);
  }

  /** Something that must be seen to happen over all seeds. */
  count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
