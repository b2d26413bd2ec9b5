// Loose JSON is found wherever it stands in a chunk: chunks are read in pieces, and a value may be larger
// than one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planFields } from '@sluice/collector/transform/sql/fields.ts';
import { jsonRules, StrictLook } from '@sluice/collector/transform/strict-json.ts';
import { plainTable } from '../../support/written-lake.ts';
import { appendValues, chunkOfValues } from './json-chunk.ts';

const columns = [
  { name: 'n', type: 'int' },
  { name: 's', type: 'string' },
];
const rules = jsonRules(planFields({ ...plainTable, columns }).source, '\u001eelement');

const struck = (values: readonly string[]) => {
  const chunk = chunkOfValues(values);
  const documents = new StrictLook(chunk, rules).end();
  return { offsets: chunk.odd.map(({ offset }) => offset), documents };
};

test('a loose comma or NaN is found in every piece of a chunk, beside values larger than a piece', () => {
  const good = JSON.stringify({ n: 1, s: 'x'.repeat(900) });
  const giant = JSON.stringify({ n: 1, s: 'y'.repeat(700_000) });
  const values = Array.from({ length: 3_000 }, (_, i) => (i % 1_000 === 500 ? giant : good));
  const loose = [0, 499, 501, 1_100, 2_222, 2_999];
  for (const at of loose) values[at] = at % 2 === 0 ? `{"n":1,"s":"${'z'.repeat(900)}",}` : '{"n":NaN}';
  assert.deepEqual(struck(values), { offsets: loose, documents: false });
});

test('a document under a column of text is seen in the last value of a large chunk', () => {
  const values = Array.from({ length: 2_000 }, () => JSON.stringify({ n: 1, s: 'x'.repeat(900) }));
  assert.equal(struck(values).documents, false);
  assert.equal(struck([...values, '{"n":1,"s":{"a":1}}']).documents, true);
  assert.equal(struck(['{"n":1,"s":{"a":1}}', ...values]).documents, true);
});

test('loose syntax right behind the bracket of a document, and behind other suspects, is found', () => {
  const values = [
    '{"n":1,"s":[NaN]}',
    '{"n":1,"s":{"a":1}}',
    '{"n":1,"s": [ -Infinity]}',
    '{"n":1e-400,"s":"x"}',
    '{"n":1,"s":[1e-400,]}',
    '{"n":1,"s":"[NaN"}',
    '{"s":[[nan]],"n":1}',
  ];
  assert.deepEqual(struck(values), { offsets: [0, 2, 3, 4, 6], documents: true });
});

test('what is looked at batch by batch is struck as at once, and one chunk says nothing of the next', () => {
  const batches = [
    ['{"n":1,"s":"a"}', '{"n":NaN}'],
    ['{"n":2,"s":{"a":1}}', '{"n":1.00000000000000000001}', '{"n":3}'],
    ['{"n":4,}'],
  ];
  const chunk = chunkOfValues([]);
  const look = new StrictLook(chunk, rules);
  for (const batch of batches) {
    appendValues(chunk, batch);
    look.more();
  }
  assert.equal(look.end(), true);
  const once = struck(batches.flat());
  assert.deepEqual({ offsets: chunk.odd.map(({ offset }) => offset), documents: true }, once);
  assert.deepEqual(once.offsets, [1, 3, 5]);
  chunk.reset();
  chunk.beginPart(0);
  appendValues(chunk, ['{"n":1,"s":"b"}']);
  assert.equal(look.end(), false);
  assert.deepEqual(chunk.odd, []);
});
