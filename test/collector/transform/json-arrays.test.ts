// A JSON value that is an array becomes a row for each element, and a record is all its rows: what each
// element holds is what it would hold as a value of its own, and one that is bad takes the others with it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { FILTERED } from '@sluice/collector/transform/columns.ts';
import { markElements } from '@sluice/collector/transform/json-elements.ts';
import fc from 'fast-check';
import { oneWindows, type Written } from './one-window.ts';
import { parseSteps } from './step-cases.ts';

const { transform } = oneWindows();
const columns = [
  { name: 'n', type: 'bigint' },
  { name: 'd', type: 'decimal(30,15)' },
  { name: 't', type: 'string' },
  { name: 'l', type: 'array<struct<q:int>>' },
];
const exploding: Partial<TableConfig> = { input: { kind: 'json', array: 'explode' }, columns };

/** Bytes as DuckDB prints them, which must be ASCII. */
const rawText = (raw: unknown) =>
  String(raw).replace(/\\x([0-9A-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );

const told = ({ quarantine }: Written) =>
  quarantine.map(({ _offset, code, field }) => [Number(_offset), code, field]);

test('each element is a row, numbered within its record; an object is one; nothing is filtered', async () => {
  const { rows, quarantine, result } = await transform(exploding, [
    '[{"n":1},{"n":2}]',
    ' [ {"n":3} ]\n',
    '{"n":4}',
    '[]',
    ' [ ]',
    '[{"n":5,"t":"],[{\\"}"},{"n":6,"l":[{"q":1},{"q":2}]}]',
  ]);
  assert.deepEqual(
    rows.map(({ n, _offset, _row }) => [n, _offset, _row].map(Number)),
    [
      [1, 0, 0],
      [2, 0, 1],
      [3, 1, 0],
      [4, 2, 0],
      [5, 5, 0],
      [6, 5, 1],
    ],
  );
  assert.equal(rows[4]?.['t'], '],[{"}');
  assert.deepEqual(quarantine, []);
  assert.deepEqual(result.classes, { in: 6, emitted: 4, merged: 0, filtered: 2, quarantined: 0 });
});

test('an element that is bad takes its record with it, and is told by where it stands', async () => {
  const written = await transform(exploding, [
    '[{"n":1},{"n":"x"}]',
    '[{"n":1},5]',
    '[{"n":1},{"n":1]',
    '[{"n":1},]',
    '[{"n":1}] 2',
    '[{"n":1}',
    '[{"n":1},{"n":NaN}]',
    '[{"n":1},{"n":2,}]',
    '[{"d":1.5},{"d":0.12345678901234567890}]',
    '[{"n":1},{"l":[{"q":1},{"q":"x"}]}]',
    '5',
    '[[{"n":1}]]',
    '{"n":"x"}',
    '[{"n":7}]',
  ]);
  assert.deepEqual(told(written), [
    [0, 'CAST_FAILED', '[1].n'],
    [1, 'NOT_AN_OBJECT', '[1]'],
    [2, 'JSON_INVALID', null],
    [3, 'JSON_INVALID', '[1]'],
    [4, 'JSON_INVALID', null],
    [5, 'JSON_INVALID', null],
    [6, 'JSON_INVALID', '[1]'],
    [7, 'JSON_INVALID', '[1]'],
    [8, 'NUMBER_INEXACT', '[1].d'],
    [9, 'CAST_FAILED', '[1].l[1].q'],
    [10, 'NOT_AN_OBJECT', null],
    [11, 'NOT_AN_OBJECT', '[0]'],
    [12, 'CAST_FAILED', 'n'],
  ]);
  assert.deepEqual(
    written.rows.map(({ n }) => n),
    ['7'],
  );
  assert.deepEqual(
    [3, 6, 7, 8].map((i) => rawText(written.quarantine[i]?.['raw'])),
    ['[{"n":1},]', '[{"n":1},{"n":NaN}]', '[{"n":1},{"n":2,}]', '[{"d":1.5},{"d":0.12345678901234567890}]'],
  );
  assert.equal(written.quarantine[1]?.['reason'], "[1] '5' is not an object");
});

test('of several bad elements the first is told, wherever what is read begins', async () => {
  const good = Array.from({ length: 11 }, () => '{"n":1}');
  const spoilt = good.map((element, i) => (i === 2 || i === 10 ? '{"n":"x"}' : element));
  const inexact = '{"l":[{"q":1},{"q":2},{"q":0.12345678901234567891}]}';
  for (const at of [undefined, 'a.list']) {
    const envelope = (elements: readonly string[]) =>
      at === undefined ? `[${elements.join(',')}]` : `{"a":{"list":[${elements.join(',')}]}}`;
    const written = await transform({ ...exploding, input: { kind: 'json', array: 'explode', at } }, [
      envelope(spoilt),
      envelope([...good, inexact]),
      envelope(good.with(4, '{"l":[{"q":1},{"q":"x"}]}')),
    ]);
    assert.deepEqual(told(written), [
      [0, 'CAST_FAILED', '[2].n'],
      [1, 'NUMBER_INEXACT', '[11].l[2].q'],
      [2, 'CAST_FAILED', '[4].l[1].q'],
    ]);
  }
});

const whole = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const decimal = fc
  .tuple(fc.nat(999), fc.stringMatching(/^[0-9]{1,12}$/))
  .map(([above, below]) => `${above}.${below}`);
const text = fc.string({ unit: 'grapheme' }).map((value) => JSON.stringify(value));
const document = fc.constantFrom('{"a":1.50,"b":[1,{"c":"]"}]}', '[1.10, "x,y"]', '12.500', 'true');
const space = fc.constantFrom('', ' ', '\n\t');
const element = fc
  .record({ n: whole, d: decimal, t: fc.oneof(text, document) }, { requiredKeys: [] })
  .map((fields) => `{${Object.entries(fields).map(([name, value]) => `"${name}":${value}`)}}`);
const spaced = fc.tuple(space, element, space).map((parts) => parts.join(''));

test('what an element holds is what it would hold as a value of its own, digit for digit', async () => {
  const arrays = fc.sample(fc.array(spaced, { minLength: 1, maxLength: 4 }), { numRuns: 200, seed: 7 });
  const values = ({ rows }: Written) => rows.map(({ n, d, t }) => [n, d, t]);
  const alone = await transform({ columns }, arrays.flat());
  const together = await transform(
    exploding,
    arrays.map((elements) => `[${elements.join(',')}]`),
  );
  assert.deepEqual([told(alone), told(together)], [[], []]);
  assert.deepEqual(values(together), values(alone));
  assert.ok(values(alone).length > 300);
});

test('the array is taken apart at its own commas, whatever stands between them', () => {
  const mark = Buffer.from('|');
  const json = fc.json({ noUnicodeString: false } as object).filter((value) => !value.includes('|'));
  fc.assert(
    fc.property(fc.array(json, { minLength: 1 }), space, (elements, gap) => {
      const value = Buffer.from(`${gap}[${elements.join(',')}]${gap}`);
      assert.deepEqual(String(markElements(value, mark)), elements.map((one) => `|${one}`).join(''));
    }),
  );
  assert.equal(markElements(Buffer.from('[\n]'), mark), FILTERED);
  for (const other of ['', '{"a":[1]}', '[', '["', '["\\', '[1}', '[]]', '[] []', '"[1]"'])
    assert.equal(String(markElements(Buffer.from(other), mark)), other);
});

test('steps run on each row, and what a record has in several tables stands or falls together', async () => {
  const steps = parseSteps([
    { filter: 'n <> 2' },
    { explode: { field: 'l', column: 'item', outer: true } },
    { split_rows: [{ output: 'big', when: 'n > 9' }] },
    { drop_duplicates: { keys: ['n', 'item'] } },
  ]);
  const { rows, read, result } = await transform({ ...exploding, steps }, [
    '[{"n":1,"l":[{"q":5},{"q":6}]},{"n":2},{"n":1,"l":[{"q":5}]},{"n":10}]',
    '[{"n":2},{"n":2}]',
    '[{"n":11},{"n":12,"l":[{"q":"x"}]}]',
    '[{"n":1,"l":[{"q":6}]}]',
  ]);
  const seen = rows.map((row) => [row['n'], JSON.stringify(row['item']), Number(row['_offset'])]);
  assert.deepEqual(seen.sort(), [
    ['1', '{"q":5}', 0],
    ['1', '{"q":6}', 0],
  ]);
  assert.deepEqual(
    (await read('big')).map(({ n }) => n),
    ['10'],
  );
  assert.deepEqual(result.classes, { in: 4, emitted: 1, merged: 1, filtered: 1, quarantined: 1 });
});

test('a kept tombstone passes a filter, and rows that are not the first of their record do not', async () => {
  const record = { tombstones: 'keep', key: 'text', headers: 'pairs', compression: 'none' } as const;
  const steps = parseSteps([
    { explode: { field: 'l', column: 'item', outer: true } },
    { filter: 'n = 1 AND item.q = 1' },
  ]);
  const { rows } = await transform({ ...exploding, record, steps }, [
    null,
    '[{"n":1,"l":[{"q":1},{"q":2}]},{"n":2,"l":[{"q":1}]}]',
  ]);
  assert.deepEqual(
    rows.map(({ n, _deleted }) => [n, _deleted]),
    [
      [null, true],
      ['1', false],
    ],
  );
});

const MANY = 100_000;

test('a record of very many elements is rows of one record, and each does not carry all of it', async () => {
  const many = (last: string) =>
    `[${Array.from({ length: MANY }, (_one, n) => `{"n":${n}}`).join(',')},${last}]`;
  const bad = many('{"n":"x"}');
  const { rows, quarantine, result } = await transform({ ...exploding, columns: columns.slice(0, 1) }, [
    many('{"n":0}'),
    bad,
  ]);
  assert.equal(rows.length, MANY + 1);
  assert.equal(Number(rows.at(-1)?.['_row']), MANY);
  assert.deepEqual([result.classes.emitted, result.classes.quarantined], [1, 1]);
  assert.deepEqual(
    [quarantine[0]?.['field'], rawText(quarantine[0]?.['raw']) === bad],
    [`[${MANY}].n`, true],
  );
});

test('nor does each row that a step makes of a record', async () => {
  const items = (last: string) => `{"l":[${'{"q":1},'.repeat(50_000)}{"q":${last}}]}`;
  const steps = parseSteps([
    { explode: { field: 'l', column: 'item' } },
    { derive: [{ column: 'twice', type: 'int', expression: 'item.q * 2' }] },
    { split_rows: [{ output: 'big', when: 'item.q > 1' }] },
  ]);
  const { rows, read } = await transform({ columns, steps }, [items('2')]);
  assert.deepEqual([rows.length, (await read('big')).length], [50_000, 1]);
  const bad = items('2147483647');
  const { quarantine } = await transform({ columns, steps }, [bad]);
  assert.deepEqual(
    quarantine.map(({ code, raw }) => [code, rawText(raw) === bad]),
    [['DERIVE_FAILED', true]],
  );
});
