// What is JSON (RFC 8259) and what is not, in the manner of the usual suites: y must be read, n must be
// refused as JSON_INVALID, i is left open by the RFC and is pinned here. A record is an object with the text
// under `v`, and once the text itself, which no object is in and which is refused whatever its grammar.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneWindows } from './one-window.ts';

const { transform } = oneWindows();
const columns = [{ name: 'v', type: 'string' }];

const YES = [
  ['an empty array', '[]'],
  ['an array with space in it', '[ ]'],
  ['arrays in arrays', '[[[]]]'],
  ['an empty object', '{}'],
  ['an empty name', '{"":0}'],
  ['a name with an escape', '{"\\u0041":1}'],
  ['a name twice', '{"a":1,"a":2}'],
  ['true, false and null', '[true,false,null]'],
  ['zero', '0'],
  ['minus zero', '-0'],
  ['an exponent', '[1e2,1E+2,1e-2,0e1,0.0e0]'],
  ['a fraction', '1.25'],
  ['every short escape', '"\\"\\\\\\/\\b\\f\\n\\r\\t"'],
  ['a pair of surrogates', '"\\uD834\\uDD1E"'],
  ['an escaped NUL', '"\\u0000"'],
  ['a DEL', '"\u007f"'],
  ['a line separator', '"\u2028"'],
  ['a non-character', '"\uffff"'],
  ['every white space', ' \t\r\n1 \t\r\n'],
  ['a word that looks like a comment', '"/* a */ // b"'],
] as const;

const NO = [
  ['a comma at the end of an array', '[1,]'],
  ['a comma at the end of an object', '{"a":1,}'],
  ['two commas', '[1,,2]'],
  ['a comma first', '[,1]'],
  ['no comma', '[1 2]'],
  ['no colon', '{"a" 1}'],
  ['two colons', '{"a"::1}'],
  ['a name without quotes', '{a:1}'],
  ['single quotes', "{'a':1}"],
  ['a number as a name', '{1:1}'],
  ['an open array', '[1'],
  ['an open object', '{"a":1'],
  ['an open string', '"a'],
  ['the wrong bracket', '[1}'],
  ['a bracket too many', '[1]]'],
  ['a plus sign', '+1'],
  ['a zero in front', '01'],
  ['a zero behind the sign', '-01'],
  ['no digit before the point', '.5'],
  ['no digit behind the point', '1.'],
  ['no digit in the exponent', '1e'],
  ['a sign alone', '-'],
  ['hexadecimal', '0x1'],
  ['an underscore in a number', '1_000'],
  ['a space in a number', '1 000'],
  ['NaN', 'NaN'],
  ['nan', 'nan'],
  ['Infinity', 'Infinity'],
  ['minus Infinity', '-Infinity'],
  ['True', 'True'],
  ['half a word', 'nul'],
  ['a bare word', 'undefined'],
  ['an escape that is none', '"\\x41"'],
  ['half an escape', '"\\u00"'],
  ['an escape without hex', '"\\u00zz"'],
  ['a raw line break in a string', '"a\nb"'],
  ['a raw tab in a string', '"a\tb"'],
  ['a raw NUL in a string', '"a\0b"'],
  ['a comment', '1/* a */'],
  ['a comment to the end', '1 // a'],
  ['a form feed as space', '\f1'],
  ['a no-break space', '\u00a01'],
  ['a byte order mark', '\ufeff1'],
  ['nothing', ''],
] as const;

/** What the RFC leaves open: refused where reading it would alter it. */
const OPEN = [
  ['a lone high surrogate', '"\\uD800"', 'JSON_INVALID'],
  ['a lone low surrogate', '"\\uDC00"', 'JSON_INVALID'],
  ['surrogates the wrong way round', '"\\uDD1E\\uD834"', 'JSON_INVALID'],
  ['a number of many digits', '123456789012345678901234567890', undefined],
  ['a hundred brackets', `${'['.repeat(100)}${']'.repeat(100)}`, undefined],
] as const;

const cases = [
  ...YES.map(([what, text]) => ({ what: `y: ${what}`, text, code: undefined })),
  ...NO.map(([what, text]) => ({ what: `n: ${what}`, text, code: 'JSON_INVALID' })),
  ...OPEN.map(([what, text, code]) => ({ what: `i: ${what}`, text, code })),
];

/** All of them in one window, so that none may harm another. */
const window = transform(
  { columns },
  cases.map(({ text }) => `{"v":${text}}`),
);
/** One by one: the fast way, too, meets each alone. */
for (const [offset, { what, text, code }] of cases.entries()) {
  test(what, async () => {
    const { rows, quarantine } = await window;
    const found = quarantine.find((record) => record['_offset'] === String(offset));
    assert.equal(found?.['code'], code);
    assert.equal(rows.filter((row) => row['_offset'] === String(offset)).length, code === undefined ? 1 : 0);
    const alone = await transform({ columns }, [text]);
    const first = alone.quarantine[0]?.['code'];
    const isObject = /^[ \t\r\n]*\{/.test(text);
    if (code === undefined) assert.equal(first, isObject ? undefined : 'NOT_AN_OBJECT');
    else assert.ok(first === 'JSON_INVALID' || first === 'NOT_AN_OBJECT', String(first));
  });
}
