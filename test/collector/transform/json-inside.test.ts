// The part of a JSON value that a table reads: found wherever it stands, as its producer wrote it, and told
// where it is not there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathOf, valueAt } from '@sluice/collector/transform/json-inside.ts';
import { parseJson } from '@sluice/collector/transform/json-parse.ts';
import fc from 'fast-check';
import { runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { oneWindows } from './one-window.ts';

const { transform } = oneWindows();
const directory = temporaryDirectory();

const names = fc.constantFrom('a', 'b', 'a b', 'ü', '"', '{', '}]', '', 'a\\"', '\\', 'a\\');
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, -1.5e-7, '', '"', '\\', '{"a":1', '[}', ',"b":2'),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(names, tie('json'), { maxKeys: 4 }),
  ),
}));

test('what is found at a path is what a parser finds there, whatever stands around it', () => {
  const spaces = fc.constantFrom(undefined, 1, '\t\r\n');
  fc.assert(
    fc.property(
      fc.dictionary(names, json, { maxKeys: 4 }),
      fc.array(names, { maxLength: 3 }),
      spaces,
      (value, path, space) => {
        const found = valueAt(JSON.stringify(value, null, space), path);
        let expected: unknown = value;
        for (const name of path) {
          // A text on the way is what it holds, and none of these texts is JSON.
          if (typeof expected === 'string') return;
          const isObject = typeof expected === 'object' && expected !== null && !Array.isArray(expected);
          expected =
            isObject && Object.hasOwn(expected as object, name)
              ? (expected as Record<string, unknown>)[name]
              : null;
        }
        if (typeof expected === 'string') return;
        assert.equal(JSON.stringify(parseJson(found ?? '')), JSON.stringify(expected));
      },
    ),
    { numRuns: 2_000 },
  );
});

test('digits stay as they are written, of a name that comes twice the first counts, and a long text is no matter', () => {
  assert.equal(valueAt('{"x":[1.50,{}],"a":{"b":1.50,"c":[ 2 ]},"a":3}', ['a']), '{"b":1.50,"c":[ 2 ]}');
  assert.equal(
    valueAt(String.raw`{"\u0061":{"n":12345678901234567890.12}}`, ['a', 'n']),
    '12345678901234567890.12',
  );
  const long = `{"text":"${'\\\\x'.repeat(3e6)}\\"","list":[${'"[",'.repeat(1e6)}1],"a":{}}`;
  assert.equal(valueAt(long, ['a']), '{}');
  assert.deepEqual(pathOf('a.`b.c`.d'), ['a', 'b.c', 'd']);
});

test('a text on the way is what it holds, and one that holds no JSON is told', () => {
  const inner = JSON.stringify({ Records: [{ n: 1.5 }] });
  assert.equal(valueAt(JSON.stringify({ Message: inner }), ['Message', 'Records']), '[{"n":1.5}]');
  assert.equal(valueAt(JSON.stringify({ Message: inner }), ['Message']), inner);
  assert.equal(valueAt('{"Message":"{\\"a\\":1"}', ['Message']), undefined);
  assert.equal(valueAt('{"a":{}} x', ['a']), undefined);
  const half = String.fromCharCode(0xd800);
  assert.equal(valueAt(JSON.stringify({ Message: `{"n":"${half}"}` }), ['Message']), undefined, 'no UTF-8');
});

test('a record is told whole: its fate is one, its bytes in quarantine are those of the envelope', async () => {
  const input = { kind: 'json', array: 'explode', at: 'Records' } as const;
  const values = [
    '{"Records":[{"n":1},{"n":2}],"s":3}',
    '{"Records":[{"n":1},{"n":"x"}]}',
    '{"Records":7}',
    '{"Records":[]}',
    '{',
  ];
  const { rows, quarantine } = await transform({ input, columns: [{ name: 'n', type: 'int' }] }, values);
  assert.deepEqual(
    rows.map(({ n, _offset, _row }) => [n, Number(_offset), _row]),
    [
      [1, 0, 0],
      [2, 0, 1],
    ],
  );
  assert.deepEqual(
    quarantine.map(({ code, field, reason, raw }) => [code, field, reason, raw]),
    [
      ['CAST_FAILED', '[1].n', "[1].n 'x' is not int but string", values[1]],
      ['NOT_AN_OBJECT', 'Records', "Records '7' is not an object or an array", values[2]],
      ['JSON_INVALID', null, 'the value is not JSON (RFC 8259)', '{'],
    ].map(([code, field, reason, raw]) => [
      code,
      field,
      reason,
      String(raw).replaceAll('"', String.raw`\x22`),
    ]),
  );
});

test('the bytes of a record in quarantine are those that came, where only a part of them is read', async () => {
  const input = { kind: 'json', at: 'a' } as const;
  const { quarantine } = await transform({ input, columns: [{ name: 'n', type: 'int' }] }, [
    '{"a":{"n":"x"}}',
  ]);
  assert.equal(quarantine[0]?.['raw'], String.raw`{\x22a\x22:{\x22n\x22:\x22x\x22}}`);
});

test('columns are detected in what is read: behind a frame, inside an envelope', async () => {
  const framed = (text: string) => ({
    base64: Buffer.concat([Buffer.of(0, 0, 0, 1, 7), Buffer.from(text)]).toString('base64'),
  });
  const table = {
    name: 't',
    topic: 't',
    format: { json: { frame: 'confluent', at: 'payload.after' } },
    columns: 'detect',
    examples: [
      {
        name: 'x',
        records: [
          framed('{"payload":{"after":{"idX":1,"n":1.5}}}'),
          '{"payload":{"after":{"idX":2}}}',
          framed('{"payload":{"after":null}}'),
        ],
        rows: [{ id_x: 1, n: 1.5 }],
        quarantine: [
          { offset: 1, code: 'FRAME_INVALID' },
          { offset: 2, code: 'NOT_AN_OBJECT', field: 'payload.after' },
        ],
      },
    ],
  };
  const [result] = await runTableExamples(directory, [table]);
  assert.deepEqual(result?.differences, []);
});
