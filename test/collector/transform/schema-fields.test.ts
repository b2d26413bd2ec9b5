// The fields that schemas have, and what becomes of names and types that no column can have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DetectedColumn } from '@sluice/collector/contracts.ts';
import { avroFields } from '@sluice/collector/transform/decode/avro-fields.ts';
import { messageFields } from '@sluice/collector/transform/decode/protobuf-fields.ts';
import { textSchema } from '@sluice/collector/transform/decode/protobuf-text.ts';
import { schemaColumns } from '@sluice/collector/transform/schema-columns.ts';

const field = (name: string, type: unknown) => ({ name, type });
const record = (...fields: object[]) => ({ type: 'record', name: 'R', fields });
const columnsOf = (fields: ReturnType<typeof avroFields>, standing: readonly DetectedColumn[] = []) =>
  schemaColumns({ schema: { version: 1, isContract: false, columns: standing } }, fields);

test('names that no column can have, more fields than a table takes and endless types are told, or are text', () => {
  const many = record(...Array.from({ length: 410 }, (_, i) => field(`f${i}`, 'int')));
  const { columns, remarks } = columnsOf(avroFields(JSON.stringify(many)));
  assert.equal(columns.length, 400);
  assert.equal(remarks.fieldsWhere('left out').length, 10);
  const odd = record(field('_offset', 'int'), field('a', 'int'), field('A', 'int'));
  assert.deepEqual(columnsOf(avroFields(JSON.stringify(odd))).remarks.fieldsWhere('left out'), [
    '_offset',
    'A',
  ]);
  let deep: object = { type: 'record', name: 'R9', fields: [field('x', 'int')] };
  for (let i = 8; i > 0; i--) deep = { type: 'record', name: `R${i}`, fields: [field('x', deep)] };
  assert.deepEqual(columnsOf(avroFields(JSON.stringify(deep))).columns[0]?.type, 'string');
  assert.deepEqual(avroFields('["null","long"]'), []);
  const [node] = messageFields(
    textSchema([
      { name: 'n.proto', text: 'syntax = "proto3"; message N { repeated N n = 1; int32 i = 2; }' },
    ]).message('N') ?? assert.fail(),
  );
  assert.equal(node?.type, undefined, 'a message within itself has no end');
});

test('a decimal of digits that no column can have is text', () => {
  const decimal = (precision: unknown, scale?: unknown) => ({
    ...{ type: 'bytes', logicalType: 'decimal', precision, scale },
  });
  const odd = [[0], [-1], [1.5], [39], ['5'], [5, -1], [5, 1.5], [5, 6], [5, 'x'], [5, null]];
  const given = [[5], [38, 38], ...odd].map(([precision, scale], i) =>
    field(`f${i}`, decimal(precision, scale)),
  );
  const { columns } = columnsOf(avroFields(JSON.stringify(record(...given))));
  assert.deepEqual(
    columns.map(({ type }) => type),
    ['decimal(5,0)', 'decimal(38,38)', ...odd.map(() => 'string')],
  );
});

test('a type that stands in a column ever again is text before its fields are counted out', () => {
  const many = (of: (i: number) => object) => Array.from({ length: 40 }, (_one, i) => of(i));
  let schema: object = { type: 'record', name: 'T1', fields: [field('x', 'int')] };
  for (let i = 2; i < 8; i++)
    schema = {
      type: 'record',
      name: `T${i}`,
      fields: [field('f', schema), ...many((n) => field(`f${n}`, `T${i - 1}`))],
    };
  const { columns } = columnsOf(avroFields(JSON.stringify(schema)));
  assert.deepEqual(new Set(columns.map(({ type }) => type)), new Set(['string']));
  const texts = Array.from({ length: 6 }, (_one, i) => {
    const fields = Array.from({ length: 40 }, (_field, n) => `M${i} f${n} = ${n + 1};`).join(' ');
    return `message M${i + 1} { ${fields} }`;
  });
  const text = `syntax = "proto3"; message M0 { int32 x = 1; } ${texts.join(' ')}`;
  const shape = textSchema([{ name: 'm.proto', text }]).message('M6') ?? assert.fail();
  assert.ok(messageFields(shape).every(({ type }) => type === undefined));
});

test('names of Avro types are found as decoders find them', () => {
  const schema = {
    type: 'record',
    name: 'a.b.R',
    fields: [
      field('x', { type: 'record', name: 'X', fields: [field('n', 'long')] }),
      field('y', {
        type: 'record',
        name: 'c.Y',
        fields: [field('x', 'a.b.X'), field('e', { type: 'enum', name: 'E', symbols: [] })],
      }),
      field('e', 'c.E'),
      field('again', { type: 'X' }),
      field('ref', 'other.M'),
    ],
  };
  const other = JSON.stringify({ type: 'record', name: 'other.M', fields: [field('m', 'string')] });
  const types = columnsOf(avroFields(JSON.stringify(schema), [other])).columns.map(({ type }) => type);
  assert.deepEqual(types, [
    'struct<n:bigint>',
    'struct<x:struct<n:bigint>,e:string>',
    'string',
    'struct<n:bigint>',
    'struct<m:string>',
  ]);
  assert.deepEqual(
    avroFields('"other.M"', [other]).map(({ name }) => name),
    ['m'],
  );
});
