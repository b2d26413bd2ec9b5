// What we write is what others read: nested and exact types come back from pyarrow, and through the emulated
// Glue from awswrangler, with the values that DuckDB has; Glue keeps our type strings as they are.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { createCatalog } from '@sluice/collector/catalog/open-catalog.ts';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createObjectStore } from '@sluice/collector/lake/open-store.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { ensureLakeReaders, lakeReadersPython } from '../../deploy/local/lake-readers-venv.mjs';
import { MINISTACK_REGION, type MinistackServer, startMinistackServer } from '../support/ministack-server.ts';
import { rowsOfParquet } from '../support/parquet.ts';
import { segmentOfRecords } from '../support/segments.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { plainTable } from '../support/written-lake.ts';

const BUCKET = 'lake';
const DATABASE = 'nested';
const TYPES = {
  id: 'bigint',
  who: 'struct<name:string,born:date,home:struct<city:string,since:timestamp>>',
  lines: 'array<struct<sku:string,price:decimal(38,10),seen:array<date>>>',
  counts: 'map<string,bigint>',
  rates: 'map<string,struct<rate:decimal(12,2),until:timestamp>>',
  grid: 'array<array<int>>',
  amount: 'decimal(38,10)',
  at: 'timestamp',
  on_day: 'date',
} as const;
/** Beside them: the record's own key, as bytes. */
const READ = { ...TYPES, _key: 'binary' };
const table: TableConfig = {
  ...plainTable,
  columns: Object.entries({ ...TYPES, amount_text: 'string' })
    .filter(([name]) => name !== 'amount')
    .map(([name, type]) => ({ name, type })),
  // JSON has no number of so many digits that is read exactly.
  steps: [
    {
      kind: 'derive',
      columns: [
        {
          column: 'amount',
          type: TYPES.amount,
          expression: 'amount_text::DECIMAL(38,10)',
          onError: 'quarantine',
        },
      ],
    },
    { kind: 'drop_fields', fields: ['amount_text'] },
  ],
  partitionBy: [{ kind: 'value', field: 'id', column: 'part' }],
  provenance: 'full',
  record: { ...plainTable.record, key: 'bytes' },
};

const RECORDS = [
  {
    id: 9_007_199_254_740_991,
    who: { name: 'Ada', born: '1815-12-10', home: { city: 'Łódź', since: '2026-01-02T03:04:05.678901Z' } },
    lines: [{ sku: 'A', price: -98765.4321, seen: ['2026-01-02', '0999-12-31'] }],
    counts: { a: 1, 'b.c': -9_007_199_254_740_991 },
    rates: { eur: { rate: -1.25, until: '1969-12-31T23:59:59.999999Z' } },
    grid: [[1, 2], [], [-2_147_483_648]],
    ...{
      amount_text: '-1234567890123456789012345678.0123456789',
      at: '2026-07-01T00:00:00.000001+02:00',
      on_day: '2026-02-28',
    },
  },
  {
    id: 2,
    who: { name: null, home: {} },
    lines: [{}, null],
    counts: {},
    rates: { x: null },
    grid: [null, [null]],
  },
  { id: 3 },
];

interface Read {
  readonly rows: Record<string, unknown>[];
  readonly types: Record<string, string>;
}

/** Each value of a partition stands in a path, and comes back out of it. */
const KINDS = ['plain', 'a b/c=d', '100%', "o'clock", 'Łódź', 'x:y?z*', '..', '{1}', '', null];
const KIND_RECORDS = KINDS.map((kind, n) => ({ n, kind, on_day: n % 2 === 0 ? '2026-02-28' : undefined }));
const kinds = (compression: 'zstd' | 'snappy' | 'gzip'): TableConfig => ({
  ...plainTable,
  ...{ name: `kinds_${compression}`, topic: 'claims', location: `kinds_${compression}` },
  columns: [
    { name: 'n', type: 'int' },
    { name: 'kind', type: 'string' },
    { name: 'on_day', type: 'date' },
  ],
  partitionBy: [
    { kind: 'value', field: 'kind', column: 'kind' },
    {
      kind: 'time',
      field: 'on_day',
      by: 'month',
      column: 'month',
      notBefore: '1970-01-02',
      notAfter: '2100-01-01',
    },
  ],
  output: { kind: 'parquet', compression },
});
const KIND_TABLES = (['zstd', 'snappy', 'gzip'] as const).map(kinds);

let server: MinistackServer;
let paths: readonly string[];
const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 });

before(async () => {
  [server] = await Promise.all([startMinistackServer(), ensureLakeReaders()]);
  await server.createBucket(BUCKET);
  paths = await write(table, RECORDS);
  for (const one of KIND_TABLES) await write(one, KIND_RECORDS);
});

const lake = () => {
  const remote = { region: MINISTACK_REGION, endpoint: server.endpoint };
  const store = createObjectStore({ store: `s3://${BUCKET}/acme`, ...remote });
  return { store, catalog: createCatalog({ kind: 'glue', database: DATABASE, store, ...remote }) };
};

async function partitionsOf(name: string): Promise<readonly (readonly string[])[]> {
  const { store, catalog } = lake();
  const partitions = await catalog.partitions(name);
  for (const one of [store, catalog]) one.close();
  return partitions.map(({ values }) => values);
}

/** One window; resolves with the files that were published. */
async function write(into: TableConfig, values: readonly object[]): Promise<string[]> {
  const { store, catalog } = lake();
  const writer = createTableWriter({
    ...{ table: into, schemas: transformer.schema(into), store, catalog },
    ...{ clock: systemClock, random: systemRandom },
    ...{ events: createEvents(silentLogger, createMetrics()), writerId: 'test' },
  });
  await writer.load();
  const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
  await writer.open([{ ...id, leaderEpoch: 0, start: 0, why: 'test' }]);
  const records = values.map((record, offset) => ({
    ...{ offset, timestamp: 1_780_000_000_000, headers: [] },
    key: offset === 0 ? Buffer.from('00ff5c27e9', 'hex') : null,
    value: Buffer.from(JSON.stringify(record)),
  }));
  const segment = segmentOfRecords(records, { codec: 'none' });
  const at = { windowId: 'w', openedMs: 0, directory: join(temporaryDirectory(), 'w') };
  const made = await transformer.run({ table: into, segments: [{ segment, fromOffset: 0 }], ...at });
  const { classes, files } = made;
  const bad = files.filter(({ output }) => output === 'quarantine').map(({ path }) => path);
  assert.deepEqual(await rowsOfParquet(bad), [], 'every value is one that its type can hold');
  assert.equal(classes.emitted, values.length);
  const counts = { records: values.length, control: 0, aborted: 0, absent: 0 };
  const ranges = [{ ...id, leaderEpoch: 0, start: 0, next: values.length, counts }];
  await writer.commitWindow({ windowId: 'w', openedMs: 0, ranges, classes, files, table: into });
  for (const one of [writer, store, catalog]) one.close();
  return files.map(({ path }) => path);
}

after(() => Promise.all([server?.stop(), transformer.close()]));

async function read(...args: string[]): Promise<Read> {
  const script = join(import.meta.dirname, '../support/read_lake.py');
  const env = { ...process.env, AWS_DEFAULT_REGION: MINISTACK_REGION };
  const options = { env, maxBuffer: 2 ** 24 };
  const { stdout } = await promisify(execFile)(lakeReadersPython(), [script, ...args], options);
  return JSON.parse(stdout) as Read;
}

/** By `_offset`, with the columns that are compared. */
function byOffset(rows: readonly Record<string, unknown>[]) {
  const sorted = rows.toSorted((a, b) => Number(a['_offset']) - Number(b['_offset']));
  return sorted.map((row) => Object.fromEntries(Object.keys(READ).map((name) => [name, row[name] ?? null])));
}

/** What DuckDB has, binary in hex. */
async function ofDuckdb() {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const files = paths.map((path) => `'${path}'`).join(', ');
  const select = `SELECT * REPLACE (lower(hex(_key)) AS _key) FROM read_parquet([${files}])`;
  const rows = (await connection.runAndReadAll(select)).getRowObjectsJson() as Record<string, unknown>[];
  connection.closeSync();
  instance.closeSync();
  return byOffset(rows);
}

test('pyarrow reads every nested and exact value as DuckDB has it', async () => {
  const { rows } = await read('file', ...paths);
  const expected = await ofDuckdb();
  assert.equal(expected.length, RECORDS.length);
  assert.deepEqual(byOffset(rows), expected);
  assert.equal(
    expected[0]?.['amount'],
    '-1234567890123456789012345678.0123456789',
    'the oracle itself is not rounded',
  );
});

test('awswrangler finds the table in Glue under our types, and reads the same values', async () => {
  const { rows, types } = await read('table', server.endpoint, DATABASE, table.name);
  for (const [name, type] of Object.entries(READ)) assert.equal(types[name], type, name);
  assert.equal(types['part'], 'string');
  assert.deepEqual(byOffset(rows), await ofDuckdb());
});

test('partition values of any kind are in Glue as they were, and awswrangler has them as Hive escapes them', async () => {
  for (const { name } of KIND_TABLES) {
    const { rows, types } = await read('table', server.endpoint, DATABASE, name);
    assert.deepEqual([types['kind'], types['month']], ['string', 'string']);
    const seen = rows.toSorted((a, b) => Number(a['n']) - Number(b['n']));
    const none = '__HIVE_DEFAULT_PARTITION__';
    // It takes them from the path, not from Glue, and undoes nothing.
    const unescaped = (value: unknown) => decodeURIComponent(String(value ?? none));
    assert.deepEqual(
      seen.map(({ kind, month, on_day }) => [unescaped(kind), unescaped(month), on_day]),
      KIND_RECORDS.map(({ kind, on_day: day }) => [kind || none, day?.slice(0, 7) ?? none, day ?? null]),
      name,
    );
    const catalogued = (await partitionsOf(name)).map(([kind]) => kind);
    assert.deepEqual(new Set(catalogued), new Set(KINDS.map((kind) => kind || none)), name);
  }
});
