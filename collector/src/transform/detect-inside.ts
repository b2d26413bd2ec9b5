// What is around the objects of a sample, or makes fields of its lines: the envelope of Kafka Connect, an
// array alone in its object, the frame of a JSON Schema serializer, a log format that many servers write.
// Only what nearly all values have is proposed. Pure.
import { isUtf8 } from 'node:buffer';
import type { JsonInput } from '../contracts.ts';
import { valueAt } from './json-inside.ts';
import { parseObject } from './seen-values.ts';
import { textPattern } from './text-pattern.ts';

/** Below this share of values it is no rule. */
export const SHARE_MIN = 0.9;
const FRAME_BYTES = 5;

export type Wrapping = Omit<JsonInput, 'kind'>;

type Json = Readonly<Record<string, unknown>>;

export interface FoundObjects {
  readonly wrapping: Wrapping;
  /** Their numbers as tokens. */
  readonly objects: readonly Json[];
  /** How many values, or elements of them, there are that should be objects. */
  readonly values: number;
}

export function findObjects(values: readonly Buffer[]): FoundObjects {
  const framed = values.filter((value) => value[0] === 0 && value.length > FRAME_BYTES);
  if (!isRule(framed.length, values.length)) return openedObjects(values.map(textOf), {});
  const found = openedObjects(
    framed.map((value) => textOf(value.subarray(FRAME_BYTES))),
    { frame: 'confluent' },
  );
  // Frames of Avro and Protobuf look alike.
  const isJson = isRule(found.objects.length, found.values);
  return isJson ? { ...found, values: found.values + values.length - framed.length } : openedObjects([], {});
}

const isRule = (part: number, whole: number) => part > 0 && part / whole >= SHARE_MIN;
const textOf = (value: Buffer) => (isUtf8(value) ? value.toString() : '');

function openedObjects(texts: readonly string[], frame: Wrapping): FoundObjects {
  const objects = objectsOf(texts);
  const isEnvelope = objects.filter(
    (object) => keysOf(object) === 'payload,schema' && isObject(object['payload']),
  );
  if (isRule(isEnvelope.length, objects.length)) {
    const inner = objectsOf(texts.map((text) => valueAt(text, ['payload']) ?? ''));
    return { wrapping: { ...frame, at: 'payload' }, objects: inner, values: texts.length };
  }
  const name = arrayName(objects);
  if (name === undefined) return { wrapping: frame, objects, values: texts.length };
  const elements = objects.flatMap((object) =>
    Array.isArray(object[name]) ? (object[name] as unknown[]) : [object],
  );
  const inner = elements.filter(isObject);
  const at = name.includes('.') ? `\`${name}\`` : name;
  const others = texts.length - objects.length;
  return { wrapping: { ...frame, at, array: 'explode' }, objects: inner, values: elements.length + others };
}

function objectsOf(texts: readonly string[]): Json[] {
  return texts.map(parseObject).filter((object) => object !== undefined);
}

const keysOf = (object: Json) => Object.keys(object).sort().join();
/** A number that kept its token is an instance of a class. */
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** The one name that objects have, where an array of objects stands behind it. */
function arrayName(objects: readonly Json[]): string | undefined {
  const [name, ...more] = Object.keys(objects[0] ?? {});
  if (name === undefined || more.length > 0 || name === '' || name.includes('`')) return undefined;
  const lists = objects.filter((object) => {
    const value = object[name];
    return Object.keys(object).length === 1 && Array.isArray(value) && value.every(isObject);
  });
  return isRule(lists.length, objects.length) ? name : undefined;
}

/** Of more fields first; each as docs/recipes.md has it. */
const LOGS = [
  '%{HTTPD_COMMONLOG} "(?:-|%{DATA:referrer})" "(?:-|%{DATA:agent})"',
  '%{COMMONAPACHELOG}',
  '%{SYSLOG5424LINE}',
  '<%{NONNEGINT:priority:int}>%{SYSLOGLINE}',
  '%{SYSLOGLINE}',
];
/** JavaScript tries again where RE2 does not: its patterns see few lines, and short ones. */
const LINES_MAX = 1_000;
const LINE_CHARACTERS_MAX = 4_000;

/** The grok pattern that nearly all lines match. */
export function logPattern(values: readonly Buffer[]): string | undefined {
  const lines = values.slice(0, LINES_MAX).map((value) => textOf(value).slice(0, LINE_CHARACTERS_MAX));
  return LOGS.find((pattern) => {
    const { regex } = textPattern({ kind: 'grok', pattern, patterns: {} });
    const whole = new RegExp(regex.replace(/^\\A/, '^').replace(/\\z$/, '$'), 's');
    return isRule(lines.filter((line) => whole.test(line)).length, lines.length);
  });
}
