// Everything seen of each field over a sample of JSON objects, however they nest: which kinds of values, and
// nothing of the values themselves. However many names and levels producers invent, what is kept is bounded.
import { parseJson } from './json-parse.ts';
import { numberKind, type SeenKind, textKind } from './value-types.ts';

/** Levels of a record that are looked into; what lies deeper is text. */
const DEPTH_MAX = 8;
/** An inner object with more different keys than this is a map: its keys are data. */
export const INNER_KEYS_MAX = 64;
/** Different fields of all levels that are remembered one by one. */
const FIELDS_MAX = 10_000;
/** A longer name is data as well. */
const NAME_CHARACTERS_MAX = 255;

/** A JSON number that kept its token: 1.0 is no integer, and long ones lose no digit. */
class NumberToken {
  readonly token: string;

  constructor(token: string) {
    this.token = token;
  }
}

/** A number as it is written, a text as it is; undefined of anything else. */
export function textOfScalar(value: unknown): string | undefined {
  if (value instanceof NumberToken) return value.token;
  return typeof value === 'string' ? value : undefined;
}

/** A value of another format than JSON, by what it looks like. */
export class SeenText {
  readonly kind: SeenKind;

  constructor(kind: SeenKind) {
    this.kind = kind;
  }
}

/** How many fields may still be remembered, of all objects of one sample. */
interface Budget {
  fields: number;
}

/** What was seen of one field, or of all elements of its arrays. */
export class SeenValue {
  /** How often it came, nulls included. */
  seen = 0;
  readonly kinds = new Set<SeenKind>();
  /** Of its arrays, all together. */
  elements: SeenValue | undefined;
  object: SeenObject | undefined;
  /** Values in it lie deeper than anybody looks. */
  isTooDeep = false;

  add(value: unknown, depth: number, budget: Budget): void {
    this.seen++;
    if (value === null) return;
    if (typeof value === 'boolean') this.kinds.add('boolean');
    else if (typeof value === 'string') this.kinds.add(textKind(value));
    else if (value instanceof NumberToken) this.kinds.add(numberKind(value.token));
    else if (value instanceof SeenText) this.kinds.add(value.kind);
    else if (depth >= DEPTH_MAX) this.isTooDeep = true;
    else if (Array.isArray(value)) {
      this.elements ??= new SeenValue();
      for (const element of value) this.elements.add(element, depth + 1, budget);
    } else {
      this.object ??= new SeenObject(budget, INNER_KEYS_MAX);
      this.object.addAt(value as Record<string, unknown>, depth + 1);
    }
  }
}

export class SeenObject {
  /** In the order in which they first came. */
  readonly fields = new Map<string, SeenValue>();
  /** All fields beyond those, together. */
  rest: SeenValue | undefined;
  readonly #budget: Budget;
  readonly #keysMax: number;

  constructor(budget: Budget = { fields: FIELDS_MAX }, keysMax: number = FIELDS_MAX) {
    this.#budget = budget;
    this.#keysMax = keysMax;
  }

  /** A record. */
  add(object: Readonly<Record<string, unknown>>): void {
    this.addAt(object, 1);
  }

  addAt(object: Readonly<Record<string, unknown>>, depth: number): void {
    for (const [key, value] of Object.entries(object)) this.#field(key).add(value, depth, this.#budget);
  }

  #field(key: string): SeenValue {
    const known = this.fields.get(key);
    if (known !== undefined) return known;
    const isKept =
      this.fields.size < this.#keysMax && this.#budget.fields > 0 && key.length <= NAME_CHARACTERS_MAX;
    if (!isKept) {
      this.rest ??= new SeenValue();
      return this.rest;
    }
    this.#budget.fields--;
    const field = new SeenValue();
    this.fields.set(key, field);
    return field;
  }
}

/** The object of a JSON text, its numbers as tokens; undefined for anything else. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const reviver = (_key: string, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' ? new NumberToken(context?.source ?? String(value)) : value;
    const parsed = parseJson(text, reviver);
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
    return isObject && !(parsed instanceof NumberToken) ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
