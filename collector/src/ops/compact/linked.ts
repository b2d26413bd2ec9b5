// Which entries a rebuild makes again together: those with rows in one joined object, and a replay with the
// windows that it took records of. A window may have rows in many partitions, so that objects which each join
// few windows can link all of a table, and no rebuild could take it: what is linked stays bounded.

/** Windows that are linked, of the 10,000 that one rebuild may take: two days of windows of 100 s. */
export const LINKED_MAX = 2_000;

export class LinkedEntries {
  readonly #above = new Map<number, number>();
  readonly #sizes = new Map<number, number>();

  /** Number of the one that stands for all that are linked with this one. */
  of(entry: number): number {
    let at = entry;
    for (let above = this.#above.get(at); above !== undefined; above = this.#above.get(at)) {
      const next = this.#above.get(above);
      if (next !== undefined) this.#above.set(at, next);
      at = above;
    }
    return at;
  }

  sizeOf(entry: number): number {
    return this.#sizes.get(this.of(entry)) ?? 1;
  }

  link(one: number, other: number): void {
    const [a, b] = [this.of(one), this.of(other)];
    if (a === b) return;
    const size = this.sizeOf(a) + this.sizeOf(b);
    const [low, high] = this.sizeOf(a) < this.sizeOf(b) ? [a, b] : [b, a];
    this.#above.set(low, high);
    this.#sizes.set(high, size);
  }

  /** Objects in their order, each with one of its entries: those that may be joined, two at least. */
  groups<O extends { readonly of: number }>(objects: readonly O[], most = LINKED_MAX): O[][] {
    const groups: { readonly objects: O[]; size: number }[] = [];
    const byEntry = new Map<number, (typeof groups)[number]>();
    for (const object of objects) {
      const entry = this.of(object.of);
      const size = this.sizeOf(entry);
      const known = byEntry.get(entry);
      const group = known ?? groups.find((one) => one.size + size <= most) ?? { objects: [], size: 0 };
      if (group.objects.length === 0) groups.push(group);
      if (known === undefined) group.size += size;
      byEntry.set(entry, group);
      group.objects.push(object);
    }
    return groups.map((group) => group.objects).filter(({ length }) => length > 1);
  }
}
