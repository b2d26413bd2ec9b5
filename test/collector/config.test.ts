// collector.yaml: what a table means is compiled once, and what could not run is refused at the door, all of
// it at once.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { ConfigError } from '@sluice/shared/config-file.ts';
import { stringify } from 'yaml';
import { temporaryDirectory } from '../support/temp.ts';
import { csvOf, plainRecord } from '../support/written-lake.ts';

const directory = temporaryDirectory();
const claims = { name: 'claims', topic: 'claims', format: 'json', columns: { n: 'int' } };
const minimal = {
  listen: { address: '0.0.0.0:8443', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'c-key.pem' } },
  agents: [{ id: 'plant-7', topics: ['claims'] }],
  lake: { store: './lake', catalog: 'file' },
  tables: [claims],
};

function load(change: object) {
  const file = join(directory, 'collector.yaml');
  writeFileSync(file, stringify({ ...minimal, ...change }));
  return loadCollectorConfig(file);
}
const tableOf = (change: object) => load({ tables: [{ ...claims, ...change }] }).tables[0];

test('the shortest file runs with the documented defaults', () => {
  const config = load({});
  const [table] = config.tables;
  assert.deepEqual(
    [table?.windowLengthMs, table?.windowBytesMax, table?.output, table?.provenance, table?.location],
    [
      100_000,
      64 * 2 ** 20,
      { kind: 'parquet', compression: 'zstd', objectBytes: 128 * 2 ** 20 },
      'position',
      'claims',
    ],
  );
  assert.equal(config.collector.drainTimeout, 110_000, 'below the 120 s that ECS gives');
  assert.equal(config.listen.streamAgeMax, 1_800_000);
  assert.deepEqual(config.http.address, { host: '127.0.0.1', port: 9644 });
  assert.ok(Object.isFrozen(config) && Object.isFrozen(table));
});

test('formats, steps and partitions are compiled to what the stages take', () => {
  const table = tableOf({
    format: { csv: { delimiter: ';' } },
    columns: { ID: 'BIGINT', at: 'timestamp' },
    steps: [
      { apply_mapping: [['ID', 'BigInt', 'id', 'string']] },
      { select_fields: ['id'] },
      { drop_fields: ['at'] },
      { filter: 'id > 0' },
    ],
    partitionBy: [
      { ingest: 'hour' },
      { field: 'at', by: 'day' },
      { field: 'id' },
      { field: 'id', as: 'again' },
    ],
    output: { format: 'csv' },
    location: '/insurance/claims/',
  });
  assert.deepEqual(table?.input, { ...csvOf(['ID', 'at']), delimiter: ';' });
  assert.deepEqual(table?.record, plainRecord);
  assert.deepEqual(table?.columns, [
    { name: 'ID', type: 'bigint' },
    { name: 'at', type: 'timestamp' },
  ]);
  assert.deepEqual(table?.steps, [
    {
      kind: 'apply_mapping',
      mappings: [{ source: 'ID', sourceType: 'bigint', target: 'id', targetType: 'string' }],
    },
    { kind: 'select_fields', fields: ['id'] },
    { kind: 'drop_fields', fields: ['at'] },
    { kind: 'filter', expression: 'id > 0' },
  ]);
  assert.deepEqual(table?.partitionBy, [
    { kind: 'ingest', by: 'hour', column: 'ingest_hour' },
    {
      kind: 'time',
      field: 'at',
      by: 'day',
      column: 'at_day',
      notBefore: '1970-01-02',
      notAfter: '2100-01-01',
    },
    { kind: 'value', field: 'id', column: 'id' },
    { kind: 'value', field: 'id', column: 'again' },
  ]);
  assert.deepEqual(table?.output, { kind: 'csv', compression: 'none' });
  assert.equal(table?.location, 'insurance/claims');
});

test('the config version names what a row means and not how long a window is', () => {
  const version = (change: object) => tableOf(change)?.configVersion;
  const base = version({});
  assert.match(base ?? '', /^[0-9a-f]{16}$/);
  assert.equal(version({ window: { every: '5s', bytesMax: '1MiB' } }), base);
  assert.equal(version({ quarantine: { ratioMax: 0.5 } }), base);
  for (const change of [
    { columns: { n: 'bigint' } },
    { steps: [{ filter: 'n > 1' }] },
    { partitionBy: [{ ingest: 'day' }] },
    { output: { format: 'json' } },
    { provenance: 'none' },
    { quarantine: { raw: 'drop' } },
  ])
    assert.notEqual(version(change), base, JSON.stringify(change));
});

const two = (change: object) => ({ tables: [claims, { ...claims, name: 'other', ...change }] });

const REFUSED: readonly (readonly [string, object, string, RegExp])[] = [
  ['no table', { tables: [] }, 'tables', />=1/],
  ['no agent', { agents: [] }, 'agents', />=1/],
  ['an agent without a topic', { agents: [{ id: 'a', topics: [] }] }, 'agents[0].topics', />=1/],
  ['two tables of one name', two({ name: 'claims' }), 'tables[1].name', /'claims' is taken/],
  [
    'a table named like another’s quarantine',
    two({ name: 'claims_quarantine' }),
    'tables[1].name',
    /is taken/,
  ],
  [
    'a quarantine named like a table that came before',
    { tables: [{ ...claims, name: 'claims_quarantine' }, claims] },
    'tables[1].name',
    /is taken/,
  ],
  ['a name that Glue would change', two({ name: 'Claims-2' }), 'tables[1].name', /lower-case/],
  [
    'a location inside another table’s',
    two({ location: 'claims/eu' }),
    'tables[1].location',
    /inside|overlaps/,
  ],
  [
    'a location around another table’s',
    {
      tables: [
        { ...claims, location: 'a/b' },
        { ...claims, name: 'other', location: 'a' },
      ],
    },
    'tables[1].location',
    /overlaps/,
  ],
  ['two tables at one location', two({ location: 'claims' }), 'tables[1].location', /overlaps/],
  [
    'a location that is another’s quarantine',
    two({ location: 'claims_quarantine' }),
    'tables[1].location',
    /overlaps/,
  ],
  [
    'a location in the ledger’s own folder',
    two({ location: '_sluice/rows' }),
    'tables[1].location',
    /underscore/,
  ],
  ['a location that leaves the lake', two({ location: '../elsewhere' }), 'tables[1].location', /\.\./],
  [
    'a location where rebuilds put theirs',
    two({ location: 'a/b.rebuilt' }),
    'tables[1].location',
    /rebuilt$/,
  ],
  [
    'a location that no reader sees',
    two({ location: 'a/.hidden' }),
    'tables[1].location',
    /underscore or a dot/,
  ],
  [
    'Glue over a directory',
    { lake: { store: './lake', catalog: 'glue' } },
    'lake.store',
    /Glue cannot catalogue/,
  ],
  ['a bucket without a name', { lake: { store: 's3://', catalog: 'file' } }, 'lake.store', /bucket/],
  [
    'credit above staging',
    { limits: { creditBytesMax: '300MiB' } },
    'limits.creditBytesMax',
    /above stagingBytesMax/,
  ],
  [
    'streams that live too short',
    { listen: { ...minimal.listen, streamAgeMax: '9s' } },
    'listen.streamAgeMax',
    /between 10s and 24h/,
  ],
  [
    'streams that live longer than a timer',
    { listen: { ...minimal.listen, streamAgeMax: '25h' } },
    'listen.streamAgeMax',
    /between 10s and 24h/,
  ],
  [
    'statements that never end',
    { tables: [{ ...claims, window: { transformTimeout: '0s' } }] },
    'tables[0].window.transformTimeout',
    /between 10s and 24h/,
  ],
  [
    'a window of no time',
    { tables: [{ ...claims, window: { every: '0s' } }] },
    'tables[0].window.every',
    /at least 1s/,
  ],
  [
    'a window of no bytes',
    { tables: [{ ...claims, window: { bytesMax: '0B' } }] },
    'tables[0].window.bytesMax',
    /at least/,
  ],
  [
    'a time without a unit',
    { tables: [{ ...claims, window: { every: '100' } }] },
    'tables[0].window.every',
    /not a duration/,
  ],
  [
    'a step that is two',
    { tables: [{ ...claims, steps: [{ filter: 'a', drop_fields: ['b'] }] }] },
    'tables[0].steps[0]',
    /no known form/,
  ],
  [
    'a compression of another format',
    { tables: [{ ...claims, output: { format: 'csv', compression: 'zstd' } }] },
    'tables[0].output',
    /no known form/,
  ],
  [
    'a level of what has none',
    { tables: [{ ...claims, output: { format: 'parquet', compression: 'snappy', compressionLevel: 3 } }] },
    'tables[0].output.compressionLevel',
    /only zstd has levels/,
  ],
  [
    'a level that zstd has, and no machine the memory for',
    { tables: [{ ...claims, output: { format: 'parquet', compressionLevel: 22 } }] },
    'tables[0].output.compressionLevel',
    /<=19/,
  ],
  [
    'an output that nobody knows',
    { tables: [{ ...claims, output: { format: 'orc' } }] },
    'tables[0].output',
    /no known form/,
  ],
  [
    'a delimiter of two signs',
    { tables: [{ ...claims, format: { csv: { delimiter: '||' } } }] },
    'tables[0].format.csv.delimiter',
    /exactly 1/,
  ],
  [
    'a CSV whose quote is its delimiter',
    { tables: [{ ...claims, format: { csv: { delimiter: '"' } } }] },
    'tables[0].format',
    /same/,
  ],
  [
    'a key that nobody knows',
    { tables: [{ ...claims, partitionedBy: [] }] },
    'tables[0].partitionedBy',
    /unknown key/,
  ],
];

for (const [what, change, path, message] of REFUSED) {
  test(`${what} is refused at ${path}`, () => {
    assert.throws(
      () => load(change),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError, String(error));
        const problem = error.problems.find((p) => p.path === path);
        assert.ok(problem !== undefined, error.message);
        assert.match(problem.message, message);
        assert.ok(problem.line > 0 && problem.remedy !== '');
        return true;
      },
    );
  });
}

test('records are taken as their keys say, and a CSV that cannot be split is refused', () => {
  const record = { compression: 'zstd', tombstones: 'keep', key: 'bytes', headers: 'map' };
  assert.deepEqual(tableOf(record)?.record, record);
  const csv = { escape: '\\', quote: "'", header: 'each', nulls: ['NA'], trim: true };
  const {
    kind: _kind,
    delimiter,
    columns: _columns,
    ...dialect
  } = { ...csvOf([]), ...tableOf({ format: { csv } })?.input };
  assert.deepEqual([delimiter, dialect], [',', csv]);
  for (const [format, message] of [
    [{ csv: { delimiter: '|', escape: '|' } }, 'delimiter and escape are the same'],
    [{ csv: { delimiter: '"' } }, 'delimiter and quote are the same'],
  ] as const)
    assert.throws(
      () => tableOf({ format }),
      (error: ConfigError) => error.message.includes(message),
    );
});

test('a text is taken apart by a regular expression or by grok', () => {
  const input = (text: object) => tableOf({ format: { text } })?.input;
  assert.deepEqual(input({ regex: '(?<a>x)' }), { kind: 'regex', pattern: '(?<a>x)' });
  const patterns = { A: 'x' };
  assert.deepEqual(input({ grok: '%{A:a}', patterns }), { kind: 'grok', pattern: '%{A:a}', patterns });
  assert.throws(() => input({ regex: 'x', grok: 'y' }));
});

test('Avro is of the schema in a file, which is part of the version, or of a registry', () => {
  const avro = (of: object) => tableOf({ format: { avro: of } });
  writeFileSync(join(directory, 'claim.avsc'), '"long"');
  const table = avro({ schema: 'claim.avsc' });
  assert.deepEqual(table?.input, { kind: 'avro', framing: 'none', schema: '"long"' });
  writeFileSync(join(directory, 'claim.avsc'), '"string"');
  assert.notEqual(avro({ schema: 'claim.avsc' })?.configVersion, table?.configVersion);
  assert.deepEqual(avro({ registry: 'glue' })?.input, { kind: 'avro', framing: 'glue' });
  assert.throws(() => avro({ schema: 'absent.avsc' }), /tables\[0\]\.format: ENOENT.*absent\.avsc/s);
});

test('a protobuf schema and what it imports are part of the version, and its message has a name', () => {
  const protobuf = (of: object) => tableOf({ format: { protobuf: of } });
  writeFileSync(join(directory, 'm.proto'), 'import "n.proto"; message M {}');
  writeFileSync(join(directory, 'n.proto'), 'message N {}');
  const of = { schema: 'm.proto', message: 'M' };
  const table = protobuf(of);
  writeFileSync(join(directory, 'n.proto'), 'message N { optional int32 n = 1; }');
  assert.notEqual(protobuf(of)?.configVersion, table?.configVersion);
  assert.notEqual(protobuf({ ...of, message: 'N' })?.configVersion, protobuf(of)?.configVersion);
  assert.deepEqual(protobuf({ registry: 'glue' })?.input, {
    kind: 'protobuf',
    framing: 'glue',
    message: undefined,
  });
  assert.throws(() => protobuf({ schema: 'm.proto' }), /tables\[0\]\.format/);
  assert.throws(() => protobuf({ registry: 'confluent', message: 'no name' }), /tables\[0\]\.format/);
  writeFileSync(join(directory, 'm.proto'), 'import "gone.proto";');
  assert.throws(() => protobuf(of), /tables\[0\]\.format: ENOENT.*gone\.proto/s);
});

test('JSON is one version however it is written, and another where arrays become rows', () => {
  const json = (format: unknown) => tableOf({ format });
  const version = json('json')?.configVersion;
  assert.equal(json({ json: {} })?.configVersion, version);
  assert.equal(json({ json: { array: 'quarantine' } })?.configVersion, version);
  assert.notEqual(json({ json: { array: 'explode' } })?.configVersion, version);
});

test('columns are detected where that can be done, and say so in the version', () => {
  const table = tableOf({ columns: 'detect' });
  assert.deepEqual([table?.detects, table?.columns], [true, []]);
  assert.equal(tableOf({})?.detects, undefined);
  assert.equal(tableOf({ format: 'csv', columns: 'detect', output: { format: 'json' } })?.detects, true);
  for (const [change, message] of [
    [{ format: 'text' }, /columns of text are not detected/],
    [{ format: { json: { array: 'explode' } } }, /columns of exploded arrays are not detected/],
    [{ format: 'bytes' }, /columns of bytes are not detected/],
    [{ format: { csv: { header: 'line' } } }, /columns of csv with header: line are not detected/],
    [{ output: { format: 'csv' } }, /a csv table cannot get columns later/],
  ] as const)
    assert.throws(() => tableOf({ ...change, columns: 'detect' }), message);
});

test('a reference file lies beside the config, or on S3', () => {
  const file = (name: string) => {
    const lookup = { file: name, keys: { a: 'a' }, columns: [{ from: 'b', column: 'b', type: 'int' }] };
    const [step] = tableOf({ steps: [{ lookup }] })?.steps ?? [];
    return step?.kind === 'lookup' ? step.file : undefined;
  };
  assert.equal(file('shops.csv'), join(directory, 'shops.csv'));
  assert.equal(file('s3://acme/reference/shops.json'), 's3://acme/reference/shops.json');
  for (const wrong of ['shops.xls', 's3://acme', 's3://acme.csv', 's3:///shops.csv'])
    assert.throws(() => file(wrong), /tables\[0\]\.steps/);
});
