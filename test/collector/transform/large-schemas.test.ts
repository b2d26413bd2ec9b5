// Schemas of many fields, as generators make them or somebody who means harm: what one costs grows with its
// text, whatever stands in it how often, and beyond its limits it is refused, or its columns are text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { avroDecoder } from '@sluice/collector/transform/decode/avro.ts';
import { avroFields } from '@sluice/collector/transform/decode/avro-fields.ts';
import { protobufDecoder } from '@sluice/collector/transform/decode/protobuf.ts';
import { messageFields } from '@sluice/collector/transform/decode/protobuf-fields.ts';
import type { FieldShape, MessageShape } from '@sluice/collector/transform/decode/protobuf-shape.ts';
import { textSchema } from '@sluice/collector/transform/decode/protobuf-text.ts';
import {
  SCHEMA_FIELDS_MAX,
  SCHEMA_TYPED_FIELDS_MAX,
  type SchemaField,
} from '@sluice/collector/transform/decode/schema-fields.ts';
import { SCHEMA_BYTES_MAX, SchemaShelf, WindowSchemas } from '@sluice/collector/transform/decode/schemas.ts';

const record = (name: string, fields: readonly object[]) => ({ type: 'record', name, fields });
const many = (count: number, type: unknown) =>
  Array.from({ length: count }, (_, i) => ({ name: `f${i}`, type }));
const typed = (fields: readonly SchemaField[]) => fields.filter(({ type }) => type !== undefined).length;

/** `count` columns, each of the same struct of `width` fields. */
const wide = (count: number, width: number) =>
  JSON.stringify(
    record('R', [{ name: 'first', type: record('T', many(width, 'long')) }, ...many(count - 1, 'T')]),
  );

/** Of a message: how often its fields were looked through. */
function countingShape(name: string, fields: readonly FieldShape[]) {
  const seen = { times: 0 };
  const shape: MessageShape = {
    name,
    get fields() {
      seen.times++;
      return fields;
    },
  };
  return { shape, seen };
}

test('a type that stands in a schema a thousand times is made once', () => {
  const fields = avroFields(wide(1_000, 40));
  assert.equal(typed(fields), 1_000);
  assert.equal(new Set(fields.map(({ type }) => type)).size, 1);
  const one = { holds: 'one', presence: 'explicit' } as const;
  const long = { kind: 'scalar', scalar: 'int64' } as const;
  const { shape, seen } = countingShape('T', [{ ...one, name: 'n', number: 1, value: long }]);
  const inner = { kind: 'message', delimited: false, shape: () => shape } as const;
  const columns = Array.from({ length: 1_000 }, (_, i) => ({
    ...{ ...one, name: `f${i}`, number: i + 1, value: inner },
  }));
  assert.equal(typed(messageFields({ name: 'M', fields: columns })), 1_000);
  assert.equal(seen.times, 1);
});

test('columns beyond what a schema may have typed in all of them are text', () => {
  const width = 999;
  const room = SCHEMA_TYPED_FIELDS_MAX / (width + 1);
  const fields = avroFields(wide(room + 10, width));
  assert.deepEqual(
    fields.map(({ type }) => type !== undefined),
    [...Array(room).fill(true), ...Array(10).fill(false)],
  );
});

test('a schema of more fields than one may have, or of endless levels, is refused by what it has too many of', () => {
  const most = JSON.stringify(record('R', many(SCHEMA_FIELDS_MAX, 'long')));
  assert.equal(avroFields(most).length, SCHEMA_FIELDS_MAX);
  avroDecoder(most);
  const refused = { code: 'SCHEMA_INVALID', message: /it has more than 10000 fields/ };
  const other = JSON.stringify(record('other.O', many(1, 'long')));
  assert.throws(() => avroDecoder(most, [other]), refused);
  assert.throws(() => avroFields(most, [other]), refused);
  const deep = `${'{"type":"array","items":'.repeat(20_000)}"long"${'}'.repeat(20_000)}`;
  const levels = { code: 'SCHEMA_INVALID', message: /more than 500 levels/ };
  assert.throws(() => avroDecoder(deep), levels);
  assert.throws(() => avroFields(deep), levels);
  const proto = (body: string) => [{ name: 'm.proto', text: `syntax = "proto3"; message M { ${body} }` }];
  const numbers = Array.from({ length: SCHEMA_FIELDS_MAX + 1 }, (_, i) => i + 1);
  assert.throws(() => textSchema(proto(numbers.map((i) => `int32 f${i} =/**/ ${i};`).join(' '))), refused);
  assert.throws(() => textSchema(proto(`reserved ${numbers.join(', ')};`)), refused);
});

test('a message of many fields is read through a few times, not once for each of them', (t) => {
  const listed = { names: 0 };
  const { keys } = Object;
  t.mock.method(Object, 'keys', (of: object) => {
    const names = keys(of);
    listed.names += names.length;
    return names;
  });
  const count = 2_000;
  const fields = Array.from({ length: count }, (_, i) => `int32 f${i} = ${i + 1};`);
  const schema = textSchema([
    { name: 'm.proto', text: `syntax = "proto3"; message M { ${fields.join(' ')} }` },
  ]);
  assert.equal(schema.message('M')?.fields.length, count);
  assert.ok(listed.names < 20 * count, `${listed.names} names`);
});

test('a number that is there twice is told, in whichever message, with an extension or before a name that no field has', () => {
  for (const text of [
    'syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }',
    'syntax = "proto3"; message M { message N { oneof o { int32 a = 7; string b = 7; } } }',
    'syntax = "proto3"; message M { int32 a = 1; int32 b = 1; int32 __proto__ = 3; }',
    'syntax = "proto2"; message M { optional int32 a = 100; extensions 100 to 200; } extend M { optional int32 b = 100; }',
  ])
    assert.throws(
      () => textSchema([{ name: 'm.proto', text }]),
      { code: 'SCHEMA_INVALID', message: /duplicate id/ },
      text,
    );
});

test('a field that is none is no schema', () => {
  for (const field of ['null', '7', '{"name":"n"}', '{"type":"long"}'])
    assert.throws(() => avroDecoder(`{"type":"record","name":"R","fields":[${field}]}`), {
      code: 'SCHEMA_INVALID',
    });
});

test('the fields of a message are looked through a few times, not once for each, whatever oneof they are in', () => {
  const fields = Array.from({ length: 1_000 }, (_, i): FieldShape => {
    const value = { kind: 'scalar', scalar: 'int32' } as const;
    return { name: `f${i}`, number: i + 1, value, holds: 'one', presence: 'explicit', oneof: 'o' };
  });
  const { shape, seen } = countingShape('M', fields);
  const decode = protobufDecoder(shape);
  assert.equal(decode(Buffer.from([8, 1, 16, 2, 8, 3]), 0), '{"f0":3}');
  assert.ok(seen.times < 10, `${seen.times} times`);
});

test('a window names schemas up to a size together, and what is kept of them is no more than that', async () => {
  const text = JSON.stringify(record('R', many(1, 'long'))).padEnd(SCHEMA_BYTES_MAX / 4);
  const asked: string[] = [];
  const askSchema = async ({ id }: { id: string }) => {
    asked.push(id);
    return { type: 'AVRO', schema: text, references: [] };
  };
  const shelf = new SchemaShelf();
  const window = new WindowSchemas({ shelf, askSchema });
  const want = (id: string) => ({ framing: 'confluent' as const, id, topic: '', topicId: '' });
  for (const id of ['1', '2', '3', '4']) await window.fetch(want(id));
  assert.equal(window.get('confluent', '5'), 'SCHEMAS_MANY');
  assert.notEqual(window.get('confluent', '1'), 'SCHEMAS_MANY');
  await new WindowSchemas({ shelf, askSchema }).fetch(want('5'));
  assert.equal(shelf.get(want('1')), undefined);
  assert.notEqual(shelf.get(want('2')), undefined);
});
