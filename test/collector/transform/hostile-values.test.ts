// Data are data: whatever stands in values, keys, headers, names inside values and partition values, it comes
// back as it was sent, and no SQL is made of it. Settings of the formats that SQL is made of as well.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createDirectoryObjectStore } from '@sluice/collector/lake/directory-object-store.ts';
import { runQuery } from '@sluice/collector/ops/query.ts';
import { verify } from '@sluice/collector/ops/verify/verify.ts';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { createWrittenLake, csvOf, plainRecord, plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transformer, transform } = oneWindows();

const HOSTILE = [
  `'); DROP TABLE staged; --`,
  `' OR '1'='1`,
  '"; SELECT 1; --',
  `"') TO '/etc/passwd' (FORMAT csv); --`,
  `'' ''`,
  `\\'; --`,
  '\\',
  '$1 ? :x',
  '${'.concat('x}'),
  '*/ SELECT 1 /*',
  '%s%_[a-z]*',
  '../../_sluice/ledger',
  '__HIVE_DEFAULT_PARTITION',
  `E'\\x27'`,
  '$$; DROP TABLE staged; $$',
  'ünï "cødé" ‘’',
  `null-${'x'.repeat(20)}`,
  'a=b/c=d',
  '%27; --',
  'line one\nline two',
] as const;
const columns = [
  { name: 'n', type: 'int' },
  { name: 's', type: 'string' },
];
const records = HOSTILE.map((s, n) => JSON.stringify({ n, s }));

test('values of JSON are what they were, in rows and, where the record is bad, in quarantine', async () => {
  const bad = HOSTILE.map((s) => JSON.stringify({ n: s, s }));
  const { rows, quarantine } = await transform({ columns }, [...records, ...bad]);
  assert.deepEqual(
    rows.map(({ s }) => s),
    HOSTILE,
  );
  assert.equal(quarantine.length, HOSTILE.length);
  for (const [i, { field, reason }] of quarantine.entries()) {
    assert.equal(field, 'n');
    const [line = ''] = (HOSTILE[i] ?? '').split('\n');
    assert.ok(String(reason).includes(line), `${reason} names ${line}`);
  }
});

for (const count of [3, HOSTILE.length])
  test(`${count} hostile partition values are each one partition, with their rows and no others`, async () => {
    const table: Partial<TableConfig> = {
      columns,
      partitionBy: [{ kind: 'value', field: 's', column: 'p' }],
    };
    const { result, rows } = await transform(table, [...records.slice(0, count), ...records.slice(0, count)]);
    const files = result.files.filter(({ output }) => output === 'rows');
    assert.deepEqual(
      files.map(({ partition }) => partition[0]?.value).toSorted(),
      HOSTILE.slice(0, count).toSorted(),
    );
    assert.ok(files.every((file) => file.rows === 2));
    assert.equal(rows.length, 2 * count);
  });

test('a whole lake of hostile partition values is queried and verified as it was written', async () => {
  const store = createDirectoryObjectStore(temporaryDirectory());
  const partitioned = {
    ...plainTable,
    columns,
    partitionBy: [{ kind: 'value' as const, field: 's', column: 's' }],
  };
  const lake = await createWrittenLake(transformer, store, [partitioned]);
  await lake.write('claims', records);
  const { rows } = await runQuery(lake.options, 'select s from claims order by n');
  assert.deepEqual(
    rows.map(([s]) => s),
    HOSTILE,
  );
  assert.equal((await verify({ ...lake.options, only: [] }, 'deep')).ok, true);
});

test('keys and headers are what they were, as texts and as a map', async () => {
  const values = HOSTILE.map((text, n) => ({
    value: JSON.stringify({ n, s: text }),
    key: text,
    headers: [[text, text]] as const,
  }));
  for (const headers of ['pairs', 'map'] as const) {
    const record = { ...plainRecord, headers };
    const { rows } = await transform({ columns, provenance: 'full', record }, values);
    assert.deepEqual(
      rows.map(({ _key }) => _key),
      HOSTILE,
    );
    for (const [i, { _headers }] of rows.entries()) {
      const text = HOSTILE[i] ?? '';
      if (headers === 'pairs') assert.deepEqual(JSON.parse(String(_headers)), [[text, text]]);
      else assert.deepEqual(_headers, [{ key: text, value: text }]);
    }
  }
});

test('names inside values - keys of maps, fields of structs, dotted sources - are names', async () => {
  for (const name of HOSTILE.filter((text) => !/[\n.]/.test(text))) {
    const map = { ...columns[0], name: 'm', type: 'map<string,int>' };
    const { rows } = await transform({ columns: [map] }, [JSON.stringify({ m: { [name]: 7 } })]);
    assert.deepEqual(rows[0]?.['m'], [{ key: name, value: 7 }], name);
    const steps = [stepSchema.parse({ apply_mapping: [[`outer.${name}`, 'string', 'v', 'string']] })];
    const inner = JSON.stringify({ outer: { [name]: 'found' } });
    assert.equal((await transform({ steps }, [inner])).rows[0]?.['v'], 'found', name);
  }
});

test('settings of CSV that mean something in SQL are separators and nothing else', async () => {
  for (const [delimiter, quote] of [
    ["'", '"'],
    [';', "'"],
    ['"', "'"],
    ['$', '%'],
    ['\\', "'"],
  ] as const) {
    const nulls = [`'); DROP TABLE staged; --`.replaceAll(delimiter, '').replaceAll(quote, '')];
    const input = { ...csvOf(['n', 's']), delimiter, quote, escape: quote, nulls };
    const line = (s: string) => `1${delimiter}${quote}${s.replaceAll(quote, quote + quote)}${quote}`;
    const values = HOSTILE.filter((text) => !text.includes('\n'));
    const { rows } = await transform({ input, columns }, [...values.map(line), `2${delimiter}${nulls[0]}`]);
    assert.deepEqual(
      rows.map(({ s }) => s),
      [...values, null],
      `${delimiter} ${quote}`,
    );
  }
});

test('patterns and conditions with quotes in them find texts, and end nothing', async () => {
  for (const text of HOSTILE.filter((one) => !one.includes('\n'))) {
    const literal = text.replaceAll(/[\\^$.|?*+()[\]{}]/g, (sign) => `\\${sign}`);
    const steps = [
      stepSchema.parse({ regex_extract: { field: 's', pattern: `(${literal})`, into: ['found'] } }),
      stepSchema.parse({
        split_rows: [{ output: 'same', when: `found = '${text.replaceAll("'", "''")}'` }],
      }),
    ];
    const { rows, read } = await transform({ columns, steps }, [JSON.stringify({ n: 1, s: `<${text}>` })]);
    assert.equal(rows.length, 0, text);
    assert.equal((await read('same'))[0]?.['found'], text);
  }
});

test('an output’s condition that is more than one is refused', async () => {
  const directory = temporaryDirectory();
  for (const when of [
    'n > 0); DROP TABLE staged; --',
    'n > 0) OR (SELECT true',
    '(SELECT count(*) FROM raw) > 0',
  ]) {
    const steps = [stepSchema.parse({ split_rows: [{ output: 'other', when }] })];
    assert.notDeepEqual(await transformer.validate({ ...plainTable, columns, steps }, directory), [], when);
  }
});
