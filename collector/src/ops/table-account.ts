// What a command that goes from table to table tells of them, however it ends: of each that it finished what
// was done, of the one that ended it what was done before that and why it ended, and which it did not begin.
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';

/** Beside what was done, where something was. */
export interface Failed {
  readonly table: string;
  readonly failure: {
    readonly code?: string;
    readonly message: string;
    /** Key, or other place, where it is not the table. */
    readonly place?: string;
  };
}

/** `keep` is told what is done so far, and stays so: of several ledger entries those that are written. */
export type Work<T> = (table: string, keep: (so: T) => void) => Promise<T>;

export class TableAccount<T> {
  readonly told: (T | Failed | (T & Failed))[] = [];
  readonly #format: (done: T) => string;

  constructor(format: (done: T) => string) {
    this.#format = format;
  }

  /** One after the other. Rejects with what ended a table, when that is told. */
  async run(tables: readonly string[], work: Work<T>, print: (text: string) => void): Promise<readonly T[]> {
    const all: T[] = [];
    for (const [at, table] of tables.entries()) {
      let so: T | undefined;
      try {
        const done = await work(table, (kept) => {
          so = kept;
        });
        this.told.push(done);
        all.push(done);
        print(this.#format(done));
      } catch (error) {
        const failed = { table, failure: failureOf(error, table) };
        this.told.push(so === undefined ? failed : { ...so, ...failed });
        print(`${so === undefined ? '' : this.#format(so)}${failureText(failed, tables.slice(at + 1))}`);
        throw error;
      }
    }
    return all;
  }
}

function failureOf(error: unknown, table: string): Failed['failure'] {
  const message = messageOf(error);
  if (!(error instanceof SluiceError)) return { message };
  const { code, place } = error;
  return { code, message, ...(place === undefined || place === table ? {} : { place }) };
}

function failureText({ table, failure }: Failed, left: readonly string[]): string {
  const code = failure.code === undefined ? '' : `${failure.code}: `;
  const place = failure.place === undefined ? '' : ` (${failure.place})`;
  const rest = left.length === 0 ? '' : `not begun: ${left.join(', ')}\n`;
  return `${table}: ended by ${code}${failure.message}${place}\n${rest}`;
}
