// So many at once and no more: the others wait in the order they came.

export class Places {
  readonly #waiting: (() => void)[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  free(): number {
    return this.#free;
  }

  async use<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#enter().then(task);
    const over = run.catch(() => {}).then(() => this.#leave());
    this.#running.add(over);
    void over.then(() => this.#running.delete(over));
    return await run;
  }

  async empty(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #enter(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The place goes to the next in line, or is free. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
