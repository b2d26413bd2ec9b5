// Tables that detect their columns of values that have a schema, or a line of names: the columns are the
// fields of those schemas and lines, whatever the values are, every value that follows its schema is a row,
// and later schemas add to what stands.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Column, FoundSchema, InputFormat, TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createDetectingTransformer } from '@sluice/collector/schema/detecting-transformer.ts';
import { openSchemaLog } from '@sluice/collector/schema/schema-log.ts';
import { TableSchema } from '@sluice/collector/schema/table-schema.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import avsc from 'avsc';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { rowsOfParquet } from '../../support/parquet.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { csvOf, plainTable } from '../../support/written-lake.ts';
import { number, sized } from './protobuf-cases.ts';

const registry = new Map<string, FoundSchema>();
const transformer = createTransformer(
  { memoryBytesMax: 256e6, threads: 1 },
  { schemas: { find: async ({ id }) => registry.get(id) } },
);
after(() => transformer.close());
const home = temporaryDirectory();
let windows = 0;

/** A table whose windows come one after the other. */
function detecting(input: InputFormat, standing?: readonly Column[]) {
  const table: TableConfig = { ...plainTable, input, detects: true };
  const log = recordingLogger();
  const events = createEvents(log, createMetrics());
  const definition = { name: 'claims', partitionColumns: [], output: plainTable.output };
  const tables = async () =>
    standing === undefined ? [] : [{ ...definition, columns: standing, location: '', comment: '' }];
  const schema = new TableSchema({
    ...{ table, catalog: { tables }, log: openSchemaLog('claims', fakeObjectStore()), events },
    ...{ ensure: () => Promise.resolve(), clock: manualClock(), writerId: 'one' },
  });
  const { run } = createDetectingTransformer({ transformer, schema, events });
  const window = async (values: readonly (Buffer | string)[], changed = input) => {
    const request = {
      table: { ...table, input: changed },
      windowId: 'w',
      openedMs: 0,
      directory: join(home, `w${windows++}`),
    };
    const { files } = await run({ ...request, segments: [{ segment: segmentOf(values), fromOffset: 0 }] });
    const of = (output: string) =>
      rowsOfParquet(files.filter((file) => file.output === output).map(({ path }) => path));
    return { rows: await of('rows'), quarantine: await of('quarantine') };
  };
  const types = () =>
    Object.fromEntries((schema.table().schema?.columns ?? []).map(({ name, type }) => [name, type]));
  return { window, types, log };
}

const money = {
  type: 'record',
  name: 'Money',
  namespace: 'acme',
  fields: [
    { name: 'cents', type: 'long' },
    { name: 'currencyCode', type: 'string' },
  ],
};
const field = (name: string, type: unknown) => ({ name, type });
const claim = {
  type: 'record',
  name: 'Claim',
  namespace: 'acme',
  fields: [
    field('claimId', 'string'),
    field('count', 'int'),
    field('big', ['null', 'long']),
    field('ratio', 'float'),
    field('share', 'double'),
    field('open', 'boolean'),
    field('raw', 'bytes'),
    field('status', { type: 'enum', name: 'Status', symbols: ['NEW', 'DONE'] }),
    field('day', { type: 'int', logicalType: 'date' }),
    field('at', { type: 'long', logicalType: 'timestamp-micros' }),
    field('local', { type: 'long', logicalType: 'local-timestamp-millis' }),
    field('amount', { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 }),
    field('sum', money),
    field('also', ['null', 'acme.Money']),
    field('sums', { type: 'array', items: 'Money' }),
    field('labels', { type: 'map', values: 'string' }),
    field('either', ['null', 'long', 'string']),
    field('any', ['null', 'long', 'Money']),
    field('digest', { type: 'array', items: { type: 'fixed', name: 'Hash', size: 2 } }),
    field('next', ['null', 'Claim']),
  ],
};

test('the columns of Avro values are the fields of their schema, and every value is a row', async () => {
  const { window, types } = detecting({ kind: 'avro', framing: 'none', schema: JSON.stringify(claim) });
  // The library knows no local times, and gives a branch its name where a union has several of a kind.
  const type = avsc.Type.forSchema(JSON.parse(JSON.stringify(claim)), { wrapUnions: true });
  const value = {
    ...{ claimId: 'C-1', count: -1, big: { long: 5 }, ratio: 0.5, share: 1.25, open: true },
    ...{
      raw: Buffer.of(255),
      status: 'DONE',
      day: 1,
      at: 1_000_001,
      local: 5,
      amount: Buffer.from('04d2', 'hex'),
    },
    ...{ sum: { cents: 1, currencyCode: 'EUR' }, also: null, sums: [{ cents: 2, currencyCode: 'USD' }] },
    ...{
      labels: { kind: 'rush' },
      either: { string: 'x' },
      any: { 'acme.Money': { cents: 3, currencyCode: 'X' } },
    },
    ...{ digest: [Buffer.of(1, 2)], next: null },
  };
  const { rows, quarantine } = await window([
    type.toBuffer(value),
    type.toBuffer({
      ...value,
      big: null,
      either: { long: 7 },
      any: { long: 8 },
      next: { 'acme.Claim': value },
    }),
  ]);
  assert.deepEqual(types(), {
    claim_id: 'string',
    count: 'int',
    big: 'bigint',
    ratio: 'float',
    share: 'double',
    open: 'boolean',
    raw: 'binary',
    status: 'string',
    day: 'date',
    at: 'timestamp',
    local: 'string',
    amount: 'decimal(12,2)',
    sum: 'struct<cents:bigint,currencyCode:string>',
    also: 'struct<cents:bigint,currencyCode:string>',
    sums: 'array<struct<cents:bigint,currencyCode:string>>',
    labels: 'map<string,string>',
    either: 'string',
    any: 'string',
    digest: 'array<string>',
    next: 'string',
  });
  assert.deepEqual(quarantine, []);
  const told = rows.map(({ amount, at, day, local, either, any, digest }) =>
    JSON.stringify([amount, at, day, local, either, any, digest]),
  );
  assert.deepEqual(told, [
    '["12.34","1970-01-01 00:00:01.000001","1970-01-02","1970-01-01T00:00:00.005","x","{\\"cents\\":3,\\"currencyCode\\":\\"X\\"}",["AQI="]]',
    '["12.34","1970-01-01 00:00:01.000001","1970-01-02","1970-01-01T00:00:00.005","7","8",["AQI="]]',
  ]);
  assert.match(String(rows[1]?.['next']), /^\{"claimId":"C-1",/);
});

function framed(id: number, schema: avsc.Schema, value: object): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, avsc.Type.forSchema(schema).toBuffer(value)]);
}

const record = (...fields: object[]) => ({ type: 'record', name: 'R', fields }) as avsc.Schema;

test('later schemas of a registry add columns and nested fields, and what stands stays as it is', async () => {
  const { window, types, log } = detecting({ kind: 'avro', framing: 'confluent' });
  const inner = (...fields: object[]) => ({ type: 'record', name: 'Inner', fields });
  const versions = [
    record(field('id', 'int'), field('in', inner(field('a', 'long')))),
    record(
      field('id', 'long'),
      field('in', inner(field('b', 'string'), field('a', 'long'))),
      field('new', 'double'),
    ),
    record(field('id', 'string'), field('ID', 'int')),
  ];
  for (const [i, schema] of versions.entries())
    registry.set(String(i + 1), { type: 'AVRO', schema: JSON.stringify(schema), references: [] });
  const [one, two, three] = versions as [avsc.Schema, avsc.Schema, avsc.Schema];
  await window([framed(1, one, { id: 1, in: { a: 1 } }), framed(404, one, { id: 1, in: { a: 1 } })]);
  assert.deepEqual(types(), { id: 'int', in: 'struct<a:bigint>' });
  const grown = await window([
    framed(1, one, { id: 2, in: { a: 2 } }),
    framed(2, two, { id: 3, in: { b: 'x', a: 3 }, new: 0.5 }),
    framed(2, two, { id: 3_000_000_000, in: { b: 'x', a: 3 }, new: 0.5 }),
  ]);
  const columns = { id: 'int', in: 'struct<a:bigint,b:string>', new: 'double' };
  assert.deepEqual(types(), columns);
  assert.deepEqual(
    grown.rows.map((row) => [row['id'], JSON.stringify(row['in']), row['new']]),
    [
      [2, '{"a":"2","b":null}', null],
      [3, '{"a":"3","b":"x"}', 0.5],
    ],
  );
  assert.deepEqual(
    grown.quarantine.map(({ code, field: name }) => [code, name]),
    [['CAST_FAILED', 'id']],
  );
  const other = await window([framed(3, three, { id: '4', ID: 5 }), framed(3, three, { id: 'x', ID: 5 })]);
  assert.deepEqual(types(), columns);
  assert.deepEqual([other.rows.length, other.quarantine.length], [1, 1]);
  assert.ok(log.said(/left out|no column/).length > 0, 'ID differs only in case');
});

test('a schema file that was changed adds its columns with the next window', async () => {
  const of = (...fields: object[]): InputFormat => {
    return { kind: 'avro', framing: 'none', schema: JSON.stringify(record(...fields)) };
  };
  const { window, types } = detecting(of(field('n', 'long')));
  await window([]);
  assert.deepEqual(types(), { n: 'bigint' }, 'without a value');
  const { rows } = await window([Buffer.of(2, 4)], of(field('n', 'long'), field('m', 'int')));
  assert.deepEqual(types(), { n: 'bigint', m: 'int' });
  assert.deepEqual(
    rows.map(({ n, m }) => [n, m]),
    [['1', 2]],
  );
});

test('two schemas in a first window have one column for each name, of a type that holds both', async () => {
  const { window, types } = detecting({ kind: 'avro', framing: 'confluent' });
  const [one, two] = [
    record(field('id', 'int'), field('v', 'float'), field('w', 'long'), field('x', 'int')),
    record(field('id', 'long'), field('v', 'double'), field('w', 'string')),
  ];
  registry.set('11', { type: 'AVRO', schema: JSON.stringify(one), references: [] });
  registry.set('12', { type: 'AVRO', schema: JSON.stringify(two), references: [] });
  const { rows } = await window([
    framed(11, one, { id: 1, v: 0.5, w: 5, x: 6 }),
    framed(12, two, { id: 2 ** 40, v: 0.1, w: 'x' }),
  ]);
  assert.deepEqual(types(), { id: 'bigint', v: 'double', w: 'string', x: 'int' });
  assert.deepEqual(
    rows.map(({ id, v, w, x }) => [id, v, w, x]),
    [
      ['1', 0.5, '5', 6],
      [String(2 ** 40), 0.1, 'x', null],
    ],
  );
});

const PROTO = `syntax = "proto3"; package acme;
  import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
  import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto";
  import "confluent/type/decimal.proto";
  enum Status { NONE = 0; OPEN = 1; }
  message Money { int64 cents = 1; string currency = 2; bytes raw = 3; google.protobuf.Duration took = 4; }
  message Claim {
    int64 id = 1; uint64 positive = 2; uint32 u = 3; bool flag = 4; double d = 5; float f = 6; bytes raw = 7;
    Status status = 8; Money sum = 9; repeated Money sums = 10; map<int64, Status> states = 11;
    google.protobuf.Timestamp at = 12; google.protobuf.Duration took = 13; google.protobuf.Struct any = 14;
    google.protobuf.Int64Value wrapped = 15; confluent.type.Decimal price = 16; Claim next = 17;
    oneof kind { string a = 18; int32 b = 19; }
    repeated google.protobuf.UInt64Value counts = 20;
  }`;

test('the columns of Protobuf values are the fields of their message, and every value is a row', async () => {
  const schema = { files: [{ name: 'claim.proto', text: PROTO }] };
  const { window, types } = detecting({ kind: 'protobuf', framing: 'none', schema, message: 'acme.Claim' });
  const { rows, quarantine } = await window([
    Buffer.concat([
      ...[number(1, -1n), number(2, 2n ** 64n - 1n), number(8, 1n), sized(7, Buffer.of(1))],
      ...[sized(9, number(1, 5n), sized(3, Buffer.of(2)), sized(4, number(1, 3n)))],
      ...[sized(10, number(1, 6n)), sized(11, number(1, 7n), number(2, 9n))],
      ...[sized(12, number(1, 1n)), sized(13, number(1, 3n), number(2, 5n)), sized(15, number(1, 4n))],
      ...[sized(16, sized(1, Buffer.from('04d2', 'hex')), number(3, 2n)), sized(17, number(1, 2n))],
      ...[sized(18, 'x'), sized(20, number(1, 2n ** 64n - 1n))],
    ]),
    Buffer.alloc(0),
  ]);
  const inner = 'struct<cents:bigint,currency:string,raw:string,took:string>';
  assert.deepEqual(types(), {
    ...{ id: 'bigint', positive: 'decimal(20,0)', u: 'bigint', flag: 'boolean', d: 'double', f: 'float' },
    ...{ raw: 'binary', status: 'string', sum: inner, sums: `array<${inner}>`, states: 'map<string,string>' },
    ...{ at: 'timestamp', took: 'decimal(21,9)', any: 'string', wrapped: 'bigint', price: 'string' },
    ...{ next: 'string', a: 'string', b: 'int', counts: 'array<decimal(20,0)>' },
  });
  assert.deepEqual(quarantine, []);
  const [first, nothing] = rows;
  assert.deepEqual(
    [first?.['positive'], first?.['took'], first?.['price'], first?.['a'], first?.['b']],
    ['18446744073709551615', '3.000000005', '12.34', 'x', null],
  );
  assert.equal(JSON.stringify(first?.['sum']), '{"cents":"5","currency":"","raw":"Ag==","took":"3"}');
  assert.equal(JSON.stringify(first?.['counts']), '["18446744073709551615"]');
  assert.deepEqual([nothing?.['id'], nothing?.['status'], nothing?.['sum']], ['0', 'NONE', null]);
});

test('of messages that a registry’s values name only those that came make columns', async () => {
  const { window, types } = detecting({ kind: 'protobuf', framing: 'confluent' });
  const schema =
    'syntax = "proto3"; message A { int32 a = 1; } message B { int32 b = 1; } message C { int32 c = 1; }';
  registry.set('30', { type: 'PROTOBUF', schema, references: [] });
  const named = (place: number, value: bigint) =>
    Buffer.concat([Buffer.of(0, 0, 0, 0, 30, ...(place === 0 ? [0] : [2, place * 2])), number(1, value)]);
  await window([named(0, 5n)]);
  assert.deepEqual(types(), { a: 'int' });
  const { rows } = await window([named(0, 6n), named(2, 7n)]);
  assert.deepEqual(types(), { a: 'int', c: 'int' });
  assert.deepEqual(
    rows.map(({ a, c }) => [a, c]),
    [
      [6, null],
      [null, 7],
    ],
  );
});

test('a table that stands already gets the fields that have its columns’ names, of its own types', async () => {
  const columns = [
    { name: 'claim_id', type: 'string' },
    { name: 'big', type: 'decimal(20,0)' },
    { name: 'sum', type: 'struct<currencycode:string>' },
    { name: 'later', type: 'string' },
  ];
  const { window, types, log } = detecting(
    {
      kind: 'avro',
      framing: 'none',
      schema: JSON.stringify({ ...claim, fields: claim.fields.slice(0, 13) }),
    },
    columns,
  );
  await window([]);
  assert.deepEqual(types(), {
    ...{ claim_id: 'string', big: 'decimal(20,0)', sum: 'struct<currencyCode:string>', later: 'string' },
  });
  assert.ok(log.said(/no column|left out/).length > 0);
});

test('CSV with a line of names in each record has the columns of those names, and later lines add some', async () => {
  const input = { ...csvOf([]), header: 'each' as const };
  const { window, types } = detecting(input);
  await window(['Account ID,n\n007,1', 'n,Account ID\n2,"42"', 'n\n', 'Account ID,n\n1']);
  assert.deepEqual(types(), { account_id: 'string', n: 'bigint' });
  const grown = await window([
    'Account ID,n\n1,1',
    'n,when,none\n2,2026-01-02,',
    'when,"n"\n2026-01-03,3',
    'n\nx',
  ]);
  assert.deepEqual(types(), { account_id: 'string', n: 'bigint', when: 'date' });
  assert.deepEqual(
    grown.rows.map((row) => [row['account_id'], row['n'], row['when']]),
    [
      ['1', '1', null],
      [null, '2', '2026-01-02'],
      [null, '3', '2026-01-03'],
    ],
  );
  assert.deepEqual(
    grown.quarantine.map(({ code, field: name }) => [code, name]),
    [['CAST_FAILED', 'n']],
  );
  assert.deepEqual((await window(['when\n2026-01-04', 'n\n5'])).rows.length, 2);
});
