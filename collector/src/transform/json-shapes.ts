// Records of a topic mostly look alike: the same names in the same order. The shape of one is learned as a
// regular expression of the whole record, so narrow that whatever has it is strict JSON, spelled plainly, and
// loses no digit: one quick pass then says of many records what the looks for loose JSON say of each. What
// has no known shape is looked at as before; nothing else is decided here.
import type { PlainForm, PlainForms } from './sql/plain-forms.ts';

/** Producers that leave out fields write some shapes beside each other. */
const SHAPES_MAX = 4;
/** Pieces in a row without a known shape after which it is no longer tried in this window. */
const MISSES_MAX = 16;
/** A longer piece is one giant value: V8 takes a word of memory for each character it might turn back to. */
const PIECE_CHARACTERS_MAX = 2 ** 17;
const RECORD_CHARACTERS_MAX = 2 ** 13;
const PATTERN_CHARACTERS_MAX = 2 ** 14;
const DEPTH_MAX = 32;

const UNESCAPED = String.raw`[^"\\\x00-\x1f]*`;
const STRING = String.raw`"${UNESCAPED}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})${UNESCAPED})*"`;
/** At most 16 characters, and no exponent: exact as a double and back. */
const NUMBER = String.raw`(?![-.0-9]{17})-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?![.eE0-9])`;

export interface JsonShapesOptions {
  /** What a value under these names must be, wherever it stands. */
  readonly forms: PlainForms;
  /** Names under which an object or an array would be a text, each byte a character. */
  readonly texts: ReadonlySet<string>;
  /** Behind each value of a piece; each byte a character. */
  readonly separator: string;
}

/** Of one window. */
export class JsonShapes {
  readonly #options: JsonShapesOptions;
  readonly #shapes: string[] = [];
  /** One value and its separator. */
  #any: RegExp | undefined;
  #misses = 0;

  constructor(options: JsonShapesOptions) {
    this.#options = options;
  }

  /**
   * Whether each value of a piece, a separator behind each, is an object that is strict JSON, loses no digit,
   * is plain under every name that is read, and has no object or array where a text is wanted. False says
   * nothing.
   */
  cover(piece: string): boolean {
    if (this.#misses >= MISSES_MAX || piece.length > PIECE_CHARACTERS_MAX) return false;
    for (let at = 0; at < piece.length; ) {
      const end = this.#endOfValue(piece, at) ?? (this.#learn(piece, at) && this.#endOfValue(piece, at));
      if (typeof end !== 'number') {
        this.#misses++;
        return false;
      }
      at = end;
    }
    this.#misses = 0;
    return true;
  }

  /**
   * Of a value that has a known shape. One after the other: an expression of all could turn back to each
   * choice in each value.
   */
  #endOfValue(piece: string, at: number): number | undefined {
    const any = this.#any;
    if (any === undefined) return undefined;
    any.lastIndex = at;
    return any.test(piece) ? any.lastIndex : undefined;
  }

  /** Whether there is a shape more, that of the value here. */
  #learn(piece: string, at: number): boolean {
    const { separator } = this.#options;
    const end = piece.indexOf(separator, at);
    if (end < 0 || end - at > RECORD_CHARACTERS_MAX || this.#shapes.length === SHAPES_MAX) return false;
    const shape = shapeOf(piece.slice(at, end), this.#options);
    if (shape === undefined || shape.length > PATTERN_CHARACTERS_MAX) return false;
    this.#shapes.push(shape);
    this.#any = new RegExp(`(?:${this.#shapes.join('|')})${RegExp.escape(separator)}`, 'y');
    return true;
  }
}

/** A regular expression that `value` matches; undefined where it is nothing to learn from. */
function shapeOf(value: string, options: JsonShapesOptions): string | undefined {
  if (!value.startsWith('{')) return undefined;
  try {
    const shape = new Sample(value, options).shape();
    return new RegExp(`^${shape}$`).test(value) ? shape : undefined;
  } catch (error) {
    if (error === UNLIKE) return undefined;
    throw error;
  }
}

/** Thrown where nothing is to be learned from a record. */
const UNLIKE = new Error('a record without a shape');

const SPACES = /[ \t\r\n]*/y;
const NAME = new RegExp(`"${UNESCAPED}"`, 'y');
const SCALAR = /"(?:[^"\\]|\\.)*"|[-+.0-9a-zA-Z]+/y;

/** Reads one record, loosely: the expression that comes out is held against the record in the end. */
class Sample {
  readonly #text: string;
  readonly #options: JsonShapesOptions;
  /** What may stand between tokens. */
  readonly #space: string;
  #at = 0;
  #depth = 0;

  constructor(text: string, options: JsonShapesOptions) {
    this.#text = text;
    this.#options = options;
    this.#space = /[{[,:][ \t\r\n]/.test(text) ? String.raw`[ \t\r\n]*` : '';
  }

  /** Throws UNLIKE. */
  shape(name?: string): string {
    this.#take(SPACES);
    const { forms, texts } = this.#options;
    const form = name === undefined ? undefined : forms.get(name);
    const first = this.#text[this.#at];
    if (first !== '{' && first !== '[') return scalarShape(this.#take(SCALAR), form);
    if (name !== undefined && texts.has(name)) throw UNLIKE;
    if (form !== undefined && form.pattern !== `\\${first}`) throw UNLIKE;
    if (++this.#depth > DEPTH_MAX) throw UNLIKE;
    const shape = first === '{' ? this.#object() : this.#array();
    this.#depth--;
    return shape;
  }

  #object(): string {
    const fields: string[] = [];
    const space = this.#space;
    for (this.#skip('{'); !this.#skip('}'); this.#skip(',')) {
      const name = this.#take(NAME);
      this.#skip(':');
      fields.push(`${RegExp.escape(name)}${space}:${space}${this.shape(name.slice(1, -1))}`);
    }
    return `\\{${space}${fields.join(`${space},${space}`)}${fields.length > 0 ? space : ''}\\}`;
  }

  /** As many elements as there may be, each like the first. */
  #array(): string {
    const elements: string[] = [];
    const space = this.#space;
    for (this.#skip('['); !this.#skip(']'); this.#skip(',')) elements.push(this.shape());
    const [element] = elements;
    if (element === undefined) return `\\[${space}\\]`;
    return `\\[${space}(?:${element}(?:${space},${space}${element})*${space})?\\]`;
  }

  /** Whether this token stands here, spaces apart: then it is behind us. */
  #skip(token: string): boolean {
    this.#take(SPACES);
    const stands = this.#text[this.#at] === token;
    if (stands) this.#at++;
    this.#take(SPACES);
    return stands;
  }

  #take(token: RegExp): string {
    token.lastIndex = this.#at;
    const found = token.exec(this.#text)?.[0];
    if (found === undefined) throw UNLIKE;
    this.#at += found.length;
    return found;
  }
}

/** Of a text, a number, true, false or null: what else may stand in its place. */
function scalarShape(token: string, form: PlainForm | undefined): string {
  if (form !== undefined) return `(?:${formShape(form)}|null)`;
  if (token.startsWith('"')) return `(?:${STRING}|null)`;
  if (token === 'null') return `(?:null|${STRING}|${NUMBER}|true|false)`;
  return /^[tf]/.test(token) ? '(?:true|false|null)' : `(?:${NUMBER}|null)`;
}

/** A look at the form, and behind it what can be read in one way only, or a value could be turned back to. */
function formShape({ pattern, kind }: PlainForm): string {
  switch (kind) {
    case 'boolean':
      return pattern;
    case 'integer':
    case 'float':
      return `(?=${pattern})${NUMBER}`;
    case 'array':
    case 'struct':
      throw UNLIKE;
    default:
      return `(?=${pattern})${STRING}`;
  }
}
