// A CSV reference file says what it says: nothing in it makes DuckDB guess another dialect, and each value
// of a random file is beside the record that has its key, against a map.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { oneWindows } from './one-window.ts';

const { transform } = oneWindows();
const directory = temporaryDirectory();
const columns = ['k', 'l'].map((name) => ({ name, type: 'string' }));
let files = 0;

function lookup(text: string, keys: Record<string, string> = { k: 'id', l: 'Kind' }) {
  const file = join(directory, `${files++}.csv`);
  writeFileSync(file, text);
  const taken = [{ from: 'name', column: 'found', type: 'string' }];
  return [stepSchema.parse({ lookup: { file, keys, columns: taken, missing: 'null' } })];
}

const found = async (text: string, keys: readonly string[], by?: Record<string, string>) => {
  const records = keys.map((k) => JSON.stringify({ k, l: 'x' }));
  const { rows } = await transform({ columns, steps: lookup(text, by) }, records);
  const values = new Map(rows.map((row) => [Number(row['_offset']), row['found']]));
  return keys.map((_key, offset) => values.get(offset));
};

const piece = fc.constantFrom(
  '#',
  "'",
  '"',
  ',',
  ';',
  '|',
  '\t',
  ' ',
  '\n',
  '\r\n',
  'a',
  'ü',
  '0',
  '\\',
  'NULL',
  '-',
);
const word = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

test('each row of any file is found by its key, and its value is what the file has', async () => {
  const key = word.filter((text) => text !== '');
  const file = fc.record({
    rows: fc.uniqueArray(fc.tuple(key, fc.option(word)), {
      selector: ([k]) => k,
      minLength: 1,
      maxLength: 12,
    }),
    delimiter: fc.constantFrom(',', ';', '\t', '|'),
    end: fc.constantFrom('\n', '\r\n'),
    mark: fc.constantFrom('', '\u{feff}'),
    isLast: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(file, async ({ rows, delimiter, end, mark, isLast }) => {
      const plain = (text: string) =>
        /["\r\n]/.test(text) || text.includes(delimiter) || text === '' ? quoted(text) : text;
      const lines = [
        ['id', 'name', 'Kind'].join(delimiter),
        ...rows.map(([k, name]) => [plain(k), name === null ? '' : plain(name), 'x'].join(delimiter)),
      ];
      const text = mark + lines.join(end) + (isLast ? end : '');
      const keys = rows.map(([k]) => k);
      const expected = [...rows.map(([, name]) => name), null];
      assert.deepEqual(await found(text, [...keys, 'not there']), expected, JSON.stringify(text));
    }),
    { numRuns: 60, seed: 17, interruptAfterTimeLimit: 30_000 },
  );
});

test('a line that begins with # is a row, an apostrophe no quote, and NULL a text', async () => {
  const text = "id,name\n1,#x\n#2,y\n3,'q'\n4,it's\n5,NULL\n6,\n7,\"\"\n";
  assert.deepEqual(await found(text, ['1', '#2', '3', '4', '5', '6', '7'], { k: 'id' }), [
    '#x',
    'y',
    "'q'",
    "it's",
    'NULL',
    null,
    '',
  ]);
});

test('what is no table is told by its line, and a column that is missing by its name', async () => {
  for (const [text, expected] of [
    ['id,name\n1,a,more\n', /Line: 2/],
    ['id,name\n1\n', /Line: 2/],
    ['id,name\n1,"a\n', /Line: 2/],
    ['a title\nid,name\n1,a\n', /its first line does not name 'id'/],
    ['', /its first line does not name 'id'/],
    ['ID,name\n1,a\n', /its first line does not name 'id'/],
  ] as const)
    await assert.rejects(
      found(text, ['1'], { k: 'id' }),
      { code: 'REFERENCE_UNUSABLE', message: expected },
      text,
    );
});

test('of names that differ only in case the one that is written is read', async () => {
  const text = 'ID,Name,id,name,NAME,id\nA,1,a,2,3,z\nB,4,b,5,6,y\n';
  assert.deepEqual(await found(text, ['a', 'b', 'A', 'z'], { k: 'id' }), ['2', '5', null, null]);
});

test('lines that end in several ways are refused by the first that ends otherwise, and by what to do', async () => {
  const refused = (text: string, message: RegExp) =>
    assert.rejects(found(text, ['1'], { k: 'id' }), { code: 'REFERENCE_UNUSABLE', message });
  await refused(
    'id,name\r\n1,"a\nb"\r\n2,b\n',
    /^line 4 ends with LF, and those before it with CR LF: end all/,
  );
  await refused('id,name\n1,a\n2,b\r\n', /^line 3 ends with CR LF, and those before it with LF/);
  await refused('id,name\n1,a\r2,b\n', /^line 2 ends with CR, and those before it with LF/);
  assert.deepEqual(await found('id,name\n1,"a\r\nb"\n', ['1'], { k: 'id' }), ['a\r\nb']);
});
