// The one clock of a simulation: events in order of their time, and everything that waits on promises alone
// runs to its end between two of them. Whoever runs nothing but this, promises and plain code runs the same
// way each time.

/** Node's own, whatever the simulation puts in its place. */
const turnOfTheLoop = globalThis.setImmediate;

interface TimedTask {
  readonly atMs: number;
  readonly order: number;
  task: (() => void) | undefined;
}

export class VirtualTime {
  nowMs = 0;
  /** Events that ran. */
  steps = 0;
  #order = 0;
  /** A binary heap; the earliest stands first. */
  readonly #heap: TimedTask[] = [];

  /** Runs `task` once after `delayMs`, behind what is due at the same time already. */
  after(delayMs: number, task: () => void): () => void {
    const timed: TimedTask = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, task };
    this.#push(timed);
    return () => {
      timed.task = undefined;
    };
  }

  /** Runs what is due up to `untilMs`, or until `stop` says so, which is asked after each event. */
  async run(untilMs: number, stop: () => boolean = () => false): Promise<void> {
    await settle();
    while (!stop()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return;
      }
      this.#pop();
      const { task } = next;
      if (task === undefined) continue;
      this.nowMs = next.atMs;
      this.steps++;
      task();
      await settle();
    }
  }

  #push(timed: TimedTask): void {
    const heap = this.#heap;
    let at = heap.push(timed) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, timed)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timed;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child++;
      const least = heap[child] ?? left;
      if (isBefore(last, least)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: TimedTask, b: TimedTask): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Promises are all settled before the loop turns. */
function settle(): Promise<void> {
  return new Promise((resolve) => turnOfTheLoop(resolve));
}
