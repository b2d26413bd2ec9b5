// Whether all values of a chunk that are read by type are spelled plainly (sql/plain-forms.ts), so that
// DuckDB may read them without a check of each. One value that is not, and the whole chunk is read with care:
// nothing is decided here but how. What is no JSON at all is found elsewhere.
import type { ColumnChunk } from './columns.ts';
import type { PlainForms } from './sql/plain-forms.ts';

const SPACE = String.raw`[ \t\r\n]*`;
const OPENING_BRACE = 0x7b;
/**
 * Names that are read hold nothing that another escape spells. The last one before the quote is looked for: a
 * look from each of a text full of them to its end would take the square of its length.
 */
const ESCAPE = String.raw`\u`;
const ESCAPED_NAME = new RegExp(String.raw`\\u[^"\\]*"${SPACE}:`);

/** Of one chunk after the other. */
export class PlainValues {
  readonly #unplain: RegExp | undefined;
  #isPlain = true;

  constructor(forms: PlainForms) {
    const names = [...Map.groupBy(forms, ([, { pattern }]) => pattern)];
    const unplain = names.map(([form, fields]) => {
      const known = fields.map(([name]) => RegExp.escape(name)).join('|');
      return `(?:${known})"${SPACE}:(?!${SPACE}(?:${form}|null))`;
    });
    this.#unplain = names.length === 0 ? undefined : new RegExp(`"(?:${unplain.join('|')})`);
  }

  /** A piece of the chunk, each byte a character, that ends where a value does. */
  look(text: string): void {
    if (!this.#isPlain) return;
    const isUnplain =
      this.#unplain?.test(text) === true || (text.includes(ESCAPE) && ESCAPED_NAME.test(text));
    this.#isPlain = !isUnplain;
  }

  /** After all pieces of the chunk; the next one begins anew. */
  end(chunk: ColumnChunk): boolean {
    const isPlain = this.#isPlain && areObjects(chunk);
    this.#isPlain = true;
    return isPlain;
  }
}

function areObjects(chunk: ColumnChunk): boolean {
  const { bytes, startOf } = chunk.joined();
  for (let row = 0; row < chunk.rows; row++) if (bytes[startOf(row)] !== OPENING_BRACE) return false;
  return true;
}
