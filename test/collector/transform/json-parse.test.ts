// A name is read as it is written, whatever was read before: V8 takes names with an escape for others that
// end with a backslash. And what reads names does not lose a field, a header or a column by it.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { parseJson } from '@sluice/collector/transform/json-parse.ts';
import { NewsScan } from '@sluice/collector/transform/news-scan.ts';
import { headersOfText } from '@sluice/collector/transform/record-texts.ts';
import { textsOfLines } from '@sluice/collector/transform/reference-json.ts';
import { parseObject } from '@sluice/collector/transform/seen-values.ts';
import fc from 'fast-check';

const BACKSLASH = '\\';
const QUOTE = '"';

/** After these V8 misreads what the tests read. */
beforeEach(() => {
  for (const first of ['{', '{"a":1,', '{"a":"x",'])
    for (const name of ['\\\\', 'a\\\\']) JSON.parse(`${first}"${name}":1}`);
});

const name = fc.string({
  unit: fc.constantFrom(BACKSLASH, QUOTE, 'a', 'u', '\n', 'ü', '\uE000', '0'),
  maxLength: 4,
});
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, -1.5, '', '"\\', '{"a\\"":1}', ':'),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(name, tie('json'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test('names come back as they were written, spelled in any way', () => {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const inAscii = (text: string) =>
    text.replace(/[^ -~\n]|\\./g, (found) => {
      if (found.length === 1) return escaped(found);
      return found === '\\"' ? escaped('"') : found;
    });
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, ' \n'), (value, space) => {
      const text = JSON.stringify(value, null, space);
      assert.deepEqual(parseJson(text), value);
      assert.deepEqual(parseJson(inAscii(text)), value);
    }),
    { numRuns: 3_000 },
  );
  assert.deepEqual(parseJson(String.raw`{"a":1,"\"":2,"\u0061":3}`), { a: 3, '"': 2 });
  assert.ok(Object.hasOwn(parseJson(String.raw`{"\u005f_proto__":1}`) as object, '__proto__'));
});

test('what is no JSON is refused as before', () => {
  const texts = fc.string({
    unit: fc.constantFrom('\\', '"', ':', '{', '}', ',', 'a', ' ', '1', '\\"', '"a"'),
    maxLength: 12,
  });
  const isRead = (read: (text: string) => unknown, text: string) => {
    try {
      read(text);
      return true;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(texts, (text) => assert.equal(isRead(parseJson, text), isRead(JSON.parse, text), text)),
    { numRuns: 20_000 },
  );
});

test('a text of megabytes of escapes is read to its last name', () => {
  const [many, quotes] = ['\\n'.repeat(2e6), '\\"'.repeat(2e6)];
  const text = `{"a":"${many}","b":"${quotes}","${'\\"'.repeat(1e5)}":{"\\"":1}}`;
  assert.equal(Object.keys(parseJson(text) as object).at(-1), QUOTE.repeat(1e5));
});

test('a field with such a name is news to a schema that has not got it, and is counted under its own', () => {
  const columns = [
    { source: 'a', name: 'a', type: 'bigint' },
    { source: BACKSLASH, name: 'column_2', type: 'bigint' },
  ];
  const scan = new NewsScan({ version: 1, isContract: false, columns });
  const value = Buffer.from('{"a":1,"\\"":2}');
  scan.look({ rows: 1, value: () => value } as never);
  assert.deepEqual(
    scan.news()?.columns?.map(({ source }) => source),
    ['a', BACKSLASH, QUOTE],
  );
  assert.deepEqual(Object.keys(parseObject('{"a":1,"\\"":2}') ?? {}), ['a', QUOTE]);
});

test('headers of a map, and columns of a reference file, have the names that were given them', () => {
  assert.deepEqual(headersOfText('{"a":"x","\\"":"y"}'), [
    ['a', Buffer.from('x')],
    [QUOTE, Buffer.from('y')],
  ]);
  assert.equal(textsOfLines('{"a":"x","\\"":"y"}', [QUOTE]), '{"a":"x","\\"":"y"}');
});
