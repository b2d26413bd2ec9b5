// What a config may not do: break out of an expression, look at other rows, files or keys, or mean something
// else when a record is read again. And what names, values and settings with quotes in them do: nothing.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Step, stepSchema } from '@sluice/collector/step-config.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transformer, transform } = oneWindows();
const directory = temporaryDirectory();
const columns = [
  { name: 's', type: 'string' },
  { name: 'n', type: 'int' },
];
const problems = async (steps: readonly object[]) =>
  (
    await transformer.validate(
      { ...plainTable, columns, steps: steps.map((step) => stepSchema.parse(step)) },
      directory,
    )
  ).join('; ');

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['n > 0); DROP TABLE staged; --', /SQL is refused/],
  ['n > 0) FROM raw; SELECT (1', /SQL is refused/],
  ['n > 0) AS x, (s', /not one expression/],
  ['n > 0) FROM (SELECT 1', /not one expression/],
  ['n > 0 -- a comment', /^$/],
  ['n > 0 /* open', /SQL is refused/],
  ['(SELECT count(*) FROM raw) > 0', /looks beyond its row/],
  ['EXISTS (FROM staged)', /looks beyond its row/],
  ["(SELECT content FROM read_text('/etc/passwd')) > ''", /looks beyond its row/],
  ['row_number() OVER () > 1', /looks beyond its row/],
  ['count(*) > 1', /SQL is refused/],
  ['sum(n) > 1', /SQL is refused/],
  ["getvariable('key_0_inner') IS NOT NULL", /calls getvariable/],
  ["current_setting('temp_directory') > ''", /calls current_setting/],
  ["getenv('HOME') > ''", /calls getenv/],
  ['random() > 0.5', /calls random/],
  ["now() > TIMESTAMP '2026-01-01'", /calls now/],
  ["current_date > DATE '2026-01-01'", /is refused/],
  ["__value > ''", /is no column/],
  ['n > 0 AND unknown_column', /SQL is refused/],
  ['n > $1', /SQL is refused/],
  ['unnest([true, false])', /SQL is refused/],
];

for (const [expression, expected] of REFUSED) {
  test(`as a filter and as a derived column, ${expression} is ${expected.source === '^$' ? 'taken' : 'refused'}`, async () => {
    assert.match(await problems([{ filter: expression }]), expected);
    const derive = [{ column: 'd', type: 'boolean', expression }];
    assert.match(await problems([{ derive }]), expected);
  });
}

const HOSTILE = [
  `'); DROP TABLE staged; --`,
  '"; SELECT 1; --',
  '\\',
  "it's",
  '$1',
  '${'.concat('x}'),
  '\u0000',
  'chr(31)',
  '[',
  '%',
];

test('quotes in texts of the config are texts, in every step that takes one', async () => {
  for (const text of HOSTILE) {
    const steps: Step[] = [
      { kind: 'fill_missing', fills: [{ column: 's', value: text }] },
      { kind: 'concat', column: 'c', fields: ['s', 's'], separator: text },
      { kind: 'split_string', field: 'c', separator: text, to: { column: 'parts' } },
      { kind: 'redact', fields: ['n'], text },
    ];
    const { rows } = await transform({ columns, steps, provenance: 'none' }, [`{"s":"x","n":1}`, '{}']);
    assert.deepEqual(
      rows.map(({ s, c, n }) => [s, c, n]),
      [
        ['x', `x${text}x`, text],
        [text, `${text}${text}${text}`, null],
      ],
      text,
    );
    assert.deepEqual(rows[0]?.['parts'], ['x', 'x'], text);
  }
});

test('names that need quotes are read as they are, and written only under safe ones', async () => {
  for (const name of [`a"; DROP TABLE raw; --`, "it's", 'select', 'ü', 'a b', '$x']) {
    const mapping = (target: string) => [
      stepSchema.parse({ apply_mapping: [[name, 'string', target, 'string']] }),
    ];
    const value = JSON.stringify({ [name]: 'v' });
    const { rows } = await transform({ steps: mapping('safe') }, [value]);
    assert.equal(rows[0]?.['safe'], 'v', name);
    if (/^[a-z]+$/.test(name)) continue;
    const [problem] = await transformer.validate({ ...plainTable, steps: mapping(name) }, directory);
    assert.match(problem ?? '', /must be renamed/, name);
  }
});

test('names of our own beside columns of the same name do not touch each other', async () => {
  const names = [
    'm0',
    'e0',
    't0',
    'c0',
    'r',
    'x',
    'f',
    'v',
    'read',
    'raw',
    'staged',
    'tried',
    'value',
    'name',
  ];
  const steps: Step[] = [
    { kind: 'filter', expression: 'x <> e0' },
    stepSchema.parse({
      derive: names.map((column) => ({ column, type: 'string', expression: `${column} || '!'` })),
    }),
    stepSchema.parse({ detect_pii: { fields: ['f', 'v'], action: 'mask' } }),
  ];
  const record = Object.fromEntries(names.map((name) => [name, `the ${name}`]));
  const { rows } = await transform(
    { columns: names.map((name) => ({ name, type: 'string' })), steps, provenance: 'none' },
    [JSON.stringify(record), '5'],
  );
  assert.deepEqual(rows, [Object.fromEntries(names.map((name) => [name, `the ${name}!`]))]);
});

test('a key stands in no SQL that is printed, and one that is missing or short stops the table by name', async () => {
  const file = join(directory, 'hmac.key');
  const secret = 'correct horse battery staple';
  writeFileSync(file, secret);
  const steps = [stepSchema.parse({ hash: { fields: ['s'], key: file } })];
  const table = { ...plainTable, columns, steps };
  const printed = transformer.explain(table);
  for (const form of [secret, Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64')])
    assert.ok(!printed.includes(form));
  assert.match(printed, /getvariable\('key_0_inner'\)/);
  writeFileSync(file, 'short');
  assert.match(await problems([{ hash: { fields: ['s'], key: file } }]), /at least 16 bytes/);
  const gone = join(directory, 'gone.key');
  assert.match(await problems([{ hash: { fields: ['s'], key: gone } }]), /cannot be read/);
});

const WRONG: readonly (readonly [string, object, RegExp])[] = [
  ['a constant of another type', { fill_missing: [{ column: 'n', value: 'many' }] }, /'many' is not int/],
  [
    'a zone that nobody knows',
    { format_timestamp: { field: 'n', pattern: 'yyyy', zone: 'Europe/Nowhere' } },
    /and no timestamp/,
  ],
  ['a pattern that means nothing', { parse_timestamp: { field: 's', patterns: ['yyyy-QQ'] } }, /'QQ'/],
  [
    'a pattern without a day',
    { parse_timestamp: { field: 's', patterns: ['HH:mm'] } },
    /'HH:mm' has neither a year nor a day with its month/,
  ],
  ['a day without its month', { parse_timestamp: { field: 's', patterns: ['dd HH'] } }, /neither a year/],
  [
    'a pattern of twelve hours that does not say which',
    { parse_timestamp: { field: 's', patterns: ['yyyy-MM-dd hh:mm'] } },
    /counts twelve hours and does not say which: H counts 24/,
  ],
  [
    'a zone of a pattern',
    { parse_timestamp: { field: 's', patterns: ['yyyy'], zone: 'Mars/Base' } },
    /is no time zone/,
  ],
  [
    'fewer groups than columns',
    { regex_extract: { field: 's', pattern: '(a)', into: ['x', 'y'] } },
    /groups/,
  ],
  ['a pattern that is none', { regex_extract: { field: 's', pattern: '(a', into: ['x'] } }, /no pattern/],
  ['a column that is not there', { drop_fields: ['nowhere'] }, /names 'nowhere'/],
  ['two columns of one name', { rename_field: { s: 'n' } }, /two columns are named 'n'/],
  ['a choice that is none', { resolve_choice: [['s', 'make_cols']] }, /no choice/],
  ['report without a column', { detect_pii: { fields: ['s'], action: 'report' } }, /needs 'column'/],
];
for (const [what, step, expected] of WRONG)
  test(`${what} is refused before any data`, async () => assert.match(await problems([step]), expected));
