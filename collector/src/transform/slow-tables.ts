// Tables of which a statement had to be ended: until a window of theirs is whole again they have one place
// together, so that trying them holds up nobody else.
import { SluiceError } from '@sluice/shared/errors.ts';
import { Places } from './places.ts';

export class SlowTables {
  readonly #names = new Set<string>();
  readonly #place = new Places(1);

  async run<T>(table: string, task: (isSlow: boolean) => Promise<T>): Promise<T> {
    const isSlow = this.#names.has(table);
    const attempt = () => this.#attempt(table, () => task(isSlow));
    return isSlow ? await this.#place.use(attempt) : await attempt();
  }

  /** Whether one of them has their place, and so a place among all, or asks for that now. */
  isTrying(): boolean {
    return this.#place.free() === 0;
  }

  async #attempt<T>(table: string, task: () => Promise<T>): Promise<T> {
    try {
      const made = await task();
      this.#names.delete(table);
      return made;
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'TRANSFORM_TIMED_OUT') this.#names.add(table);
      throw error;
    }
  }
}
