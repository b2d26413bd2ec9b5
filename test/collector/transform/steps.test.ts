// Each step that makes one row of one row, against a reference.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { Bad, behaves, maybe, parseSteps, type Row, transform } from './step-cases.ts';

const word = fc.constantFrom('', 'a', 'Ada', 'ü', '😀x', 'one two', "it's", 'a,b', 'a,b,c', ',', '%_');
const small = fc.integer({ min: -9, max: 9 });

behaves('rename_field and drop_fields change names and nothing else', {
  columns: { a: 'string', b: 'int', c: 'int' },
  steps: [{ rename_field: { a: 'x' } }, { drop_fields: ['c'] }],
  record: fc.record({ a: maybe(word), b: maybe(small), c: small }),
  reference: ({ a, b }) => ({ x: a, b }),
});

behaves('derive computes what fits its type exactly, and quarantines what does not or throws', {
  columns: { n: 'int', d: 'int', s: 'string' },
  steps: [
    {
      derive: [
        { column: 'ratio', type: 'int', expression: 'CASE WHEN d = 0 THEN s::INT ELSE n / d END' },
        { column: 's', type: 'string', expression: "s || '!'" },
      ],
    },
  ],
  record: fc.record({ n: maybe(small), d: small, s: maybe(word) }),
  reference({ n, d, s }) {
    const text = s === null ? null : `${s}!`;
    if (d === 0) return s === null ? { n, d, s: text, ratio: null } : new Bad('DERIVE_FAILED', 'ratio');
    const ratio = n === null ? null : Number(n) / Number(d);
    if (ratio !== null && !Number.isInteger(ratio)) return new Bad('CAST_FAILED', 'ratio');
    return { n, d, s: text, ratio: ratio === 0 ? 0 : ratio };
  },
});

behaves('fill_missing puts a constant or an expression in place of NULL and nowhere else', {
  columns: { s: 'string', n: 'bigint', amount: 'decimal(10,2)' },
  steps: [
    {
      fill_missing: [
        { column: 's', value: "it's none" },
        { column: 'n', expression: 'length(s) * 10' },
        { column: 'amount', value: 1.5 },
      ],
    },
  ],
  record: fc.record({ s: maybe(word), n: maybe(small), amount: maybe(fc.constantFrom(0, 2.25)) }),
  reference({ s, n, amount }) {
    const length = s === null ? null : [...String(s)].length * 10;
    const filled = n ?? length;
    return {
      s: s ?? "it's none",
      n: filled === null ? null : String(filled),
      amount: Number(amount ?? 1.5).toFixed(2),
    };
  },
});

behaves('concat joins texts of any column and leaves NULL out', {
  columns: { a: 'string', b: 'int', c: 'boolean' },
  steps: [{ concat: { column: 'all', fields: ['a', 'b', 'c'], separator: ", '" } }],
  record: fc.record({ a: maybe(word), b: maybe(small), c: maybe(fc.boolean()) }),
  reference: ({ a, b, c }) => ({ a, b, c, all: [a, b, c].filter((x) => x !== null).join(", '") }),
});

behaves('split_string makes an array of all parts', {
  columns: { s: 'string' },
  steps: [{ split_string: { field: 's', separator: ',', column: 'parts' } }],
  record: fc.record({ s: maybe(word) }),
  reference: ({ s }) => ({ s, parts: s === null ? null : String(s).split(',') }),
});

behaves('split_string into columns quarantines a text with more or fewer parts', {
  columns: { s: 'string' },
  steps: [{ split_string: { field: 's', separator: ',', into: ['left_part', 'right_part'] } }],
  record: fc.record({ s: maybe(word) }),
  reference({ s }) {
    if (s === null) return { s, left_part: null, right_part: null };
    const [left, right, ...more] = String(s).split(',');
    if (right === undefined || more.length > 0) return new Bad('SPLIT_FAILED', 's');
    return { s, left_part: left, right_part: right };
  },
});

const codes = fc.constantFrom('AB-12', 'x AB-12 y', 'AB-', '12', '', 'CD-7');
behaves('regex_extract takes groups out of a text and quarantines one without a match', {
  columns: { s: 'string' },
  steps: [{ regex_extract: { field: 's', pattern: '([A-Z]+)-([0-9]+)', into: ['letters', 'digits'] } }],
  record: fc.record({ s: maybe(codes) }),
  reference({ s }) {
    if (s === null) return { s, letters: null, digits: null };
    const [, letters, digits] = /([A-Z]+)-([0-9]+)/.exec(String(s)) ?? [];
    return letters === undefined ? new Bad('SPLIT_FAILED', 's') : { s, letters, digits };
  },
});

behaves('mask, partial_mask and redact leave only what they are told to, and NULL', {
  columns: { a: 'string', b: 'string', c: 'int' },
  steps: [
    { mask: { fields: ['a'], character: '#' } },
    { partial_mask: { fields: ['b'], keep_first: 1, keep_last: 1 } },
    { redact: { fields: ['c'], text: 'gone' } },
  ],
  record: fc.record({ a: maybe(word), b: maybe(word), c: maybe(small) }),
  reference({ a, b, c }) {
    const letters = [...String(b)];
    const middle = letters.length > 2 ? [letters[0], '*'.repeat(letters.length - 2), letters.at(-1)] : [];
    const hidden = middle.length > 0 ? middle.join('') : '*'.repeat(letters.length);
    return {
      a: a === null ? null : '#'.repeat([...String(a)].length),
      b: b === null ? null : hidden,
      c: c === null ? null : 'gone',
    };
  },
});

const keyFile = join(temporaryDirectory(), 'hmac.key');
const KEY = 'a key of more than sixteen bytes';
writeFileSync(keyFile, `${KEY}\n`);
behaves('hash is HMAC-SHA-256 with the key of its file', {
  columns: { a: 'string', n: 'int' },
  steps: [{ hash: { fields: ['a', 'n'], key: keyFile } }],
  record: fc.record({ a: maybe(word), n: maybe(small) }),
  reference(record) {
    const hmac = (value: unknown) =>
      value === null ? null : createHmac('sha256', KEY).update(String(value)).digest('hex');
    return { a: hmac(record['a']), n: hmac(record['n']) };
  },
});

behaves('drop_null_fields takes nulls out of arrays and maps and makes NULL of texts that mean it', {
  columns: { s: 'string', list: 'array<int>', m: 'map<string,int>' },
  steps: [
    { drop_null_fields: { fields: ['s'], as_null: ['', 'a'] } },
    { drop_null_fields: { fields: ['list', 'm'] } },
  ],
  record: fc.record({
    s: maybe(word),
    list: maybe(fc.array(maybe(small), { maxLength: 4 })),
    m: maybe(fc.record({ x: maybe(small), y: maybe(small) })),
  }),
  reference({ s, list, m }) {
    const entries = Object.entries((m ?? {}) as Row).filter(([, value]) => value !== null);
    return {
      s: s === '' || s === 'a' ? null : s,
      list: list === null ? null : (list as unknown[]).filter((one) => one !== null),
      m: m === null ? null : entries.map(([key, value]) => ({ key, value })),
    };
  },
});

const choice = maybe(fc.oneof(small, fc.constantFrom('5', '7.5', 'x', '')));
behaves('resolve_choice make_cols gives each type a column, and cast makes one of all or quarantines', {
  columns: { p: 'choice<bigint,string>', q: 'choice<bigint,string>', r: 'choice<bigint,string>' },
  steps: [
    {
      resolve_choice: [
        ['p', 'make_cols'],
        ['q', 'cast:int'],
        ['r', 'make_struct'],
      ],
    },
  ],
  record: fc.record({ p: choice, q: choice, r: choice }),
  reference({ p, q, r }) {
    if (typeof q === 'string' && !/^[+-]?[0-9]+$/.test(q)) return new Bad('CAST_FAILED', 'q');
    const bigint = (value: unknown) => (typeof value === 'number' ? String(value) : null);
    const text = (value: unknown) => (typeof value === 'string' ? value : null);
    return {
      p_bigint: bigint(p),
      p_string: text(p),
      q: q === null ? null : Number(q),
      r: r === null ? null : { bigint: bigint(r), string: text(r) },
    };
  },
});

test('project keeps one type, is NULL for the others, and counts them; none of the types is quarantined', async () => {
  const steps = parseSteps([{ resolve_choice: [['p', 'project:bigint']] }]);
  const columns = [{ name: 'p', type: 'choice<bigint,string>' }];
  const values = ['{"p":5}', '{"p":"x"}', '{"p":null}', '{"p":1.5}', '{"p":[1]}'];
  const { rows, quarantine, result } = await transform({ columns, steps }, values);
  assert.deepEqual(
    rows.map(({ p }) => p),
    ['5', null, null],
  );
  assert.deepEqual(result.nulled, [{ column: 'p', values: 1 }]);
  assert.deepEqual(
    quarantine.map((row) => row['reason']),
    ["p '1.5' is not choice<bigint,string> but number", "p '[1]' is not choice<bigint,string> but array"],
  );
});

test('no type of a choice takes another number than the record has: a double leaves it to the next', async () => {
  const numbers = ['9007199254740993', '9007199254740992', '16777217', '0.1', '1e22', '0.123456789', '-0.0'];
  const values = numbers.map((number) => `{"p":${number}}`);
  const took = async (type: string) => {
    const steps = parseSteps([{ resolve_choice: [['p', 'make_cols']] }]);
    const { rows, quarantine } = await transform({ columns: [{ name: 'p', type }], steps }, values);
    assert.ok(quarantine.every(({ code, field }) => code === 'CAST_FAILED' && field === 'p'));
    const found = new Map(rows.map((row) => [Number(row['_offset']), row]));
    return numbers.map((_number, i) => {
      const members = Object.entries(found.get(i) ?? {}).filter(([name]) => name.startsWith('p_'));
      return members.find(([, value]) => value !== null)?.[0].slice(2) ?? 'none';
    });
  };
  assert.deepEqual(await took('choice<bigint,double>'), [
    ...['bigint', 'bigint', 'bigint', 'double', 'double', 'double', 'double'],
  ]);
  assert.deepEqual(await took('choice<double,bigint>'), ['bigint', ...numbers.slice(1).map(() => 'double')]);
  assert.deepEqual(await took('choice<double,string>'), ['none', ...numbers.slice(1).map(() => 'double')]);
  assert.equal((await took('choice<double,decimal(38,0),string>'))[0], 'decimal');
  assert.deepEqual(await took('choice<float,double>'), [
    ...['none', 'float', 'double', 'float', 'float', 'double', 'float'],
  ]);
});

test('on_error null makes NULL of a value that fails, of that column alone, and counts it', async () => {
  const columns = [
    { name: 'a', type: 'int', onError: 'null' as const },
    { name: 'b', type: 'int' },
  ];
  const steps = parseSteps([
    { derive: [{ column: 'c', type: 'int', expression: '(10 / a)', on_error: null }] },
    {
      apply_mapping: [
        ['a', 'int', 'a', 'int'],
        ['b', 'int', 'b', 'tinyint', 'null'],
        ['c', 'int', 'c', 'int'],
      ],
    },
  ]);
  const values = ['{"a":5,"b":1}', '{"a":"x","b":1}', '{"a":3,"b":300}', '{"a":3,"b":"y"}'];
  const { rows, quarantine, result } = await transform({ columns, steps }, values);
  assert.deepEqual(
    rows.map(({ a, b, c }) => [a, b, c]),
    [
      [5, 1, 2],
      [null, 1, null],
      [3, null, null],
    ],
  );
  assert.deepEqual(
    quarantine.map((row) => row['reason']),
    ["b 'y' is not int but string"],
  );
  assert.deepEqual(result.nulled, [
    { column: 'a', values: 1 },
    { column: 'b', values: 1 },
    { column: 'c', values: 1 },
  ]);
});

test('add_uuid gives every record a UUID of its own, and the same one when it is read again', async () => {
  const columns = [{ name: 'n', type: 'int' }];
  const steps = parseSteps([{ add_uuid: { column: 'id' } }]);
  const values = Array.from({ length: 500 }, (_, n) => JSON.stringify({ n }));
  const first = await transform({ columns, steps }, values);
  const again = await transform({ columns, steps }, values);
  const ids = first.rows.map(({ id }) => String(id));
  assert.equal(new Set(ids).size, 500);
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(again.rows, first.rows);
});

test('a record that is filtered is no business of later steps', async () => {
  const steps = parseSteps([
    { filter: 'n > 0' },
    { derive: [{ column: 'n', type: 'tinyint', expression: 'n * 1000' }] },
  ]);
  const { result } = await transform({ columns: [{ name: 'n', type: 'int' }], steps }, [
    '{"n":0}',
    '{"n":-5}',
    '{"n":1}',
  ]);
  assert.deepEqual([result.classes.filtered, result.classes.quarantined], [2, 1]);
});
