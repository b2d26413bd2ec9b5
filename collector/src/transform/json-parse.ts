// JSON with its names as they are written. V8 (of Node 24 and 26) takes a name with an escape for one that it
// read before in the same place, where that ends as the escape begins: once `"\\"` was a name, `"\""` and
// `"\u0041"` are taken for it, in any later text. A field would be lost in silence, or read for another.
// Whether a text is JSON is not touched by that, nor are names without an escape, nor values.

const SPACE = ' \t\r\n';
/** Of what stands for names while V8 reads; longer where a text has it. */
const MARK = '\uE000';

/** As `JSON.parse`; a reviver may be given other names than are there, and its values alone count. */
export function parseJson(text: string, reviver?: Parameters<typeof JSON.parse>[1]): unknown {
  const names = escapedNames(text);
  if (names.length === 0) return JSON.parse(text, reviver);
  // Where it is no JSON what was found may be no names.
  JSON.parse(text);
  let mark = MARK;
  while (text.includes(mark)) mark += mark;
  const meant = new Map<string, string>();
  const standIns = new Map<string, string>();
  let plain = '';
  let taken = 0;
  for (const { start, end } of names) {
    const quoted = text.slice(start, end);
    const standIn = standIns.get(quoted) ?? `${mark}${standIns.size}`;
    standIns.set(quoted, standIn);
    meant.set(standIn, JSON.parse(quoted) as string);
    plain += `${text.slice(taken, start)}"${standIn}"`;
    taken = end;
  }
  const value: unknown = JSON.parse(plain + text.slice(taken), reviver);
  nameAsMeant(value, meant);
  return value;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Of a text that is JSON, with their quotes. Only strings with an escape are looked at. */
function escapedNames(text: string): Span[] {
  const names: Span[] = [];
  for (let from = text.indexOf('\\'); from >= 0; ) {
    const end = endOfString(text, from);
    const start = text.lastIndexOf('"', from);
    let next = end;
    while (next < text.length && SPACE.includes(text.charAt(next))) next++;
    if (start >= 0 && text[next] === ':') names.push({ start, end });
    from = text.indexOf('\\', end);
  }
  return names;
}

/** Behind the quote that closes the string with this escape. */
function endOfString(text: string, from: number): number {
  let quote = text.indexOf('"', from);
  for (let at = from; quote >= 0; ) {
    const next = text.indexOf('\\', at);
    if (next < 0 || quote < next) return quote + 1;
    at = next + 2;
    // Looked for once, however many escapes stand before it.
    if (quote < at) quote = text.indexOf('"', at);
  }
  return text.length;
}

/** In every object of a value, in the order of its names; of one that comes twice the last value. */
function nameAsMeant(value: unknown, meant: ReadonlyMap<string, string>): void {
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one !== 'object' || one === null) continue;
    const entries = Object.entries(one);
    for (const [, inner] of entries) left.push(inner);
    if (Array.isArray(one) || !entries.some(([name]) => meant.has(name))) continue;
    for (const [name] of entries) Reflect.deleteProperty(one, name);
    for (const [name, inner] of entries)
      Object.defineProperty(one, meant.get(name) ?? name, {
        ...{ value: inner, writable: true, enumerable: true, configurable: true },
      });
  }
}
