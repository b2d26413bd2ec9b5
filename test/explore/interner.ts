// Values as small numbers: equal values have one number, so that a state of the exploration is a handful of
// them.

export class Interner {
  readonly #numbers = new Map<string, number>();
  readonly #values: string[] = [];

  idOf(value: string): number {
    const known = this.#numbers.get(value);
    if (known !== undefined) return known;
    const id = this.#values.length;
    this.#numbers.set(value, id);
    this.#values.push(value);
    return id;
  }

  valueOf(id: number): string {
    const value = this.#values[id];
    if (value === undefined) throw new Error(`no value has number ${id}`);
    return value;
  }

  get size(): number {
    return this.#values.length;
  }
}

/** A function of two numbers, computed once for each pair. */
export function memoised<T>(compute: (a: number, b: number) => T): (a: number, b: number) => T {
  const rows: Map<number, T>[] = [];
  return (a, b) => {
    rows[a] ??= new Map();
    const row = rows[a];
    const known = row.get(b);
    if (known !== undefined || row.has(b)) return known as T;
    const value = compute(a, b);
    row.set(b, value);
    return value;
  };
}

const INITIAL_SLOTS = 1 << 16;
const LOAD_MAX = 0.6;

/** A set of states, each of four 32-bit numbers, in 16 bytes and exact. */
export class StateSet {
  #slots = INITIAL_SLOTS;
  /** Four words a slot; the first is kept plus one, so that zero is an empty slot. */
  #words = new Uint32Array(INITIAL_SLOTS * 4);
  size = 0;

  /** false where it is in already. */
  add(a: number, b: number, rest: readonly [number, number]): boolean {
    if (this.size > this.#slots * LOAD_MAX) this.#grow();
    if (!this.#insert(a + 1, b, rest)) return false;
    this.size++;
    return true;
  }

  #insert(a: number, b: number, [c, d]: readonly [number, number]): boolean {
    const words = this.#words;
    const mask = this.#slots - 1;
    let hash =
      Math.imul(a, 0x9e3779b1) ^
      Math.imul(b, 0x85ebca77) ^
      Math.imul(c, 0xc2b2ae3d) ^
      Math.imul(d, 0x27d4eb2f);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x2c1b3c6d);
    hash ^= hash >>> 13;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 4;
      if (words[at] === 0) {
        words[at] = a;
        words[at + 1] = b;
        words[at + 2] = c;
        words[at + 3] = d;
        return true;
      }
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return false;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#slots *= 2;
    this.#words = new Uint32Array(this.#slots * 4);
    for (let at = 0; at < old.length; at += 4) {
      const [a = 0, b = 0, c = 0, d = 0] = old.subarray(at, at + 4);
      if (a !== 0) this.#insert(a, b, [c, d]);
    }
  }
}
