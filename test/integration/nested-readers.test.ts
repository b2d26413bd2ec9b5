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

let server: MinistackServer;
let paths: readonly string[];
const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 });

before(async () => {
  [server] = await Promise.all([startMinistackServer(), ensureLakeReaders()]);
  await server.createBucket(BUCKET);
  const remote = { region: MINISTACK_REGION, endpoint: server.endpoint };
  const store = createObjectStore({ store: `s3://${BUCKET}/acme`, ...remote });
  const catalog = createCatalog({ kind: 'glue', database: DATABASE, store, ...remote });
  const writer = createTableWriter({
    ...{
      table,
      schemas: transformer.schema(table),
      store,
      catalog,
      clock: systemClock,
      random: systemRandom,
    },
    ...{ events: createEvents(silentLogger, createMetrics()), writerId: 'test' },
  });
  await writer.load();
  const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
  await writer.open([{ ...id, leaderEpoch: 0, start: 0, why: 'test' }]);
  const records = RECORDS.map((record, offset) => ({
    ...{ offset, timestamp: 1_780_000_000_000, headers: [] },
    key: offset === 0 ? Buffer.from('00ff5c27e9', 'hex') : null,
    value: Buffer.from(JSON.stringify(record)),
  }));
  const segment = segmentOfRecords(records, { codec: 'none' });
  const at = { windowId: 'w', openedMs: 0, directory: join(temporaryDirectory(), 'w') };
  const { classes, files } = await transformer.run({ table, segments: [{ segment, fromOffset: 0 }], ...at });
  const bad = files.filter(({ output }) => output === 'quarantine').map(({ path }) => path);
  assert.deepEqual(await rowsOfParquet(bad), [], 'every value is one that its type can hold');
  assert.equal(classes.emitted, RECORDS.length);
  const counts = { records: RECORDS.length, control: 0, aborted: 0, absent: 0 };
  const ranges = [{ ...id, leaderEpoch: 0, start: 0, next: RECORDS.length, counts }];
  await writer.commitWindow({ windowId: 'w', openedMs: 0, ranges, classes, files, table });
  paths = files.map(({ path }) => path);
  for (const one of [writer, store, catalog]) one.close();
});

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
