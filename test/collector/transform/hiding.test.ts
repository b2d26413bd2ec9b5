// mask and hash of values that are not texts, against references that take one value at a time: what is
// hidden is the value's text, and equal values stay equal. And whose a UUID is.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { behaves, maybe, parseSteps, type Row, transform } from './step-cases.ts';

const KEY = 'a key of more than sixteen bytes';
const key = join(temporaryDirectory(), 'hmac.key');
writeFileSync(key, KEY);

const text = fc.string({ unit: 'grapheme', maxLength: 6 }).filter((one) => !one.includes('\0'));
const columns = { s: 'struct<x:int,l:array<string>>', l: 'array<int>', m: 'map<string,int>', t: 'string' };
const record = fc.record({
  s: maybe(fc.record({ x: maybe(fc.integer({ min: -99, max: 99 })), l: maybe(fc.array(maybe(text))) })),
  l: maybe(fc.array(maybe(fc.integer({ min: -99, max: 99 })), { maxLength: 4 })),
  m: maybe(fc.record({ a: fc.integer({ min: -99, max: 99 }) })),
  t: maybe(text),
});

/** As JSON, without white space; a text is itself. */
const told = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
const each = (row: Row, of: (text: string) => string) =>
  Object.fromEntries(Object.entries(row).map(([name, one]) => [name, one === null ? null : of(told(one))]));

behaves('hash of a nested value is that of its JSON, and of a text that of its bytes', {
  columns,
  steps: [{ hash: { fields: ['s', 'l', 'm', 't'], key } }],
  record,
  reference: (row) => each(row, (one) => createHmac('sha256', KEY).update(one).digest('hex')),
});

behaves('mask of a nested value is as long as its JSON, in characters', {
  columns,
  steps: [{ mask: { fields: ['s', 'l', 'm', 't'] } }],
  record,
  reference: (row) => each(row, (one) => '*'.repeat([...one].length)),
});

test('a UUID is of the record and of no value: the same beside any other records, and in no two places', async () => {
  const steps = parseSteps([{ add_uuid: { column: 'id' } }]);
  const idsOf = async (values: readonly string[]) => {
    const { rows } = await transform({ columns: [{ name: 'n', type: 'string' }], steps }, values);
    return new Map(rows.map((row) => [Number(row['_offset']), row['id']]));
  };
  const drawn = fc.array(fc.constantFrom('{"n":"a"}', '{"n":"b"}', '{}', '{"n":1', 'x'), { maxLength: 30 });
  const whole = await idsOf(Array.from({ length: 30 }, () => '{"n":"z"}'));
  assert.equal(new Set(whole.values()).size, 30);
  for (const values of fc.sample(drawn, { numRuns: 20, seed: 8 }))
    for (const [offset, id] of await idsOf(values)) assert.equal(id, whole.get(offset), `at ${offset}`);
});
