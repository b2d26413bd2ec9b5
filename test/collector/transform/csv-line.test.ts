// One CSV value: which fields it has, in every dialect that can be configured, and when it is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CsvInput } from '@sluice/collector/contracts.ts';
import { FILTERED } from '@sluice/collector/transform/columns.ts';
import { csvConverter, PLAIN_CSV, splitCsvLine } from '@sluice/collector/transform/csv-line.ts';
import fc from 'fast-check';
import { csvOf } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transform } = oneWindows();

/** The fields, a code, or 'filtered'. */
function read(text: string, input: Partial<CsvInput> = {}, columns = ['a', 'b']): unknown {
  const converted = csvConverter({ ...csvOf(columns), ...input })(Buffer.from(text));
  if (converted === FILTERED) return 'filtered';
  if (typeof converted === 'string') return converted;
  const [whole, ...fields] = JSON.parse(Buffer.from(converted).toString()) as unknown[];
  assert.equal(whole, text);
  return fields;
}

const CASES: readonly (readonly [string, Partial<CsvInput>, unknown])[] = [
  ['1,2', {}, ['1', '2']],
  ['1,2\r\n', {}, ['1', '2']],
  [',', {}, [null, null]],
  ['"",x', {}, ['', 'x']],
  ['"a ""b"", c",d', {}, ['a "b", c', 'd']],
  ['"two\nlines",d', {}, ['two\nlines', 'd']],
  ['"two\r\nlines",d\n', {}, ['two\r\nlines', 'd']],
  ['a"b,c', {}, ['a"b', 'c']],
  ['a\rb,c', {}, ['a\rb', 'c']],
  [' a , b ', {}, [' a ', ' b ']],
  ['1,2\n3,4', {}, 'CSV_LINES'],
  ['1,2\n\n', {}, 'CSV_LINES'],
  ['1', {}, 'CSV_COLUMNS'],
  ['1,2,3', {}, 'CSV_COLUMNS'],
  ['', {}, 'CSV_COLUMNS'],
  ['"open,2', {}, 'CSV_INVALID'],
  ['"a"b,2', {}, 'CSV_INVALID'],
  ['"a" ,2', {}, 'CSV_INVALID'],
  ['1\t2', { delimiter: '\t' }, ['1', '2']],
  ["'it''s';x", { delimiter: ';', quote: "'", escape: "'" }, ["it's", 'x']],
  ['"a"x,"b', { quote: '', escape: '' }, ['"a"x', '"b']],
  [' a ,\t" b " ', { trim: true }, ['a', ' b ']],
  [' \t x', { trim: true, delimiter: '\t' }, [null, 'x']],
  ['NA,"NA"', { nulls: ['NA'] }, [null, 'NA']],
  [',NA', { nulls: ['NA'] }, ['', null]],
  ['\\N,"\\N"', { nulls: ['\\N'], escape: '\\' }, [null, 'N']],
  ['"a \\"b\\", c",d', { escape: '\\' }, ['a "b", c', 'd']],
  ['a\\,b,c\\\\', { escape: '\\' }, ['a,b', 'c\\']],
  ['"a""b",c', { escape: '\\' }, 'CSV_INVALID'],
  ['a,b\\', { escape: '\\' }, 'CSV_INVALID'],
  ['\u{feff}1,2', {}, ['1', '2']],
  ['\u{feff}"1",2\u{feff}', {}, ['1', '2\u{feff}']],
  ['\u{feff}a,b', { header: 'line' }, 'filtered'],
  ['\u{feff}b,a\n2,1', { header: 'each' }, ['1', '2']],
  ['a,b', { header: 'line' }, 'filtered'],
  ['"a","b"\n', { header: 'line' }, 'filtered'],
  ['A,b', { header: 'line' }, ['A', 'b']],
  ['b,a', { header: 'line' }, 'CSV_HEADER'],
  ['a,b,c', { header: 'line' }, 'CSV_HEADER'],
  ['a,b,c', { header: 'none' }, 'CSV_COLUMNS'],
  ['b,x', { header: 'each', mayLack: true }, 'CSV_HEADER'],
  ['b,x\n2,0', { header: 'each', mayLack: true }, [null, '2']],
  ['b,x,a\n2,0,1', { header: 'each' }, ['1', '2']],
  ['a,b\r\n1,"2\n3"\r\n', { header: 'each' }, ['1', '2\n3']],
  ['a,b', { header: 'each' }, 'CSV_HEADER'],
  ['a,c\n1,2', { header: 'each' }, 'CSV_HEADER'],
  ['a,b\n1', { header: 'each' }, 'CSV_COLUMNS'],
  ['a,b\n1,2\n3,4', { header: 'each' }, 'CSV_LINES'],
];

for (const [text, input, expected] of CASES) {
  test(`${JSON.stringify(text)} read with ${JSON.stringify(input)} is ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(read(text, input), expected);
  });
}

test('bytes that are no text are told, and never made another text', async () => {
  const values = ['1,a', Buffer.from([0x31, 0x2c, 0xff]), Buffer.from([0xed, 0xa0, 0x80, 0x2c, 0x62])];
  const columns = ['a', 'b'].map((name) => ({ name, type: 'string' }));
  for (const header of ['none', 'line', 'each'] as const) {
    const input = { ...csvOf(['a', 'b']), header };
    const lines =
      header === 'each' ? values.map((v) => Buffer.concat([Buffer.from('a,b\n'), Buffer.from(v)])) : values;
    const { rows, quarantine } = await transform({ input, columns }, lines);
    assert.deepEqual(
      rows.map(({ b }) => b),
      ['a'],
    );
    assert.deepEqual(
      quarantine.map(({ code }) => code),
      ['UTF8_INVALID', 'UTF8_INVALID'],
    );
  }
});

test('what is quoted as RFC 4180 says comes back, whatever it is', () => {
  const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\r', '\n', ' ', 'é', '\\') });
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 4 }), (fields) => {
      const line = fields.map((text) => `"${text.replaceAll('"', '""')}"`).join(',');
      assert.deepEqual(splitCsvLine(line, PLAIN_CSV), fields);
      assert.deepEqual(splitCsvLine(`${line}\r\n`, PLAIN_CSV), fields);
    }),
  );
});

test('a line of names that is filtered is counted, and what is refused has a reason', async () => {
  const input = { ...csvOf(['id', 'name']), header: 'line' as const };
  const columns = [
    { name: 'id', type: 'int' },
    { name: 'name', type: 'string' },
  ];
  const { rows, quarantine, result } = await transform({ input, columns }, [
    'id,name',
    '1,"a, b"',
    'id,name\n2,c',
    'id,"name"',
  ]);
  assert.deepEqual(
    rows.map(({ id, name }) => [id, name]),
    [[1, 'a, b']],
  );
  assert.equal(result.classes.filtered, 2);
  assert.deepEqual(
    quarantine.map(({ code, reason }) => [code, reason]),
    [['CSV_LINES', 'the value has more lines than one']],
  );
});
