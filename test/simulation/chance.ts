// Everything that one seed decides, in streams of their own: a draw more in one place does not change all
// others.
import type { Random } from '@sluice/shared/random.ts';
import { seededRandom } from '../support/seeded-random.ts';

export class Chance implements Random {
  readonly #seed: number;
  readonly #random: Random;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#random = seededRandom(this.#seed);
  }

  /** Another stream, the same for the same name. */
  stream(name: string): Chance {
    let hash = this.#seed ^ 0x9e3779b9;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
    return new Chance(hash);
  }

  fraction(): number {
    return this.#random.fraction();
  }

  hex(bytes: number): string {
    return this.#random.hex(bytes);
  }

  /** True with probability `share`. Draws nothing where there is nothing to decide. */
  happens(share: number): boolean {
    return share > 0 && this.fraction() < share;
  }

  /** A whole number in [from, to]. */
  between(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from + 1));
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[Math.floor(this.fraction() * items.length)] ?? items[0];
  }

  /** Exponential with this mean, at most ten times of it. */
  spread(mean: number): number {
    return Math.min(10, -Math.log(1 - this.fraction())) * mean;
  }
}
