// What a window makes of hostile and ordinary values: exact, quarantined by name, or filtered. Never NULL in
// silence.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Step, TableConfig } from '@sluice/collector/contracts.ts';
import { escapePartition } from '@sluice/collector/lake/object-keys.ts';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { csvOf, plainTable } from '../../support/written-lake.ts';
import { CASES } from './json-cases.ts';
import { oneWindows, type Written } from './one-window.ts';

const { transformer, transform } = oneWindows();

/** All values of a type go through one window, between two neighbours that must not suffer. */
for (const [type, cases] of Map.groupBy(CASES, (one) => one.type)) {
  const end = cases.length + 1;
  let written: Promise<Written> | undefined;
  const window = () => {
    const columns = [
      { name: 'n', type: 'int' },
      { name: 'v', type },
    ];
    const values = cases.map(({ json }, i) => `{"n":${i + 1},"v":${json}}`);
    written ??= transform({ columns }, ['{"n":0}', ...values, `{"n":${end}}`]);
    return written;
  };
  cases.forEach(({ json, becomes }, i) => {
    test(`JSON ${json} as ${type} becomes ${JSON.stringify(becomes)}`, async () => {
      const { rows, quarantine } = await window();
      const row = rows.find(({ n }) => n === i + 1);
      const failed = quarantine.find((one) => one['_offset'] === String(i + 1));
      if (typeof becomes === 'object' && becomes !== null) {
        assert.equal(failed?.['code'], (becomes as { code: string }).code);
        assert.equal(row, undefined);
      } else {
        assert.deepEqual(row?.['v'], becomes);
        assert.equal(failed, undefined);
      }
      assert.deepEqual([rows.at(0)?.['n'], rows.at(-1)?.['n']], [0, end]);
      assert.equal(rows.length + quarantine.length, cases.length + 2);
    });
  });
}

const BROKEN: readonly (readonly [string, string | Buffer | null, string])[] = [
  ['a tombstone', null, 'TOMBSTONE'],
  ['an empty value', '', 'JSON_INVALID'],
  ['a trailing comma', '{"v":"a",}', 'JSON_INVALID'],
  ['a trailing comma and a line break', '{"v":["a", \n ]}', 'JSON_INVALID'],
  ['half an object', '{"v":"a', 'JSON_INVALID'],
  ['a byte order mark', '\ufeff{"v":"a"}', 'JSON_INVALID'],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'UTF8_INVALID'],
  ['a NUL behind the object', '{"v":"a"}\u0000', 'JSON_INVALID'],
  ['an array', '[{"v":"a"}]', 'NOT_AN_OBJECT'],
  ['a number', '5', 'NOT_AN_OBJECT'],
];

for (const [what, value, code] of BROKEN) {
  test(`${what} is quarantined as ${code} and its neighbours flow on`, async () => {
    const { rows, quarantine } = await transform({ columns: [{ name: 'v', type: 'string' }] }, [
      '{"v":"one"}',
      value,
      ' {"v":"two"}',
    ]);
    assert.deepEqual(
      rows.map((row) => row['v']),
      ['one', 'two'],
    );
    assert.equal(quarantine[0]?.['code'], code);
    assert.equal(quarantine[0]?.['_offset'], '1');
  });
}

test('a reason names the field, the value and the type, unless raw bytes must not be kept', async () => {
  const columns = [{ name: 'amount', type: 'decimal(12,2)' }];
  const value = '{"amount":"abc"}';
  const kept = await transform({ columns }, [value]);
  assert.equal(kept.quarantine[0]?.['reason'], `amount 'abc' is not decimal(12,2) but string`);
  const hashed = await transform({ columns, quarantineRaw: 'hash' }, [value]);
  assert.equal(hashed.quarantine[0]?.['reason'], 'amount is not decimal(12,2) but string');
  assert.equal(hashed.quarantine[0]?.['raw'], undefined);
  assert.match(String(hashed.quarantine[0]?.['raw_sha256']), /^[0-9a-f]{64}$/);
  const dropped = await transform({ columns, quarantineRaw: 'drop' }, [value]);
  assert.equal(JSON.stringify(dropped.quarantine).includes('abc'), false);
});

test('apply_mapping renames, casts and reaches into objects; a parent that is no object is quarantined', async () => {
  const map = (source: string, sourceType: string, target: string, targetType: string) => ({
    source,
    sourceType,
    target,
    targetType,
  });
  const steps: Step[] = [
    {
      kind: 'apply_mapping',
      mappings: [
        map('id', 'string', 'claim_id', 'bigint'),
        map('policy.holder.name', 'string', 'holder', 'string'),
        map('at', 'bigint', 'at', 'timestamp'),
        map('_offset', 'bigint', 'place', 'bigint'),
      ],
    },
  ];
  const { rows, quarantine } = await transform({ steps, provenance: 'none' }, [
    '{"id":"17","policy":{"holder":{"name":"Ada"}},"at":1780000000123}',
    '{"id":"x","policy":{"holder":{"name":"Ada"}}}',
    '{"id":"18","policy":5}',
    '{"id":"19","policy":null}',
    '{"id":"20","policy":{"holder":[1]}}',
    '{"id":"21","policy":7,"policy":{"holder":{"name":"Bob"}}}',
  ]);
  assert.deepEqual(rows, [
    { claim_id: '17', holder: 'Ada', at: '2026-05-28 20:26:40.123', place: '0' },
    { claim_id: '19', holder: null, at: null, place: '3' },
  ]);
  assert.deepEqual(
    quarantine.map((row) => row['reason']),
    [
      "id 'x' is not bigint but string",
      "policy '5' is not an object",
      "policy.holder '[1]' is not an object",
      "policy '7' is not an object",
    ],
  );
});

test('a record is filtered when the filter is false or NULL, and quarantined when it cannot be evaluated', async () => {
  const columns = [{ name: 's', type: 'string' }];
  const filter = (expression: string): Step[] => [{ kind: 'filter', expression }];
  const values = ['{"s":"1"}', '{"s":"void"}', '{}'];
  const some = await transform({ columns, steps: filter("s <> 'void'") }, values);
  assert.deepEqual([some.result.classes.emitted, some.result.classes.filtered], [1, 2]);
  const throwing = await transform({ columns, steps: filter('s::INTEGER > 0') }, values);
  assert.deepEqual(
    [throwing.result.classes.emitted, throwing.result.classes.filtered, throwing.result.classes.quarantined],
    [1, 1, 1],
  );
  assert.equal(throwing.quarantine[0]?.['code'], 'FILTER_FAILED');
});

test('rows are written to the partition of their own time and value, NULL to the default one', async () => {
  const { result } = await transform(
    {
      columns: [
        { name: 'at', type: 'timestamp' },
        { name: 'kind', type: 'string' },
      ],
      partitionBy: [
        { kind: 'time', field: 'at', by: 'day', column: 'day' },
        { kind: 'value', field: 'kind', column: 'kind' },
        { kind: 'ingest', by: 'hour', column: 'ingest_hour' },
      ],
    },
    [
      '{"at":"2026-01-02T23:59:59Z","kind":"a\'b"}',
      '{"at":"2026-01-02T23:59:59-01:00","kind":"a\'b"}',
      '{"kind":null}',
      '{"at":"2026-01-02T00:00:00Z","kind":"a\'b"}',
    ],
  );
  const seen = result.files.map((f) => [f.rows, ...f.partition.map(({ value }) => value)]);
  assert.deepEqual(seen, [
    [2, '2026-01-02', "a'b", '2026-11-23-07'],
    [1, '2026-01-03', "a'b", '2026-11-23-07'],
    [1, null, null, '2026-11-23-07'],
  ]);
});

test('a partition value that no path can hold goes to quarantine and keeps nobody from being published', async () => {
  const values = ['a'.repeat(250), 'a'.repeat(251), '/'.repeat(83), '/'.repeat(84), 'ü'.repeat(126), 'ok'];
  const { result, quarantine } = await transform(
    {
      columns: [{ name: 'kind', type: 'string' }],
      partitionBy: [{ kind: 'value', field: 'kind', column: 'kind' }],
    },
    values.map((kind) => JSON.stringify({ kind })),
  );
  const rows = result.files.filter(({ output }) => output === 'rows');
  const written = rows.flatMap((f) => f.partition.map(({ value }) => value));
  assert.deepEqual(written.sort(), ['/'.repeat(83), 'a'.repeat(250), 'ok']);
  for (const value of written)
    assert.ok(Buffer.byteLength(`kind=${escapePartition(value ?? '')}`) <= 255, `${value} is too long`);
  assert.deepEqual(
    quarantine.map((row) => [row['_offset'], row['code'], row['field']]),
    ['1', '3', '4'].map((offset) => [offset, 'PARTITION_TOO_LONG', 'kind']),
  );
});

test('CSV values are split as RFC 4180 says, typed, and refused by name when they are not one line', async () => {
  const columns = [
    { name: 'id', type: 'int' },
    { name: 'text', type: 'string' },
  ];
  const input = csvOf(['id', 'text']);
  const { rows, quarantine } = await transform({ input, columns }, [
    '1,plain',
    '2,"a ""quoted"", text"\r\n',
    '3,',
    '4,""',
    'x,bad',
    '5',
    '6,"open',
  ]);
  assert.deepEqual(
    rows.map((row) => [row['id'], row['text']]),
    [
      [1, 'plain'],
      [2, 'a "quoted", text'],
      [3, null],
      [4, ''],
    ],
  );
  assert.deepEqual(
    quarantine.map((row) => [row['code'], row['raw']]),
    [
      ['CAST_FAILED', 'x,bad'],
      ['CSV_COLUMNS', '5'],
      ['CSV_INVALID', '6,\\x22open'],
    ],
  );
});

test('text and bytes arrive as they were sent', async () => {
  const text = await transform({ input: { kind: 'text' } }, ['a line', '', 'ü']);
  assert.deepEqual(
    text.rows.map((row) => row['value']),
    ['a line', '', 'ü'],
  );
  const bytes = await transform({ input: { kind: 'bytes' } }, [Buffer.from([0xff, 0x00]), Buffer.alloc(0)]);
  assert.deepEqual(
    bytes.rows.map((row) => row['value']),
    ['\\xFF\\x00', ''],
  );
});

for (const output of [
  { kind: 'parquet', compression: 'snappy' },
  { kind: 'json', compression: 'none' },
  { kind: 'json', compression: 'gzip' },
  { kind: 'csv', compression: 'none' },
  { kind: 'csv', compression: 'gzip' },
] as const) {
  test(`${output.kind} with ${output.compression} reads back as written`, async () => {
    const { rows, result } = await transform(
      {
        output,
        columns: [
          { name: 'n', type: 'int' },
          { name: 's', type: 'string' },
          { name: 't', type: 'timestamp' },
        ],
      },
      ['{"n":1,"s":"a, \\"b\\"","t":"2026-01-02T03:04:05.5Z"}'],
    );
    assert.equal(result.files[0]?.extension, output.kind + (output.compression === 'gzip' ? '.gz' : ''));
    const values = Object.values(rows[0] ?? {}).map(String);
    assert.equal(values[0], '1');
    assert.equal(values[1], 'a, "b"');
    assert.match(values[2] ?? '', /^2026-01-02 03:04:05\.5/);
  });
}

test('a line break in a key goes to quarantine where a CSV table writes the key as text', async () => {
  const csv = {
    output: { kind: 'csv', compression: 'none' },
    columns: [
      { name: 's', type: 'string' },
      { name: 'xs', type: 'array<int>' },
    ],
  } as const;
  const values = [
    { value: '{"s":"a","xs":[1,2]}', key: 'a\nb', headers: [['h', 'c\nd']] as const },
    { value: '{"s":"c","xs":[3]}', key: 'k' },
  ];
  const keep = { ...plainTable.record, tombstones: 'keep' } as const;
  const exploded = { steps: [stepSchema.parse({ explode: { field: 'xs' } })] };
  for (const writes of [
    { provenance: 'full' },
    { record: keep },
    { provenance: 'full', ...exploded },
  ] as const) {
    const { rows, quarantine } = await transform({ ...csv, ...writes }, values);
    assert.equal(rows.length, 1);
    assert.deepEqual(
      quarantine.map(({ code, _offset }) => [code, _offset]),
      [['CSV_LINE_BREAK', '0']],
    );
  }
  const without = await transform(csv, values);
  assert.deepEqual([without.rows.length, without.quarantine], [2, []]);
  const inBytes = await transform(
    { ...csv, provenance: 'full', record: { ...plainTable.record, key: 'bytes' } },
    values,
  );
  assert.deepEqual([inBytes.rows.length, inBytes.quarantine], [2, []]);
});

test('a line break in a CSV table goes to quarantine and not into the file', async () => {
  const { rows, quarantine } = await transform(
    { output: { kind: 'csv', compression: 'none' }, columns: [{ name: 's', type: 'string' }] },
    ['{"s":"a\\nb"}', '{"s":"c"}'],
  );
  assert.equal(rows.length, 1);
  assert.equal(quarantine[0]?.['code'], 'CSV_LINE_BREAK');
});

test('full provenance writes key, headers, topic and timestamp beside each row', async () => {
  const { rows } = await transform({ provenance: 'full', columns: [{ name: 'v', type: 'string' }] }, [
    '{"v":"a"}',
    Buffer.from([0xff]),
    '{"v":"b"}',
  ]);
  assert.deepEqual(
    rows.map((row) => [
      row['v'],
      row['_topic'],
      row['_partition'],
      row['_offset'],
      row['_key'],
      row['_headers'],
    ]),
    [
      ['a', 'claims', 0, '0', null, '[]'],
      ['b', 'claims', 0, '2', null, '[]'],
    ],
  );
});

test('a table that cannot run is refused with what is wrong, before any data', async () => {
  const problems = async (table: Partial<TableConfig>) =>
    (await transformer.validate({ ...plainTable, ...table }, temporaryDirectory())).join('; ');
  assert.match(await problems({ columns: [{ name: 'a', type: 'varchar' }] }), /'a' has the type 'varchar'/);
  assert.match(await problems({ columns: [{ name: 'A', type: 'int' }] }), /must be renamed/);
  assert.match(await problems({}), /'columns' is missing/);
  const columns = [{ name: 'a', type: 'int' }];
  const steps: Step[] = [{ kind: 'filter', expression: 'a >< 5' }];
  assert.match(await problems({ columns, steps }), /SQL is refused/);
  const reads: Step[] = [
    { kind: 'filter', expression: "(SELECT count(*) FROM read_text('/etc/passwd')) > 0" },
  ];
  assert.match(await problems({ columns, steps: reads }), /SQL is refused/);
  assert.equal(await problems({ columns }), '');
});

test('a hundred thousand records over several chunks are all there, once', async () => {
  const values = Array.from({ length: 100_000 }, (_, i) => `{"n":${i}}`);
  const { rows } = await transform({ columns: [{ name: 'n', type: 'int' }] }, values);
  assert.equal(rows.length, values.length);
  assert.ok(rows.every((row, i) => row['n'] === i && row['_offset'] === String(i)));
});
