// Columns of so many characters, as tables that others made have them: no text is ever cut. A longer one is
// quarantined, wherever it came from, and its neighbours flow on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseType } from '@sluice/collector/transform/sql/types.ts';
import { oneWindows } from './one-window.ts';
import { parseSteps } from './step-cases.ts';

const { transform } = oneWindows();

test('a text longer than its column is quarantined, and one that fits is not, by characters', async () => {
  const columns = [
    { name: 'id', type: 'int' },
    { name: 'code', type: 'varchar(3)' },
    { name: 'land', type: 'char(2)' },
  ];
  const { rows, quarantine } = await transform({ columns }, [
    '{"id":1,"code":"abc","land":"de"}',
    '{"id":2,"code":"abcd","land":"de"}',
    '{"id":3,"code":"äöü","land":"d"}',
    '{"id":4,"code":"","land":"deu"}',
    '{"id":5}',
  ]);
  assert.deepEqual(
    rows.map(({ id, code, land }) => [id, code, land]),
    [
      [1, 'abc', 'de'],
      [3, 'äöü', 'd'],
      [5, null, null],
    ],
  );
  assert.deepEqual(
    quarantine.map(({ code, reason }) => [code, reason]),
    [
      ['CAST_FAILED', "code 'abcd' is not varchar(3)"],
      ['CAST_FAILED', "land 'deu' is not char(2)"],
    ],
  );
});

test('what a step makes of a text is held to the column as well', async () => {
  const steps = parseSteps([{ apply_mapping: [['n', 'bigint', 'code', 'varchar(3)']] }]);
  const { rows, quarantine } = await transform({ columns: [], steps }, ['{"n":123}', '{"n":1234}']);
  assert.deepEqual(
    rows.map(({ code }) => code),
    ['123'],
  );
  assert.deepEqual(
    quarantine.map(({ field }) => field),
    ['code'],
  );
});

test('a bound that Hive does not have, or that would stand inside another type, is no type', () => {
  for (const type of ['varchar(65535)', 'char(255)', 'VARCHAR( 10 )'])
    assert.notEqual(parseType(type), undefined, type);
  for (const type of [
    ...['varchar', 'varchar(0)', 'varchar(65536)', 'char(256)', 'text(3)', 'varchar(-1)'],
    ...['array<varchar(3)>', 'map<varchar(3),int>', 'map<string,char(3)>', 'struct<a:varchar(3)>'],
  ])
    assert.equal(parseType(type), undefined, type);
});
