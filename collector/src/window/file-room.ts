// Which parts of a file may be written: what was given back is taken again, so that one small piece that
// stays for long keeps no more than its own room. Pure.
interface Span {
  readonly start: number;
  readonly end: number;
}

export class FileRoom {
  readonly #bytes: number;
  /** Ascending; no two touch. */
  #free: Span[];

  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#free = [{ start: 0, end: bytes }];
  }

  get isEmpty(): boolean {
    const [only] = this.#free;
    return only !== undefined && only.end - only.start === this.#bytes;
  }

  /** The first place that is large enough; undefined where there is none. */
  take(bytes: number): number | undefined {
    const at = this.#free.findIndex(({ start, end }) => end - start >= bytes);
    const found = this.#free[at];
    if (found === undefined) return undefined;
    const rest = { start: found.start + bytes, end: found.end };
    this.#free.splice(at, 1, ...(rest.start < rest.end ? [rest] : []));
    return found.start;
  }

  giveBack(start: number, bytes: number): void {
    const end = start + bytes;
    const behind = this.#free.findIndex((span) => span.start >= end);
    const at = behind < 0 ? this.#free.length : behind;
    const [before, after] = [this.#free[at - 1], this.#free[at]];
    const joinsBefore = before?.end === start ? before : undefined;
    const joinsAfter = after?.start === end ? after : undefined;
    const span = { start: joinsBefore?.start ?? start, end: joinsAfter?.end ?? end };
    const from = joinsBefore === undefined ? at : at - 1;
    this.#free.splice(from, at - from + (joinsAfter === undefined ? 0 : 1), span);
  }
}
