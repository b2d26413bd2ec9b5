// All that is looked for in the JSON of a chunk before SQL reads it: what is not strict is struck, and how
// the rest may be read is found out. Records of a known shape need one look, all others three.
import type { ColumnChunk } from './columns.ts';
import { JsonShapes } from './json-shapes.ts';
import { PlainValues } from './plain-values.ts';
import { firstWants, type Marks } from './sql/compile.ts';
import type { FieldPlan } from './sql/fields.ts';
import { plainForms } from './sql/plain-forms.ts';
import type { StraightReading } from './sql/straight.ts';
import { jsonRules, StrictLook } from './strict-json.ts';

/** Of the chunks of one window, one after the other. */
export class JsonLook {
  readonly #chunk: ColumnChunk;
  readonly #plain: PlainValues;
  readonly #strict: StrictLook;

  constructor(chunk: ColumnChunk, plan: FieldPlan, { separator, elementMark }: Marks) {
    this.#chunk = chunk;
    const forms = plainForms(plan.source, firstWants(plan));
    this.#plain = new PlainValues(forms);
    const rules = jsonRules(plan.source, elementMark);
    const joinedBy = Buffer.from(separator).toString('latin1');
    this.#strict = new StrictLook(chunk, rules, {
      also: (text) => this.#plain.look(text),
      shapes: new JsonShapes({ forms, texts: rules.texts, separator: joinedBy }),
    });
  }

  /** At the rows that the chunk got since the last time. */
  more(): void {
    this.#strict.more();
  }

  /** Strikes rows; what comes next is of another chunk. */
  end(): Required<Pick<StraightReading, 'exactText' | 'isPlain'>> {
    const exactText = this.#strict.end();
    return { exactText, isPlain: this.#plain.end(this.#chunk) };
  }
}
