// What becomes of a record's other parts: tombstones, keys, headers, and values that producers compress
// themselves. Whatever is chosen, each record is accounted for, and quarantine has its value as it came.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { RecordOptions, TableConfig } from '@sluice/collector/contracts.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { csvOf, plainRecord, plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';
import { parseSteps } from './step-cases.ts';

const { transform } = oneWindows();

const columns = [{ name: 'n', type: 'bigint' }];
const withRecord = (record: Partial<RecordOptions>): Partial<TableConfig> => ({
  columns,
  record: { ...plainRecord, ...record },
});

/** As DuckDB prints a BLOB. */
function shown(value: Buffer | string): string {
  return [...Buffer.from(value)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (byte >= 32 && byte <= 126 && !'"\'\\'.includes(character)) return character;
      return `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

test('a tombstone that is dropped counts as filtered, also in a window of nothing else', async () => {
  const table = withRecord({ tombstones: 'drop' });
  const mixed = await transform(table, [null, '{"n":1}', null, 'bad', null]);
  const { emitted, filtered, quarantined } = mixed.result.classes;
  assert.deepEqual([emitted, filtered, quarantined], [1, 3, 1]);
  const alone = await transform(table, [null, null]);
  assert.equal(alone.result.classes.filtered, 2);
  assert.deepEqual(alone.result.files, []);
});

test('a tombstone that is kept is a row with its key, marked, and no filter takes it away', async () => {
  const table: Partial<TableConfig> = {
    ...withRecord({ tombstones: 'keep' }),
    steps: [
      {
        kind: 'apply_mapping',
        mappings: [
          { source: 'n', sourceType: 'bigint', target: 'n', targetType: 'bigint' },
          { source: '_key', sourceType: 'string', target: 'id', targetType: 'string' },
        ],
      },
      { kind: 'filter', expression: 'n > 1' },
    ],
  };
  const { rows, result } = await transform(table, [
    { key: 'a', value: '{"n":2}' },
    { key: 'a', value: null },
    { key: 'b', value: '{"n":1}' },
    { key: 'c', value: null },
  ]);
  assert.deepEqual(
    rows.map(({ n, id, _key, _deleted }) => [n, id, _key, _deleted]),
    [
      ['2', 'a', 'a', false],
      [null, 'a', 'a', true],
      [null, 'c', 'c', true],
    ],
  );
  assert.deepEqual([result.classes.emitted, result.classes.filtered], [3, 1]);
});

for (const input of [csvOf(['n']), { kind: 'text' as const }, { kind: 'bytes' as const }]) {
  test(`a tombstone that is kept is a row of a ${input.kind} table, too`, async () => {
    const table = { ...withRecord({ tombstones: 'keep' }), input };
    const { rows } = await transform(table, ['1', { key: 'k', value: null }]);
    assert.deepEqual(
      rows.map(({ _key, _deleted }) => [_key, _deleted]),
      [
        [null, false],
        ['k', true],
      ],
    );
  });
}

test('a tombstone that is kept has nothing to explode, and no key that a file could miss, and stays', async () => {
  const file = join(temporaryDirectory(), 'ref.csv');
  writeFileSync(file, 'id,name\n1,one\n');
  const lookup = { file, keys: { n: 'id' }, columns: [{ from: 'name', column: 'name', type: 'string' }] };
  for (const steps of [
    [{ explode: { field: 'l' } }],
    [{ explode: { field: 'l' } }, { explode: { field: 'l' } }],
    [{ drop_fields: ['l'] }, { unpivot: { fields: ['n'], name: 'of', value: 'v' } }],
    [{ lookup }],
    [{ lookup: { ...lookup, missing: 'filter' } }],
  ]) {
    const table = {
      ...withRecord({ tombstones: 'keep' }),
      columns: [...columns, { name: 'l', type: 'array<array<bigint>>' }],
      steps: parseSteps(steps),
    };
    const { rows, result } = await transform(table, [
      { key: 'a', value: null },
      { key: 'b', value: '{"n":1,"l":[[1]]}' },
      { key: 'c', value: '{"n":null}' },
    ]);
    assert.deepEqual(
      rows.map(({ _key, _deleted }) => `${_key} ${_deleted}`).sort(),
      ['a true', 'b false'],
      JSON.stringify(steps),
    );
    assert.equal(result.classes.emitted, 2);
  }
});

test('a filter that throws is no reason to lose the mark of a deletion', async () => {
  const table: Partial<TableConfig> = {
    ...withRecord({ tombstones: 'keep' }),
    columns: [{ name: 's', type: 'string' }],
    steps: [{ kind: 'filter', expression: 's::INTEGER > 0' }],
  };
  const { rows, quarantine } = await transform(table, ['{"s":"1"}', null, '{"s":"x"}']);
  assert.deepEqual(
    rows.map(({ _deleted }) => _deleted),
    [false, true],
  );
  assert.deepEqual(
    quarantine.map(({ code }) => code),
    ['FILTER_FAILED'],
  );
});

const keyed = (key: Buffer | string | null) => ({ key, value: '{"n":1}' });
const full = { provenance: 'full' as const };

test('a key is text, and base64 where it is no text', async () => {
  const { rows } = await transform({ ...withRecord({}), ...full }, [
    keyed('a'),
    keyed(Buffer.from([0xff])),
    keyed(null),
    keyed(''),
  ]);
  assert.deepEqual(
    rows.map(({ _key }) => _key),
    ['a', 'base64:/w==', null, ''],
  );
});

test('a key of bytes is the bytes', async () => {
  const { rows, result } = await transform({ ...withRecord({ key: 'bytes' }), ...full }, [
    keyed('a'),
    keyed(Buffer.from([0xff, 0x00])),
    keyed(null),
    keyed(''),
  ]);
  assert.deepEqual(
    rows.map(({ _key }) => _key),
    ['a', '\\xFF\\x00', null, ''],
  );
  assert.equal(result.classes.quarantined, 0);
});

test('a key that must be JSON is kept as written, and its record is quarantined where it is none', async () => {
  const { rows, quarantine } = await transform({ ...withRecord({ key: 'json' }), ...full }, [
    keyed('{"id": 12345678901234567890}'),
    keyed('id=5'),
    keyed(null),
    keyed(Buffer.from([0xff])),
  ]);
  assert.deepEqual(
    rows.map(({ _key }) => _key),
    ['{"id": 12345678901234567890}', null],
  );
  assert.deepEqual(
    quarantine.map(({ code, raw, _offset }) => [code, raw, _offset]),
    [
      ['KEY_INVALID', shown('{"n":1}'), '1'],
      ['KEY_INVALID', shown('{"n":1}'), '3'],
    ],
  );
});

test('a step may name key and headers in any case, and a sort order the key', async () => {
  const table = {
    columns,
    steps: parseSteps([
      { filter: "_KEY = 'a'" },
      { derive: [{ column: 'h', type: 'string', expression: '_Headers' }] },
    ]),
  };
  const { rows } = await transform(table, [
    { key: 'a', value: '{"n":1}', headers: [['x', 'y']] },
    keyed('b'),
  ]);
  assert.deepEqual(
    rows.map(({ n, h }) => [n, h]),
    [['1', '[["x","y"]]']],
  );
  const sorted = { columns, output: { ...plainTable.output, sortBy: ['_key'] } };
  const { rows: inOrder } = await transform(sorted, [keyed('b'), { key: 'a', value: '{"n":2}' }]);
  assert.deepEqual(
    inOrder.map(({ n }) => n),
    ['2', '1'],
  );
});

test('headers are a map in which a repeated name has its last value', async () => {
  const headers = [
    ['trace', 'one'],
    ['empty', null],
    ['raw', Buffer.from([0xff])],
    ['trace', 'two'],
    ['Trace', 'three'],
    ['__proto__', "it's"],
  ] as const;
  const table: Partial<TableConfig> = {
    ...withRecord({ headers: 'map' }),
    ...full,
    steps: [{ kind: 'filter', expression: "_headers['trace'] = 'two'" }],
  };
  const { rows, result } = await transform(table, [{ value: '{"n":1}', headers }, '{"n":2}']);
  const entries = rows[0]?.['_headers'] as { key: string; value: string | null }[];
  assert.deepEqual(Object.fromEntries(entries.map(({ key, value }) => [key, value])), {
    trace: 'two',
    empty: null,
    raw: 'base64:/w==',
    Trace: 'three',
    ['__proto__']: "it's",
  });
  assert.deepEqual([result.classes.emitted, result.classes.filtered], [1, 1]);
});

const PACKED = { gzip: gzipSync, zstd: zstdCompressSync } as const;

for (const compression of ['gzip', 'zstd'] as const) {
  const pack = (text: string) => PACKED[compression](Buffer.from(text));

  test(`values in ${compression} are unpacked; what fails stands in quarantine as it came`, async () => {
    const bad = pack('{"n":"x"}');
    const { rows, quarantine } = await transform({ ...withRecord({ compression }) }, [
      pack('{"n":9007199254740993}'),
      bad,
      '{"n":1}',
      pack('\u00ff').subarray(0, 8),
      PACKED[compression](Buffer.from([0xff])),
      null,
      pack('{"n":1,}'),
      pack('{"n":0.12345678901234567890}'),
    ]);
    assert.deepEqual(
      rows.map(({ n }) => n),
      ['9007199254740993'],
    );
    assert.deepEqual(
      quarantine.map(({ code }) => code),
      [
        'CAST_FAILED',
        'VALUE_COMPRESSION',
        'VALUE_COMPRESSION',
        'UTF8_INVALID',
        'TOMBSTONE',
        'JSON_INVALID',
        'NUMBER_INEXACT',
      ],
    );
    assert.equal(quarantine[0]?.['raw'], shown(bad));
    assert.equal(quarantine[1]?.['raw'], shown('{"n":1}'));
    assert.equal(quarantine[5]?.['raw'], shown(pack('{"n":1,}')));
    assert.equal(quarantine[6]?.['raw'], shown(pack('{"n":0.12345678901234567890}')));
  });

  test(`a ${compression} bomb is quarantined, alone or in numbers, and its neighbours flow`, async () => {
    const bomb = PACKED[compression](Buffer.alloc(17 * 2 ** 20, 32));
    const large = PACKED[compression](
      Buffer.concat([Buffer.alloc(15 * 2 ** 20, 32), Buffer.from('{"n":3}')]),
    );
    const { rows, quarantine } = await transform({ ...withRecord({ compression }) }, [
      pack('{"n":1}'),
      bomb,
      ...Array.from({ length: 6 }, () => large),
      pack('{"n":2}'),
    ]);
    assert.deepEqual(
      rows.map(({ n }) => n),
      ['1', '3', '3', '2'],
    );
    assert.deepEqual(new Set(quarantine.map(({ code }) => code)), new Set(['VALUE_TOO_LARGE']));
  });
}

test('CSV and bytes that were compressed are read as if they were not', async () => {
  const record = { ...plainRecord, compression: 'gzip' as const };
  const csv = await transform({ columns, input: csvOf(['n']), record }, [
    gzipSync('5'),
    gzipSync('x'),
    gzipSync('1,2'),
  ]);
  assert.deepEqual(
    [csv.rows[0]?.['n'], csv.quarantine.map(({ code }) => code)],
    ['5', ['CAST_FAILED', 'CSV_COLUMNS']],
  );
  assert.equal(csv.quarantine[0]?.['raw'], shown(gzipSync('x')));
  const bytes = await transform({ input: { kind: 'bytes' }, record }, [gzipSync(Buffer.from([0xff]))]);
  assert.equal(bytes.rows[0]?.['value'], '\\xFF');
});

const named: Partial<TableConfig> = { columns, provenance: 'full' };
const withKey = (value: string | Buffer | null, key: string | Buffer | null = 'k') => {
  return { value, key, headers: [['h', 'x']] as const };
};

for (const [what, record, key, headers] of [
  ['text', {}, 'k', '[["h","x"]]'],
  ['bytes and a map', { key: 'bytes', headers: 'map' }, 'k', '{"h":"x"}'],
] as const)
  test(`quarantine has the key and the headers that its table is told, as ${what}`, async () => {
    const bad = [
      '{"n":"x"}',
      'not JSON',
      null,
      Buffer.from([0xff]),
      '{"n":1,}',
      '{"n":1}\u0000',
      '{"n":NaN}',
    ];
    const { quarantine } = await transform(
      { ...named, ...withRecord(record) },
      bad.map((v) => withKey(v)),
    );
    assert.equal(quarantine.length, bad.length);
    for (const row of quarantine)
      assert.deepEqual([row['_key'], row['_headers']], [key, headers], row['code'] as string);
  });

test('quarantine has a key that is no text, and one that only looks like bytes', async () => {
  for (const key of ['text', 'bytes'] as const) {
    const keys = [Buffer.from([0xff]), 'base64:/w', ''];
    const { quarantine } = await transform(
      { ...named, ...withRecord({ key }) },
      [...keys, null].map((k) => withKey('{"n":"x"}', k)),
    );
    const shown = quarantine.map(({ _key }) => _key);
    assert.deepEqual(shown, ['base64:/w==', 'base64:/w', '', null], key);
  }
});

test('quarantine tells no key from an empty one, and has one that is not JSON', async () => {
  const { quarantine } = await transform({ ...named, ...withRecord({ key: 'json' }) }, [
    withKey('x', '{'),
    withKey('x', null),
    withKey('x', '""'),
    withKey('x', Buffer.from([0xff])),
  ]);
  assert.deepEqual(
    quarantine.map(({ code, _key }) => [code, _key]),
    [
      ['KEY_INVALID', '{'],
      ['JSON_INVALID', null],
      ['JSON_INVALID', '""'],
      ['KEY_INVALID', 'base64:/w=='],
    ],
  );
});

test('a record of several rows that fails keeps its key in the quarantine', async () => {
  const { quarantine } = await transform(
    {
      ...named,
      columns: [{ name: 'ns', type: 'array<bigint>' }],
      steps: [{ kind: 'explode', field: 'ns', column: 'n', outer: false, position: undefined }],
    },
    [withKey('{"ns":["x"]}')],
  );
  assert.deepEqual([quarantine[0]?.['_key'], quarantine[0]?.['_headers']], ['k', '[["h","x"]]']);
});

for (const raw of ['hash', 'drop'] as const)
  test(`with raw: ${raw} quarantine has neither key nor headers`, async () => {
    const { quarantine } = await transform({ ...named, quarantineRaw: raw }, [withKey('bad')]);
    assert.equal(Object.hasOwn(quarantine[0] ?? {}, '_key'), false);
    assert.equal(Object.hasOwn(quarantine[0] ?? {}, '_headers'), false);
  });
