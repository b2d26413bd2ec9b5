// The quick look at a text that is to be a double lets nothing through that its whole form refuses: spaces
// around a number, an underscore in it, a name like nan.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '@sluice/collector/transform/duckdb.ts';
import { fromText } from '@sluice/collector/transform/sql/conversions.ts';
import { literal, parseType, type ScalarType } from '@sluice/collector/transform/sql/types.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const FORM = /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
/** Of what numbers are made, and of what a cast may take for part of one. */
const LETTERS = [...'059.eE+-_ xnaif,\t\n\u00a0\u0660', ''];

test('a text of up to four letters fails as a double exactly where it has not the form', async () => {
  const directory = temporaryDirectory();
  const limits = { spillDirectory: directory, memoryBytesMax: 256e6, threads: 1 };
  const database = await openDatabase({ directories: [directory], ...limits });
  const { value, fails } = fromText(parseType('double') as ScalarType);
  const letters = `(SELECT unnest([${LETTERS.map(literal).join(', ')}]) AS c)`;
  const texts = `SELECT DISTINCT concat(a.c, b.c, c.c, d.c) AS t FROM ${'abcd'.replace(/./g, (name) => `, ${letters} AS ${name}`).slice(2)}`;
  const taken = await database.rows(
    `SELECT t FROM (SELECT t, ${value('t')} AS v FROM (${texts})) WHERE NOT ${fails('t', 'v')} ORDER BY t`,
  );
  database.close();
  const all = new Set(['']);
  for (let i = 0; i < 4; i++)
    for (const text of [...all]) for (const letter of LETTERS) all.add(text + letter);
  const wanted = [...all].filter((text) => FORM.test(text));
  const found = new Set(taken.map(({ t }) => t));
  assert.ok(wanted.length > 500, String(wanted.length));
  assert.deepEqual(wanted.filter((text) => !found.has(text)).slice(0, 5), []);
  assert.equal(found.size, wanted.length);
});
