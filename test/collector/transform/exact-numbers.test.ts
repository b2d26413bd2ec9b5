// Numbers keep their digits: as they are written where a column of text takes them, alone or in objects and
// arrays, and wherever else they are read, or the record is quarantined by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Step } from '@sluice/collector/contracts.ts';
import fc from 'fast-check';
import { csvOf } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transform } = oneWindows();

/** A JSON value as its tokens, so that it can be written with white space or without. */
type Tokens = readonly string[];

const digits = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength });
const whole = digits(30).map((text) => text.replace(/^0+(?=.)/, ''));
const number: fc.Arbitrary<Tokens> = fc
  .tuple(
    fc.constantFrom('', '-'),
    whole,
    fc.option(digits(30), { freq: 2 }),
    fc.option(fc.tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), digits(3))),
  )
  .map(([sign, ahead, behind, exponent]) => [
    `${sign}${ahead}${behind === null ? '' : `.${behind}`}${exponent?.join('') ?? ''}`,
  ]);
const texts = [
  '',
  'open',
  '12.50',
  '0',
  '-0',
  '1e3',
  '{"text":1.50}',
  '[1.50]',
  'a "b" \\',
  'ü 😀',
  '\u0004\n',
];
const text: fc.Arbitrary<Tokens> = fc.constantFrom(...texts).map((value) => [JSON.stringify(value)]);
const scalar = fc.oneof(
  number,
  text,
  fc.constantFrom(['true'], ['false'], ['null'], ['1.50'], ['-0'], ['0']),
);
const name = fc.constantFrom('text', 'n', 'ü', 'a "b"', '');

const { value } = fc.letrec<{ value: Tokens; list: Tokens; object: Tokens }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, tie('list'), tie('object')),
  list: fc.array(tie('value'), { maxLength: 4 }).map((all) => ['[', ...separated(all), ']']),
  object: fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map((all) => objectOf(all)),
}));

function separated(all: readonly Tokens[]): Tokens {
  return all.flatMap((one, i) => (i === 0 ? one : [',', ...one]));
}

function objectOf(members: readonly (readonly [string, Tokens])[]): Tokens {
  const told = members.map(([key, of]) => [JSON.stringify(key), ':', ...of]);
  return ['{', ...separated(told), '}'];
}

/** As a reader of doubles would print it: equal in value, and often other digits. */
const printed = (tokens: Tokens): Tokens =>
  tokens.map((one) => (/^-?[0-9]/.test(one) && Number.isFinite(Number(one)) ? String(Number(one)) : one));

/** Whether a column of text holds this value as it should: as it is written, without the white space. */
function holds(found: unknown, tokens: Tokens): boolean {
  const json = tokens.join('');
  if (json === 'null') return found === null;
  return found === (json.startsWith('"') ? JSON.parse(json) : json);
}

const textOf = (source: string, target: string) => ({
  source,
  sourceType: 'string',
  target,
  targetType: 'string',
});
const steps: Step[] = [
  { kind: 'apply_mapping', mappings: [textOf('text', 'text'), textOf('in.text', 'inner')] },
];

const record = fc
  .record({ outer: value, inner: value, space: fc.constantFrom('', '', ' ', '\n\t'), trap: fc.boolean() })
  .map(({ outer, inner, space, trap }) => {
    const other = objectOf([['text', printed(trap ? outer : inner)]]);
    const tokens = objectOf([
      ['unread', other],
      ['text', outer],
      ['in', objectOf([['text', inner]])],
      ['list', ['[', ...printed(outer), ']']],
    ]);
    return { json: tokens.join(space), outer, inner };
  });

test('a column of text holds any JSON value as it is written', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 60, maxLength: 150 }), async (records) => {
      const { rows } = await transform(
        { steps },
        records.map(({ json }) => json),
      );
      assert.equal(rows.length, records.length);
      for (const row of rows) {
        const { outer, inner } = records[Number(row['_offset'])] ?? assert.fail('no such record');
        assert.ok(holds(row['text'], outer), `${row['text']} of ${outer.join('')}`);
        assert.ok(holds(row['inner'], inner), `${row['inner']} of ${inner.join('')}`);
      }
    }),
    { numRuns: 20, interruptAfterTimeLimit: 20_000 },
  );
});

for (const [source, json, wanted] of [
  ['größe', String.raw`{"gr\u00f6\u00dfe":[1.50]}`, '[1.50]'],
  ['größe', String.raw`{"\u0067r\u00f6ße":[0.10],"größe":[0.20]}`, '[0.10]'],
  ['größe', '{"größe":[1.50]}', '[1.50]'],
  ['a"b', String.raw`{"a\"b":[2.50]}`, '[2.50]'],
  ['a.b', String.raw`{"a":{"\u0062":[3.50]},"other":{"b":[3.5]}}`, '[3.50]'],
  ['a.b', '{"a" : { "b" : {"c" : -0, "d": 1E5 } } }', '{"c":-0,"d":1E5}'],
  ['n', '{"n":1.50}', '1.50'],
  ['n', '{"n" : -0, "m":"n"}', '-0'],
  ['n', '{"n":1e5}', '1e5'],
  ['n', '{"n":-1E+400}', '-1E+400'],
  ['n', '{"n":0.10000000000000000000}', '0.10000000000000000000'],
  ['n.x', '{"n":{"x":\t2.0}}', '2.0'],
  ['a.b', '{"b":7.0,"a":{"b":1.50}}', '1.50'],
  ['größe', String.raw`{"gr\u00f6\u00dfe":1.50}`, '1.50'],
  ['größe', '{"größe":100.0}', '100.0'],
  ['a"b', String.raw`{"a\"b":2.50}`, '2.50'],
  ['a/b~c', '{"a/b~c":"2.5","d":2.50}', '2.5'],
  ['n', '{"n":1.50,"n":"1.5"}', '1.50'],
  ['n', '{"n":"1.5","n":1.50}', '1.5'],
  ['n', '{"other":{"n":"1.5"},"n":1.50}', '1.50'],
] as const)
  test(`alone in its window, ${source} of ${json} is '${wanted}'`, async () => {
    const mappings = [textOf(source, 'target')];
    const { rows } = await transform({ steps: [{ kind: 'apply_mapping', mappings }] }, [json]);
    assert.deepEqual(
      rows.map((row) => row['target']),
      [wanted],
    );
  });

const LONG = '0.12345678901234567891';
const decimal = (source: string, target: string) => ({
  source,
  sourceType: 'decimal(38,20)',
  target,
  targetType: 'decimal(38,20)',
});

test('digits are missed where the column reads them and nowhere else', async () => {
  const mappings = [decimal('amount', 'amount'), decimal('in.amount', 'inner')];
  const { rows, quarantine } = await transform({ steps: [{ kind: 'apply_mapping', mappings }] }, [
    `{"amount":0.5,"other":{"amount":${LONG}},"in":{"amount":0.25}}`,
    `{"amount":0.5,"in":{"in":{"amount":${LONG}},"list":[{"amount":${LONG}}]}}`,
    `{"amount":"${LONG}"}`,
    `{"amount":${LONG}}`,
    `{"in":{"other":{"amount":1},"amount":${LONG}}}`,
    String.raw`{"\u0061mount":${LONG}}`,
    `{"amount":${LONG},"amount":0.5}`,
    `{"other":"{","amount":${LONG},"last":"}"}`,
    '{"amount":9007199254804345e-16}',
  ]);
  assert.deepEqual(
    rows.map((row) => row['_offset']),
    ['0', '1'],
  );
  assert.deepEqual(
    quarantine.map((row) => [row['_offset'], row['code']]),
    [['2', 'CAST_FAILED'], ...['3', '4', '5', '6', '7', '8'].map((offset) => [offset, 'NUMBER_INEXACT'])],
  );
});

test('texts that look like numbers, and numbers beside them, stay what each of many records says', async () => {
  const said = (i: number) => ['"1.5"', '1.50', `"${i}e5"`, `${i}.0e1`, '"-0"', '0', '5'][i % 7] ?? '';
  const values = Array.from({ length: 3_000 }, (_, i) => `{"text":${said(i)},"in":{"text":"${i}.10"}}`);
  const { rows } = await transform({ steps }, values);
  assert.deepEqual(
    rows.map((row) => [row['text'], row['inner']]),
    values.map((_, i) => [said(i).replaceAll('"', ''), `${i}.10`]),
  );
});

test('a document in a column of text says what it said in each of many records', async () => {
  const values = Array.from({ length: 3_000 }, (_, i) => `{"text":{"n":${i}.10},"in":{"text":"{${i}"}}`);
  const { rows } = await transform({ steps }, values);
  assert.deepEqual(
    rows.map((row) => [row['text'], row['inner']]),
    values.map((_, i) => [`{"n":${i}.10}`, `{${i}`]),
  );
});

test('a number that is too small for its column is quarantined and never 0, however it came there', async () => {
  const csv = csvOf(['v']);
  const column = (type: string) => [{ name: 'v', type }];
  const narrowed = [{ source: 'v', sourceType: 'double', target: 'v', targetType: 'float' }];
  for (const [table, values] of [
    [{ input: csv, columns: column('double') }, ['1e-400', `0.${'0'.repeat(400)}1`, '0e-400', '0.0']],
    [{ input: csv, columns: column('float') }, ['1e-60', '-0.1e-60', '0e-60', '-0']],
    [
      { columns: column('double'), steps: [{ kind: 'apply_mapping' as const, mappings: narrowed }] },
      ['{"v":1e-60}', '{"v":-1e-60}', '{"v":0.0}', '{"v":0}'],
    ],
  ] as const) {
    const { rows, quarantine } = await transform(table, values);
    assert.deepEqual(
      quarantine.map((row) => [row['_offset'], row['code']]),
      [
        ['0', 'CAST_FAILED'],
        ['1', 'CAST_FAILED'],
      ],
    );
    assert.deepEqual(
      rows.map((row) => [row['_offset'], Math.abs(Number(row['v']))]),
      [
        ['2', 0],
        ['3', 0],
      ],
    );
  }
});

test('a number that is too small inside a nested value of doubles is quarantined and never 0', async () => {
  const columns = [{ name: 'v', type: 'array<struct<d:double,t:int>>' }];
  const { rows, quarantine } = await transform({ columns }, [
    '{"v":[{"d":1e-400,"t":1}]}',
    '{"v":[{"d":0.12345678901234567891,"t":1}],"unread":1e-400}',
    '{"v":[{"d":0e-400,"unread":1e-400}]}',
  ]);
  assert.deepEqual(
    quarantine.map((row) => [row['_offset'], row['code']]),
    [['0', 'NUMBER_INEXACT']],
  );
  assert.deepEqual(
    rows.map((row) => row['_offset']),
    ['1', '2'],
  );
});

test('a number that is too small inside a nested value of a CSV line is quarantined and never 0', async () => {
  const input = { ...csvOf(['v']), delimiter: ';', quote: "'", escape: "'" };
  const columns = [{ name: 'v', type: 'array<double>' }];
  const { rows, quarantine } = await transform({ input, columns }, ['[1e-400]', '[1e-200,0.0]']);
  assert.deepEqual(
    [quarantine.map((row) => row['_offset']), rows.map((row) => row['_offset'])],
    [['0'], ['1']],
  );
});
