// The part of a JSON value that a table reads: behind a schema registry's frame, and at a path, as its
// producer wrote it. Around it may be an envelope (`payload` of Debezium, `Records` of AWS); where a text
// stands on the path, it is what it holds, as in messages that others carry. What is around must be JSON too.
import { isUtf8 } from 'node:buffer';
import type { JsonInput } from '../contracts.ts';
import { confluentFrame, glueFrame } from './decode/schemas.ts';
import type { OddCode } from './odd-record.ts';

const SPACE = /[ \t\r\n]*/y;
/** What is no string, object or array ends before one of these. */
const PLAIN = /[^,\]} \t\r\n]+/y;
/** Of an object or an array: a bracket, or where a string begins, which may hold brackets. */
const BRACKET_OR_QUOTE = /["{}[\]]/g;

/** undefined where the whole value is read as it came. */
export function jsonReader({
  at,
  frame,
  array,
}: JsonInput): ((value: Buffer) => Buffer | OddCode) | undefined {
  const unframe = frame === undefined ? undefined : frameReader(frame);
  if (at === undefined) return unframe;
  const path = pathOf(at);
  const wanted = array === 'explode' ? 'an object or an array' : 'an object';
  return (value) => {
    const json = unframe?.(value) ?? value;
    if (typeof json === 'string') return json;
    if (!isUtf8(json)) return 'UTF8_INVALID';
    const found = valueAt(json.toString(), path);
    if (found === undefined) return 'JSON_INVALID';
    if (found.startsWith('{') || (array === 'explode' && found.startsWith('['))) return Buffer.from(found);
    return `NOT_AN_OBJECT\u001f${at}\u001f${found.slice(0, SHOWN_MAX)}\u001f${wanted}`;
  };
}

const SHOWN_MAX = 120;

function frameReader(frame: 'confluent' | 'glue'): (value: Buffer) => Buffer | OddCode {
  const unframe = frame === 'confluent' ? confluentFrame : glueFrame;
  return (value) => {
    const found = unframe(value);
    return typeof found === 'string' ? found : found.value.subarray(found.at);
  };
}

/** As in AWS Glue: a point between backticks is part of a name. */
export function pathOf(source: string): string[] {
  return [...source.matchAll(/`([^`]*)`(?:\.|$)|([^.]*)(?:\.|$)/g)]
    .slice(0, source.endsWith('.') ? undefined : -1)
    .map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** Its token, `null` where there is none; undefined where a text that is read is not JSON. */
export function valueAt(text: string, path: readonly string[]): string | undefined {
  if (!isJson(text)) return undefined;
  const token = text.trim();
  if (token.startsWith('"')) return valueAt(JSON.parse(token) as string, path);
  const [name, ...rest] = path;
  if (name === undefined) return token;
  const inner = token.startsWith('{') ? memberOf(token, name) : undefined;
  if (inner === undefined) return 'null';
  return rest.length === 0 && !inner.startsWith('"') ? inner : valueAt(inner, rest);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The token of a member of an object that is JSON: of a name that comes twice the first. */
function memberOf(object: string, name: string): string | undefined {
  let at = endOf(SPACE, object, 1);
  while (object[at] === '"') {
    const keyEnd = endOfString(object, at);
    const start = endOf(SPACE, object, endOf(SPACE, object, keyEnd) + 1);
    const end = endOfToken(object, start);
    if (JSON.parse(object.slice(at, keyEnd)) === name) return object.slice(start, end);
    at = endOf(SPACE, object, endOf(SPACE, object, end) + 1);
  }
  return undefined;
}

function endOfToken(text: string, start: number): number {
  if (text[start] === '"') return endOfString(text, start);
  if (text[start] !== '{' && text[start] !== '[') return endOf(PLAIN, text, start);
  let depth = 0;
  BRACKET_OR_QUOTE.lastIndex = start;
  for (let found = BRACKET_OR_QUOTE.exec(text); found !== null; found = BRACKET_OR_QUOTE.exec(text)) {
    if (found[0] === '"') BRACKET_OR_QUOTE.lastIndex = endOfString(text, found.index);
    else depth += found[0] === '{' || found[0] === '[' ? 1 : -1;
    if (depth === 0) return BRACKET_OR_QUOTE.lastIndex;
  }
  return text.length;
}

/** Behind the quote that no escape takes. A pattern would keep a place for each character. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at > 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text[at - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
  return text.length;
}

function endOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : from;
}
