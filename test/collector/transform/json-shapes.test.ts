// A shape that was learned of one record may only say of others what a close look says of them, whatever they
// are: what it covers has nothing loose, nothing that loses digits, and nothing that is not plain.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonShapes } from '@sluice/collector/transform/json-shapes.ts';
import { PlainValues } from '@sluice/collector/transform/plain-values.ts';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import { type PlainForms, plainForms } from '@sluice/collector/transform/sql/plain-forms.ts';
import { jsonRules, StrictLook } from '@sluice/collector/transform/strict-json.ts';
import fc from 'fast-check';
import { plainTable } from '../../support/written-lake.ts';
import { chunkOfValues, SEPARATOR } from './json-chunk.ts';

const columns = Object.entries({
  n: 'int',
  big: 'bigint',
  real: 'double',
  flag: 'boolean',
  day: 'date',
  at: 'timestamp',
  text: 'string',
  großtext: 'string',
  price: 'decimal(10,2)',
  who: 'struct<name:string,age:int,home:struct<city:string>>',
  lines: 'array<struct<sku:string,qty:int,unit:double>>',
}).map(([name, type]) => ({ name, type }));
const { source } = planFields({ ...plainTable, columns });
const wanted = new Map([['text', '-?[0-9]{1,15}(?:\\.[0-9]{1,15})?']]);
const rules = jsonRules(source, '\u001eelement');

const shapesOf = (forms = plainForms(source)) =>
  new JsonShapes({ forms, texts: rules.texts, separator: SEPARATOR });

const pieceOf = (values: readonly string[]) =>
  Buffer.from(values.map((value) => value + SEPARATOR).join('')).toString('latin1');

/** Of values that come after `first`, each a piece of its own. */
function covered(first: string, ...values: readonly string[]): string[] {
  return values.filter((value) => {
    const shapes = shapesOf();
    assert.equal(shapes.cover(pieceOf([first])), true, first);
    return shapes.cover(pieceOf([value]));
  });
}

/** What a close look finds, and for documents, of which it only has a suspicion, what is there. */
function assertNothingFound(values: readonly string[], forms: PlainForms): void {
  const chunk = chunkOfValues(values);
  const plain = new PlainValues(forms);
  new StrictLook(chunk, rules, { also: (text) => plain.look(text) }).end();
  assert.deepEqual(
    { odd: chunk.odd, isPlain: plain.end(chunk) },
    { odd: [], isPlain: true },
    values.join('\n'),
  );
  for (const value of values) {
    const record = JSON.parse(value) as Record<string, unknown>;
    for (const name of ['text', 'großtext']) assert.notEqual(typeof (record[name] ?? ''), 'object', value);
  }
}

const FIRST =
  '{"n":1,"text":"a","other":[{"x":1.5,"y":null},{"x":2,"y":"z"}],"who":{"name":"b","home":{"city":"c"}},"flag":true}';

test('records of the same names in the same order are covered, whatever plain values they have', () => {
  const same = [
    FIRST,
    '{"n":-7,"text":"\\u00fc \\"q\\"","other":[],"who":{"name":null,"home":{"city":""}},"flag":null}',
    '{"n":null,"text":"ü","other":[{"x":1,"y":null}],"who":{"name":"b","home":{"city":"c"}},"flag":false}',
  ];
  assert.deepEqual(covered(FIRST, ...same), same);
  const spaced = '{ "n": 1, "text": "a", "lines": [ {"qty": 1} ] }';
  const alike = '{"n":2,"text":"b","lines":[{"qty":5},\n\t{"qty":6}]}';
  assert.deepEqual(covered(spaced, alike), [alike]);
});

const REFUSED = [
  '{"n":1,}',
  '{"n":NaN}',
  '{"n":-Infinity}',
  '{"n":01}',
  '{"n":+1}',
  '{"n":1.}',
  '{"n":1.5}',
  '{"n":1e3}',
  '{"n":-0}',
  '{"n":2000000000}',
  '{"n":"1"}',
  '{"n":[1]}',
  '{"n":1}}',
  '{"n":1}{"n":1}',
  '{"n":1',
  '{"\\u006e":1}',
  'null',
  '',
];
test('what is loose, not plain or of another shape is covered by no shape of a plain record', () => {
  assert.deepEqual(covered('{"n":1}', ...REFUSED), []);
  const texts = ['{"text":{"a":1}}', '{"text":[]}', '{"text":5}', '{"text":"a\tb"}', '{"text":"\\x"}'];
  assert.deepEqual(covered('{"text":"a"}', ...texts), []);
});

test('a number of which a double holds less than all digits is covered nowhere', () => {
  const long = ['12345678901234567', '1.2345678901234567', '1e-400', '0.00000000000000001', '9'.repeat(400)];
  for (const name of ['other', 'big', 'real', 'price'])
    assert.deepEqual(covered(`{"${name}":1}`, ...long.map((number) => `{"${name}":${number}}`)), []);
});

test('an object where a text is wanted is nothing to learn from, whatever letters its name has', () => {
  for (const name of ['text', 'großtext'])
    assert.equal(shapesOf().cover(pieceOf([`{"${name}":{"a":1}}`])), false, name);
  assert.equal(shapesOf().cover(pieceOf(['{"other":{"a":1}}'])), true);
});

test('a form that the first step wants is asked for', () => {
  const shapes = shapesOf(plainForms(source, wanted));
  assert.equal(shapes.cover(pieceOf(['{"text":"1.50"}', '{"text":"-7"}', '{"text":null}'])), true);
  assert.equal(shapes.cover(pieceOf(['{"text":"1.50"}', '{"text":"1e5"}'])), false);
});

test('some shapes are known beside each other, and after enough strange pieces none is tried any more', () => {
  const shapes = shapesOf();
  const four = ['{"n":1}', '{"n":1,"flag":true}', '{"flag":true}', '{"real":0.5}'];
  assert.equal(shapes.cover(pieceOf(four)), true);
  const fifth = pieceOf(['{"day":"2026-01-02"}']);
  for (let i = 0; i < 15; i++) assert.equal(shapes.cover(fifth), false);
  assert.equal(shapes.cover(pieceOf(four)), true);
  for (let i = 0; i < 16; i++) assert.equal(shapes.cover(fifth), false);
  assert.equal(shapes.cover(pieceOf(four)), false);
});

test('a piece that is broken in its last record, or that was learned of a strange one, is refused at once', () => {
  const record =
    '{"n":1234567,"real":0.12345678,"at":"2026-01-02T03:04:05.120000000Z","other":{"a":[],"b":[ ],"c":{ },"d":null},"text":"\\\\\\"x"}';
  const started = performance.now();
  const shapes = shapesOf();
  const many = Array.from({ length: 600 }, () => record);
  assert.equal(shapes.cover(pieceOf(many)), true);
  for (const broken of [`${record}}`, record.replace('"x"', '"x'), record.replace('000Z', '000Zx')])
    assert.equal(shapes.cover(pieceOf([...many, broken])), false);
  for (const strange of [
    '[',
    '{"a":'.repeat(900),
    `{"a":"${'\\\\'.repeat(3_000)}`,
    `{"a":${'['.repeat(4_000)}`,
  ])
    for (const value of [strange, `{"n":1,"b":${strange}}`, `${record}${strange}`])
      assert.equal(shapesOf().cover(pieceOf([value, value])), false);
  const spaces = `{"a":{${' '.repeat(4_000)}},"b":[${' '.repeat(3_000)}]}`;
  assert.equal(shapes.cover(pieceOf([spaces, `${spaces.slice(0, -1)} ,}`])), false);
  const tookMs = performance.now() - started;
  assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
});

test('a giant value and a giant record are looked at in the other way', () => {
  assert.equal(shapesOf().cover(pieceOf([`{"text":"${'x'.repeat(200_000)}"}`])), false);
  const wide = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`f${i}`, i]));
  assert.equal(shapesOf().cover(pieceOf([JSON.stringify(wide)])), false);
});

test('a record that fails at its end, or the last of a piece, is tried in one way and not in 2^60', () => {
  const many = (one: unknown) => JSON.stringify(Array(60).fill(one));
  const ambiguous = [
    { first: '{"other":[1],"end":1}', last: `{"other":${many(7)},"end":1e5}` },
    {
      first: '{"other": [{ }],"end":1}',
      last: `{"other": ${many({}).replaceAll('{}', '{    }')},"end":1e5}`,
    },
    {
      first: '{"other":[{"at":"2026-01-02"}],"end":1}',
      last: `{"other":${many({ at: '2026-01-02T03:04:05.000000Z' })},"end":1e5}`,
    },
  ];
  for (const { first, last } of ambiguous) assert.deepEqual(covered(first, last), [], first);
  const shapes = shapesOf();
  const ofBoth = '{"other":[],"end":1}';
  assert.equal(shapes.cover(pieceOf([ofBoth, '{"other":["x"],"end":1}'])), true);
  assert.equal(shapes.cover(pieceOf([...Array(60).fill(ofBoth), '{"other":[],"end":1e5}'])), false);
  assert.equal(shapes.cover(pieceOf(Array(60).fill(ofBoth))), true);
});

test('a record nested as deep as it may be is nothing to learn from, and fails nothing', () => {
  for (const depth of [8, 14, 30, 4_000]) {
    const value = `{"other":${'['.repeat(depth)}1${']'.repeat(depth)}}`;
    assert.equal(shapesOf().cover(pieceOf([value])), false, `${depth} arrays`);
  }
  assert.equal(shapesOf().cover(pieceOf([`${'{"other":'.repeat(900)}1${'}'.repeat(900)}`])), false);
  assert.equal(shapesOf().cover(pieceOf([`{"other":${'['.repeat(4)}1${']'.repeat(4)}}`])), true);
});

test('so many records are learned from in a window, whether they give a shape or not', () => {
  const shapes = shapesOf();
  assert.equal(shapes.cover(pieceOf(['{"n":1}'])), true);
  const inVain = (i: number) => pieceOf([`{"other${i}":1e5}`]);
  for (let i = 0; i < 15; i++) {
    assert.equal(shapes.cover(inVain(i)), false);
    assert.equal(shapes.cover(pieceOf(['{"n":1}'])), true);
  }
  assert.equal(shapes.cover(pieceOf(['{"flag":true}'])), false);
});

const scalar = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -0.5,
    7,
    2 ** 31,
    1e21,
    '',
    'x',
    '7',
    '2026-01-02',
    'ü "q"\\',
    '\u0001',
  ),
  fc.string({ unit: 'grapheme' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
);
const nested = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.record({ name: scalar, x: scalar }));
const fitting = fc.record(
  {
    n: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    text: fc.oneof(fc.string(), fc.constantFrom('1', '-2.5')),
    at: fc.constantFrom('2026-01-02T03:04:05Z', '2026-01-02'),
    großtext: fc.string(),
    who: fc.record({ name: fc.string(), age: fc.nat(99) }),
    lines: fc.array(fc.record({ qty: fc.nat(99) }), { maxLength: 2 }),
    other: nested,
  },
  { requiredKeys: ['n', 'text'] },
);
/** Bytes of JSON, and what makes it loose, put in somewhere or in place of what was there. */
const slip = fc.record({
  at: fc.nat(),
  cut: fc.nat(4),
  put: fc.constantFrom(
    '',
    ',',
    '}',
    ']',
    '"',
    '\\',
    '0',
    '1e5',
    '-',
    ' ',
    '.5',
    'NaN',
    '{}',
    '[]',
    '\u0000',
    ':',
  ),
});

function slipped(text: string, { at, cut, put }: { at: number; cut: number; put: string }): string {
  const from = at % (text.length + 1);
  return text.slice(0, from) + put + text.slice(from + cut);
}

test('what is covered has nothing that a close look finds, of random records and of broken ones', () => {
  let [coveredPieces, pieces] = [0, 0];
  for (const forms of [plainForms(source), plainForms(source, wanted)]) {
    const property = fc.property(
      fc.array(fc.tuple(fitting, fc.option(slip, { freq: 3 })), { minLength: 1, maxLength: 4 }),
      (records) => {
        const values = records.flatMap(([one, slip]) => {
          const text = JSON.stringify(one);
          return slip === null ? [text] : [text, slipped(text, slip)];
        });
        const shapes = shapesOf(forms);
        for (const value of values) {
          pieces++;
          if (!shapes.cover(pieceOf([value]))) continue;
          coveredPieces++;
          assertNothingFound([value], forms);
        }
        if (shapesOf(forms).cover(pieceOf(values))) assertNothingFound(values, forms);
      },
    );
    fc.assert(property, { numRuns: 400 });
  }
  assert.ok(coveredPieces > pieces / 10, `${coveredPieces} of ${pieces} were covered`);
});
