// What a person should know about fields that became no column of their own type: one sentence for all of
// which the same is to be said, and never more of them than can be read.

const NAMED_MAX = 5;
const KEPT_MAX = 100;

export class Remarks {
  readonly #fields = new Map<string, string[]>();
  readonly #more = new Map<string, number>();

  add(what: string, path: readonly string[]): void {
    const fields = this.#fields.get(what) ?? [];
    this.#fields.set(what, fields);
    if (fields.length < KEPT_MAX) fields.push(path.join('.'));
    else this.#more.set(what, (this.#more.get(what) ?? 0) + 1);
  }

  sentences(): string[] {
    return [...this.#fields].map(([what, fields]) => {
      const more = fields.length - NAMED_MAX + (this.#more.get(what) ?? 0);
      return `${fields.slice(0, NAMED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}: ${what}`;
    });
  }

  /** The fields of which a sentence ends so, at most as many as are kept. */
  fieldsWhere(end: string): string[] {
    return [...this.#fields].flatMap(([what, fields]) => (what.endsWith(end) ? fields : []));
  }
}
