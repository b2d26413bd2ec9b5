// Numbers that are times by their look are told to a person, as steps that are commented out: those steps
// read the sample, and until somebody takes the marks away every number stays the number it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableOf, tableYaml } from '@sluice/collector/ops/detected-table.ts';
import { detectColumns } from '@sluice/collector/transform/detect-columns.ts';
import { parse } from 'yaml';
import { runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const detect = (...values: readonly string[]) => detectColumns(values.map((value) => Buffer.from(value)));
const guessed = (...values: readonly string[]) =>
  detect(...values).times.map(({ path, reading }) => `${path.join('.')} ${reading}`);

async function becomes(yaml: string, records: readonly string[], rows: readonly object[]) {
  const { tables } = parse(yaml) as { tables: readonly object[] };
  const examples = [{ name: 'the sample', records, rows }];
  const [result] = await runTableExamples(temporaryDirectory(), [{ ...tables[0], examples }]);
  assert.deepEqual(result?.differences, []);
}

const whole = '{"createdAt":1790000000123,"ts":1790000000,"event_time":1790000000123456,"due_date":20717';
const records = [
  `${whole},"nano_time":1790000000123456789,"time":1790000000.5,"day":20260921,"ship_date":"20260921"}`,
];

test('the steps are in comments, and with those taken away the sample becomes times', async () => {
  for (const also of ['', ',"lower_case":1']) {
    const values = records.map((record) =>
      record.replace('createdAt', also === '' ? 'createdAt' : 'created_at'),
    );
    const detection = detect(...values);
    const yaml = tableYaml(tableOf('t', detection, '100s'), detection.times);
    const [first] = Object.values(parse(yaml)) as [[{ columns: Record<string, string>; steps?: unknown[] }]];
    assert.deepEqual(new Set(Object.values(first[0].columns)), new Set(['bigint', 'double', 'string']));
    assert.deepEqual(
      first[0].steps,
      also === '' ? [{ rename_field: { createdAt: 'created_at' } }] : undefined,
    );
    await becomes(yaml, values, [{ created_at: '1790000000123', due_date: '20717', ship_date: '20260921' }]);
    await becomes(yaml.replaceAll(/^( +)# /gm, '$1'), values, [
      {
        created_at: '2026-09-21 14:13:20.123',
        ts: '2026-09-21 14:13:20',
        event_time: '2026-09-21 14:13:20.123456',
        nano_time: '2026-09-21 14:13:20.123456',
        time: '2026-09-21 14:13:20.5',
        due_date: '2026-09-21',
        day: '2026-09-21',
        ship_date: '2026-09-21',
      },
    ]);
  }
});

test('a field of CSV and one inside a struct are told as well', () => {
  const csv = detectColumns(
    ['id;changed_at', '7;1790000000123', '8;'].map((line) => Buffer.from(line)),
    { format: 'csv', header: true },
  );
  assert.deepEqual(csv.times, [{ path: ['changed_at'], column: 'changed_at', reading: 'ms' }]);
  const inner = detect('{"after":{"updated":1790000000123456}}', '{"after":null}');
  assert.deepEqual(inner.times, [{ path: ['after', 'updated'], column: undefined, reading: 'us' }]);
  assert.ok(inner.notes.includes('after.updated: by the look of all values microseconds since 1970'));
  assert.doesNotMatch(tableYaml(tableOf('t', inner, '100s'), inner.times), /#/);
});

test('what is named otherwise, lies outside of this century, or is no time in one value is no time', () => {
  assert.deepEqual(guessed('{"ts":1790000000}', '{"ts":null}', '{}'), ['ts s']);
  for (const values of [
    ['{"id":1790000000123}'],
    ['{"ts":1790000000}', '{"ts":0}'],
    ['{"ts":1790000000}', '{"ts":1790000000123}'],
    ['{"ts":978307199}'],
    ['{"ts":4133980800}'],
    ['{"ts":20717}'],
    ['{"day":20260931}'],
    ['{"day":20260921}', '{"day":20261321}'],
    ['{"ts":"1790000000"}'],
    ['{"ts":[1790000000]}'],
    ['{"timeout":1790000000}'],
    ['{"status":1790000000}'],
  ])
    assert.deepEqual(guessed(...values), [], values.join(' '));
  assert.deepEqual(guessed('{"ts":978307200,"day":11323}', '{"ts":4133980799,"day":47846}'), [
    'ts s',
    'day days',
  ]);
});
