// Messages that name their schema by an id and themselves by where they stand in it, as Confluent's and AWS
// Glue's serializers write it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import type { FoundSchema, TableConfig } from '@sluice/collector/contracts.ts';
import { oneWindows } from './one-window.ts';
import { hex, number, sized } from './protobuf-cases.ts';

const schemas = new Map<string, FoundSchema>();
const { transform } = oneWindows({ find: async ({ id }) => schemas.get(id) });

const text = (schema: string, ...references: string[]): FoundSchema => ({
  type: 'PROTOBUF',
  schema: `syntax = "proto3"; ${schema}`,
  references: references.map((reference) => `syntax = "proto3"; ${reference}`),
});

/** The example of AWS' own finder of messages, numbered to be told apart, and a map, which is one as well. */
const NESTED = `package p; enum First { X = 0; }
  message B { int64 n = 1; message C { int64 n = 2; } message A { int64 n = 3; message D { int64 n = 4; } }
    map<string, int64> a_map = 9; }
  message Last { int64 n = 5; }`;

const columns = [{ name: 'n', type: 'bigint' }];
const table = (framing: 'confluent' | 'glue', message?: string): Partial<TableConfig> => ({
  input: { kind: 'protobuf', framing, message },
  columns,
  provenance: 'none',
});

function confluent(id: number, places: string, value: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, hex(places), value]);
}

const UUID = '123e4567-e89b-12d3-a456-426614174000';

function glue(index: number, value: Buffer, compressed = false): Buffer {
  const body = Buffer.concat([Buffer.from([index]), value]);
  const head = Buffer.concat([Buffer.from([3, compressed ? 5 : 0]), hex(UUID.replaceAll('-', ''))]);
  return Buffer.concat([head, compressed ? deflateSync(body) : body]);
}

test('Confluent’s frame says which message by its place among its neighbours, level by level', async () => {
  schemas.set('1', text(NESTED));
  const { rows, quarantine } = await transform(table('confluent'), [
    confluent(1, '00', number(1, 1n)),
    confluent(1, '02 00', number(1, 2n)),
    confluent(1, '04 00 00', number(2, 3n)),
    confluent(1, '04 00 02', number(3, 4n)),
    confluent(1, '06 00 02 00', number(4, 5n)),
    confluent(1, '02 02', number(5, 6n)),
    confluent(1, '02 04', number(5, 7n)),
    confluent(1, '02 01', number(5, 7n)),
    confluent(1, '01', number(5, 7n)),
    confluent(1, 'ffffff0f', number(5, 7n)),
    confluent(1, '', Buffer.alloc(0)),
    confluent(1, '00', hex('08')),
  ]);
  assert.deepEqual(
    rows.map(({ n }) => n),
    ['1', '2', '3', '4', '5', '6'],
  );
  assert.deepEqual(
    quarantine.map(({ code, field }) => [code, field]),
    [
      ['FRAME_INVALID', null],
      ['FRAME_INVALID', null],
      ['FRAME_INVALID', null],
      ['FRAME_INVALID', null],
      ['VALUE_UNDECODABLE', null],
      ['VALUE_UNDECODABLE', 'n'],
    ],
  );
});

test('AWS Glue’s frame counts all messages by their names, and those that maps become', async () => {
  schemas.set(UUID, text(NESTED));
  const { rows, quarantine } = await transform(table('glue'), [
    glue(0, number(1, 1n)),
    glue(1, number(3, 2n)),
    glue(2, number(4, 3n)),
    glue(4, number(2, 4n)),
    glue(5, number(5, 5n), true),
    glue(6, number(5, 6n)),
  ]);
  assert.deepEqual(
    rows.map(({ n }) => n),
    ['1', '2', '3', '4', '5'],
  );
  assert.deepEqual(
    quarantine.map(({ code }) => code),
    ['FRAME_INVALID'],
  );
});

test('a table that names its message takes no other', async () => {
  const { rows, quarantine } = await transform(table('confluent', 'p.Last'), [
    confluent(1, '00', number(1, 1n)),
    confluent(1, '02 02', number(5, 6n)),
  ]);
  assert.deepEqual([rows.map(({ n }) => n), quarantine.map(({ code }) => code)], [['6'], ['MESSAGE_OTHER']]);
});

test('a schema may name others, and one of another kind or without them is told', async () => {
  schemas.set(
    '2',
    text(
      'package p; import "m.proto"; message M { m.Money n = 1; }',
      'package m; message Money { int64 cents = 1; }',
    ),
  );
  schemas.set('3', text('package p; import "m.proto"; message M { m.Money n = 1; }'));
  schemas.set('4', { type: 'AVRO', schema: '"long"', references: [] });
  const { rows, quarantine } = await transform(
    { ...table('confluent'), columns: [{ name: 'n', type: 'string' }] },
    [2, 3, 4].map((id) => confluent(id, '00', sized(1, number(1, 5n)))),
  );
  assert.deepEqual(
    rows.map(({ n }) => n),
    ['{"cents":5}'],
  );
  assert.deepEqual(
    quarantine.map(({ code }) => code),
    ['SCHEMA_UNUSABLE', 'SCHEMA_UNUSABLE'],
  );
  const avro: Partial<TableConfig> = { input: { kind: 'avro', framing: 'confluent' }, columns };
  const other = await transform(avro, [confluent(1, '00', number(1, 1n))]);
  assert.deepEqual(
    other.quarantine.map(({ code }) => code),
    ['SCHEMA_UNUSABLE'],
  );
});
