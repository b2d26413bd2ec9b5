// docs/transforms.md beside AWS Glue's names: what is named there is there, and what is said to be done in
// another way is done so.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { STEP_NAMES } from '@sluice/collector/step-config.ts';
import { ROOT } from '../../run/test-files.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { oneWindows } from './one-window.ts';
import { parseSteps } from './step-cases.ts';

const { transform } = oneWindows();
const directory = temporaryDirectory();

test('each word in code beside the names of AWS Glue is a step, a key of the config or a command', () => {
  const page = readFileSync(join(ROOT, 'docs/transforms.md'), 'utf8');
  const config = readFileSync(join(ROOT, 'docs/config.md'), 'utf8');
  const rows = page
    .slice(page.indexOf('## AWS Glue’s names, and ours'.replace('’', "'")))
    .matchAll(/^\|.*\|$/gm);
  const words = [...rows].flatMap(([row]) =>
    [...(row.split('|')[2] ?? '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => word),
  );
  assert.ok(words.length > 40, `${words.length} words`);
  const isKey = (word: string) => config.includes(`\`tables[].${word}\``);
  const commands = readFileSync(join(ROOT, 'collector/src/main.ts'), 'utf8');
  const others = words.filter((word) => {
    const [program, command = ''] = word.split(' ');
    if (program === 'sluice-collector') return !commands.includes(`${command}`);
    return !STEP_NAMES.includes(word) && !isKey(word);
  });
  const said = [
    '_timestamp',
    'choice<...>',
    'json: { array: explode }',
    'missing: filter',
    'null',
    'null',
    '<table>_quarantine',
  ];
  assert.deepEqual(others.toSorted(), said.toSorted());
});

/** As the first step, which reads the values. */
const mapped = async (record: string, mappings: readonly (readonly string[])[]) =>
  (await transform({ columns: [], steps: parseSteps([{ apply_mapping: mappings }]) }, [record])).rows;

test('the marshalled types of DynamoDB are read by name', async () => {
  const record = '{"dynamodb":{"NewImage":{"id":{"S":"a-1"},"n":{"N":"1"}}}}';
  const [row] = await mapped(record, [['dynamodb.NewImage.id.S', 'string', 'id', 'string']]);
  assert.equal(row?.['id'], 'a-1');
});

test('fields of an object are left out by the type that reads it, or taken out by paths', async () => {
  const record = '{"policy":{"kind":"fire","holder":"Ada"}}';
  const type = 'struct<kind:string>';
  const [left] = await mapped(record, [['policy', type, 'policy', type]]);
  assert.deepEqual(left?.['policy'], { kind: 'fire' });
  const [taken] = await mapped(record, [['policy.holder', 'string', 'holder_name', 'string']]);
  assert.equal(taken?.['holder_name'], 'Ada');
  assert.equal(taken?.['policy'], undefined);
});

test('a lookup and a filter behind it are an inner join, a left one, or the rows that have no partner', async () => {
  const file = join(directory, 'shops.csv');
  writeFileSync(file, 'id,name\n7,Nord\n');
  const columns = [{ name: 'shop', type: 'int' }];
  const taken = [{ from: 'name', column: 'shop_name', type: 'string' }];
  const joined = async (missing: string, ...behind: object[]) => {
    const lookup = { file, keys: { shop: 'id' }, columns: taken, missing };
    const { rows } = await transform({ columns, steps: parseSteps([{ lookup }, ...behind]) }, [
      '{"shop":7}',
      '{"shop":8}',
    ]);
    return rows.map(({ shop, shop_name }) => [Number(shop), shop_name]);
  };
  assert.deepEqual(await joined('filter'), [[7, 'Nord']]);
  assert.deepEqual(await joined('null'), [
    [7, 'Nord'],
    [8, null],
  ]);
  assert.deepEqual(await joined('null', { filter: 'shop_name IS NULL' }), [[8, null]]);
});
