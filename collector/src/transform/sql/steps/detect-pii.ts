// detect_pii: personal data inside texts, found by form and, where it has one, by its check sum: card numbers
// by Luhn's, IBANs by mod 97. Finds are redacted, masked or hashed where they stand, or only reported. What
// has no form - a name, an address - is not found.
import type { PiiEntity, StepOf } from '../../../step-config.ts';
import { arrayOf, literal } from '../types.ts';
import { hmac, masked } from './hiding.ts';
import { IBANS } from './iban.ts';
import {
  type Field,
  type Made,
  type Place,
  type PlannedStep,
  rowStep,
  type Scope,
  sure,
  TEXT,
  withColumns,
} from './step.ts';

interface Pattern {
  readonly form: string;
  /** How often it is looked for: from the second time on behind the beginnings of what was found before. */
  readonly passes: number;
}

interface Entity {
  /** Each is looked for by itself. */
  readonly patterns: readonly Pattern[];
  /** SQL that a find must meet as well. */
  valid?(find: string): string;
}

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const IPV4 = String.raw`(?:${OCTET}\.){3}${OCTET}\b`;
const HEX = '[0-9A-Fa-f]{1,4}';
/**
 * IPv6 (RFC 4291, 2.2): with an IPv4 address at its end, whole, or with one `::`, which stands in front,
 * inside, or behind two groups.
 */
const IPV6 = [
  String.raw`(?:\B::|\b(?:${HEX}:){1,6}:?)(?:${HEX}:){0,5}${IPV4}`,
  String.raw`\b(?:${HEX}:){7}${HEX}\b`,
  String.raw`\b(?:${HEX}:){1,6}(?::${HEX}){1,6}\b`,
  String.raw`\B::(?:${HEX}:){0,6}${HEX}\b`,
  String.raw`\b(?:${HEX}:){2,7}:\B`,
].join('|');
const SSN_AREA = '(?:00[1-9]|0[1-9][0-9]|[1-578][0-9]{2}|6(?:[0-57-9][0-9]|6[0-57-9]))';
const SSN_REST = '(?:0[1-9]|[1-9][0-9])-(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})';
/** Letters and digits of any script: names and domains are no longer ASCII alone (RFC 6531, RFC 5890). */
const LETTER = String.raw`\p{L}\p{M}\p{N}`;
const LAST_LABEL = String.raw`(?:xn--[0-9A-Za-z-]+|\p{L}[\p{L}\p{M}]+)`;

function once(form: string): readonly Pattern[] {
  return [{ form, passes: 1 }];
}

const ENTITIES: Readonly<Record<PiiEntity, Entity>> = {
  iban: {
    patterns: IBANS,
    valid: validIban,
  },
  credit_card: {
    patterns: once(
      String.raw`\b(?:[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{5}|[0-9]{13,19})\b`,
    ),
    valid: validCard,
  },
  ssn: { patterns: once(String.raw`\b${SSN_AREA}-${SSN_REST}\b`) },
  email: { patterns: once(String.raw`[${LETTER}_][${LETTER}._%+'-]*@(?:[${LETTER}-]+\.)+${LAST_LABEL}`) },
  ip: { patterns: once(String.raw`${IPV6}|\b${IPV4}`) },
  phone: {
    patterns: once(
      String.raw`\+[1-9](?:[ ./()-]{0,2}[0-9]){6,14}\b|(?:\([0-9]{3}\) ?|\b[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4}\b`,
    ),
  },
};

/** What has a narrower form is looked for first. */
const ORDER = Object.keys(ENTITIES) as PiiEntity[];

export function planDetectPii(step: StepOf<'detect_pii'>, scope: Scope): PlannedStep {
  const { column, action } = step;
  const entities = ORDER.filter((entity) => step.entities.includes(entity));
  const fields = step.fields.map((name) => scope.find(name));
  for (const { name, type } of fields)
    if (type.kind !== 'string') scope.problem(`detect_pii: '${name}' is ${type.glue} and no text`);
  if (action === 'report' && column === undefined) scope.problem("detect_pii: report needs 'column'");
  if (action === 'hash' && step.keyFile === undefined) scope.problem("detect_pii: hash needs 'key'");
  const instead = replacement(step, scope);
  const steps: PlannedStep[] = [];
  let { fields: known } = scope;
  const add = (made: readonly Made[]) => {
    const next = rowStep(withColumns(known, made));
    steps.push(next);
    known = next.fields;
  };
  if (column !== undefined) add([found(column, { entities, fields, scope })]);
  for (const entity of action === 'report' ? [] : entities)
    add(
      fields.map((field) => {
        const text = scope.column(field);
        return { ...field, computed: sure(field.name, replaced(text, entity, instead(entity))) };
      }),
    );
  return chained(steps, known);
}

function replacement(
  { action, keyFile }: StepOf<'detect_pii'>,
  scope: Scope,
): (entity: PiiEntity) => (find: string) => string {
  if (action === 'mask') return () => (find) => masked(find, '*');
  if (action === 'hash') {
    const key = scope.secret(keyFile ?? '');
    return () => (find) => hmac(find, key);
  }
  return (entity) => () => literal(`[${entity.toUpperCase()}]`);
}

function finds(text: string, entity: PiiEntity): string {
  const { patterns, valid } = ENTITIES[entity];
  const found = patterns.map((pattern) => findsOf(text, pattern));
  const all = found.length === 1 ? found.join() : `list_concat(${found.join(', ')})`;
  return valid === undefined ? all : `list_filter(${all}, lambda __f: ${valid('__f')})`;
}

/** A beginning behind an underscore is none: what was found before is not found again. */
function findsOf(text: string, { form, passes }: Pattern): string {
  const [all, over] = [
    `regexp_extract_all(__a.t, ${literal(form)})`,
    `regexp_replace(__a.t, ${literal(form)}, '_\\0', 'g')`,
  ];
  if (passes === 1) return `regexp_extract_all(${text}, ${literal(form)})`;
  const begin = `list_transform(range(${passes + 1}), lambda __n: {'t': ${text}, 'f': []::VARCHAR[]})`;
  return `list_reduce(${begin}, lambda __a, __x: {'t': ${over}, 'f': list_concat(__a.f, ${all})}).f`;
}

function isIn(text: string, entity: PiiEntity): string {
  const { patterns, valid } = ENTITIES[entity];
  const matches = patterns.map(({ form }) => `regexp_matches(${text}, ${literal(form)})`).join(' OR ');
  return valid === undefined ? matches : `((${matches}) AND len(${finds(text, entity)}) > 0)`;
}

/** Different finds in a text that are hidden wherever they stand in it: each takes a pass over the text. */
const EVERYWHERE_MAX = 256;
/** A shorter text has too few for it to matter, and is not asked. */
const COUNTED_BYTES_MIN = 8 * 2 ** 10;

type Instead = (find: string) => string;

function replaced(text: string, entity: PiiEntity, instead: Instead): string {
  const count = `len(list_distinct(${finds(text, entity)}))`;
  const isFull = `CASE WHEN strlen(${text}) >= ${COUNTED_BYTES_MIN} THEN ${count} > ${EVERYWHERE_MAX} ELSE false END`;
  const hidden = `CASE WHEN ${isFull} THEN ${whereFound(text, entity, instead)} ELSE ${everywhere(text, entity, instead)} END`;
  return `CASE WHEN ${isIn(text, entity)} THEN ${hidden} ELSE ${text} END`;
}

/** Longer finds first: a short one may be part of a long one. */
function everywhere(text: string, entity: PiiEntity, instead: Instead): string {
  const byLength = `list_sort(list_transform(list_distinct(${finds(text, entity)}), lambda __f: {'n': -length(__f), 'f': __f}))`;
  const each = `list_transform(${byLength}, lambda __s: __s.f)`;
  return `list_reduce(list_prepend(${text}, ${each}), lambda __t, __f: replace(__t, __f, ${instead('__f')}))`;
}

/**
 * In one pass: each find is set between marks, and every second piece is one. A mark that was there before is
 * doubled, so that an empty piece stands between.
 */
function whereFound(text: string, entity: PiiEntity, instead: Instead): string {
  const { patterns, valid } = ENTITIES[entity];
  const isNone = valid === undefined ? 'false' : `NOT (${valid('__p')})`;
  return patterns.reduce((rest, { form, passes }) => {
    const none = passes === 1 ? '__p' : `(${PASSED} || '_' || __p)`;
    const piece = `CASE WHEN __n % 2 = 1 THEN __p WHEN __p = '' THEN ${MARK} WHEN ${isNone} THEN ${none} ELSE ${instead('__p')} END`;
    const told = (of: string) =>
      `regexp_replace(replace(${of}, ${MARK}, ${MARK} || ${MARK}), ${literal(form)}, ${MARK} || '\\0' || ${MARK}, 'g')`;
    const pass = (of: string) =>
      `array_to_string(list_transform(string_split(${told(of)}, ${MARK}), lambda __p, __n: ${piece}), '')`;
    if (passes === 1) return pass(rest);
    const doubled = `replace(${rest}, ${PASSED}, ${PASSED} || ${PASSED})`;
    const begin = `list_transform(range(${passes + 1}), lambda __i: ${doubled})`;
    return `regexp_replace(list_reduce(${begin}, lambda __t, __x: ${pass('__t')}), '\\x05(?:(\\x05)|_)', '\\1', 'g')`;
  }, text);
}

const MARK = 'chr(4)';
/** Before what was found and is none. One that was there before is doubled meanwhile. */
const PASSED = 'chr(5)';

function found(
  column: string,
  { entities, fields, scope }: { entities: readonly PiiEntity[]; fields: readonly Field[]; scope: Scope },
): Made {
  const each = entities.map((entity) => {
    const anywhere = fields.map((field) => isIn(scope.column(field), entity)).join(' OR ');
    return `CASE WHEN ${anywhere} THEN ${literal(entity)} END`;
  });
  const computed = sure(column, `list_filter([${each.join(', ')}], lambda __x: __x IS NOT NULL)`);
  return { name: column, type: arrayOf(TEXT) ?? TEXT, computed };
}

function chained(steps: readonly PlannedStep[], fields: readonly Field[]): PlannedStep {
  return {
    fields,
    layers: (at: Place) => {
      let { from } = at;
      return steps.flatMap((step, i) => {
        const name = i === steps.length - 1 ? at.name : `${at.name}_${i}`;
        const layers = step.layers({ ...at, from, name });
        from = name;
        return layers;
      });
    },
  };
}

/** Luhn: from the right every second digit is doubled, and its digits added. */
function validCard(find: string): string {
  const digits = `reverse(regexp_replace(${find}, '[^0-9]', '', 'g'))`;
  const values = `list_transform(string_split(${digits}, ''), lambda __d, __i: CASE WHEN __i % 2 = 0 THEN (__d::INT * 2) // 10 + (__d::INT * 2) % 10 ELSE __d::INT END)`;
  return `list_sum(${values}) % 10 = 0`;
}

/** ISO 7064: the first four characters behind the others, letters as 10 to 35, and 1 left of 97. */
function validIban(find: string): string {
  const text = `replace(${find}, ' ', '')`;
  const turned = `string_split(substr(${text}, 5) || substr(${text}, 1, 4), '')`;
  const values = `list_transform(${turned}, lambda __c: CASE WHEN __c >= 'A' THEN ascii(upper(__c)) - 55 ELSE __c::INT END)`;
  const rest = `list_reduce(list_prepend(0, ${values}), lambda __r, __v: (CASE WHEN __v > 9 THEN __r * 100 ELSE __r * 10 END + __v) % 97)`;
  return `${rest} = 1`;
}
