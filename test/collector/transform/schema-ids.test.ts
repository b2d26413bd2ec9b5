// Values that name their schema by an id, in Confluent's frame and in AWS Glue's: each id is asked for once,
// a registry that cannot be asked makes the window wait, and one that does not know the id sends the record
// to quarantine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import type { FoundSchema, SchemaWant } from '@sluice/collector/contracts.ts';
import { WINDOW_SCHEMAS_MAX } from '@sluice/collector/transform/decode/schemas.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import avsc from 'avsc';
import { oneWindows } from './one-window.ts';

/** Schemas by id, who asked, and what every question fails with while it is set. */
const registry = {
  schemas: new Map<string, FoundSchema>(),
  asked: [] as SchemaWant[],
  down: undefined as string | undefined,
};
const { transform } = oneWindows({
  async find(want) {
    registry.asked.push(want);
    if (registry.down !== undefined) throw new Error(registry.down);
    return registry.schemas.get(want.id);
  },
});

const schemaOf = (...names: string[]) => ({
  type: 'record' as const,
  name: 'r',
  fields: names.map((name) => ({ name, type: 'long' as const })),
});
const avro = (schema: object): FoundSchema => ({
  type: 'AVRO',
  schema: JSON.stringify(schema),
  references: [],
});
const payload = (schema: object, value: object) => avsc.Type.forSchema(schema as avsc.Schema).toBuffer(value);
const columns = [
  { name: 'n', type: 'bigint' },
  { name: 'm', type: 'bigint' },
];
const confluent = { input: { kind: 'avro' as const, framing: 'confluent' as const }, columns };
const glue = { input: { kind: 'avro' as const, framing: 'glue' as const }, columns };

function framed(id: number, value: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, value]);
}

const rowsOf = (rows: Record<string, unknown>[]) => rows.map(({ n, m }) => [n, m]);

test('values of several schemas are one table, and each schema is asked for once', async () => {
  const [one, two] = [schemaOf('n'), schemaOf('m', 'n')];
  registry.schemas.set('7', avro(one)).set('4000000000', avro(two));
  const values = [
    framed(7, payload(one, { n: 1 })),
    framed(4_000_000_000, payload(two, { n: 2, m: 3 })),
    framed(7, payload(one, { n: 4 })),
  ];
  const first = await transform(confluent, values);
  const second = await transform(confluent, values);
  const expected = [
    ['1', null],
    ['2', '3'],
    ['4', null],
  ];
  assert.deepEqual([rowsOf(first.rows), rowsOf(second.rows)], [expected, expected]);
  const place = { topic: 'claims', topicId: NO_TOPIC_ID, framing: 'confluent' };
  assert.deepEqual(registry.asked, [
    { ...place, id: '7' },
    { ...place, id: '4000000000' },
  ]);
});

test('an id that nobody knows, a frame that is none and a schema of another kind are quarantined', async () => {
  registry.schemas.set('8', { type: 'JSON', schema: '{}', references: [] });
  registry.schemas.set('9', { type: 'AVRO', schema: '{"type":"nothing"}', references: [] });
  const value = payload(schemaOf('n'), { n: 1 });
  const unknown = framed(404, value);
  registry.asked = [];
  const { rows, quarantine } = await transform(confluent, [
    unknown,
    unknown,
    framed(8, value),
    framed(9, value),
    '{"n":1}',
    Buffer.from([0, 0, 0, 0]),
    framed(7, Buffer.concat([value, value])),
    framed(7, value),
  ]);
  assert.deepEqual(rowsOf(rows), [['1', null]]);
  assert.deepEqual(
    quarantine.map(({ code }) => code),
    [
      'SCHEMA_UNKNOWN',
      'SCHEMA_UNKNOWN',
      'SCHEMA_UNUSABLE',
      'SCHEMA_UNUSABLE',
      'FRAME_INVALID',
      'FRAME_INVALID',
      'VALUE_UNDECODABLE',
    ],
  );
  assert.equal(quarantine[0]?.['raw'], '\\x00\\x00\\x00\\x01\\x94\\x02');
  assert.deepEqual(
    registry.asked.map(({ id }) => id),
    ['404', '8', '9'],
  );
});

test('a window waits for a registry that cannot be asked, and nothing of it is lost', async () => {
  const values = [framed(7, payload(schemaOf('n'), { n: 1 })), framed(70, payload(schemaOf('n'), { n: 2 }))];
  registry.schemas.set('70', avro(schemaOf('n')));
  registry.down = 'no agent of claims is connected';
  await assert.rejects(transform(confluent, values), {
    code: 'SCHEMA_UNAVAILABLE',
    message: /no agent of claims is connected/,
  });
  registry.down = undefined;
  const { rows } = await transform(confluent, values);
  assert.deepEqual(rowsOf(rows), [
    ['1', null],
    ['2', null],
  ]);
});

test('values that name ever more schemas end in quarantine behind the thousandth, whoever knows them', async () => {
  const value = payload(schemaOf('n'), { n: 1 });
  const ids = Array.from({ length: WINDOW_SCHEMAS_MAX + 10 }, (_, i) => 10_000 + i);
  for (const id of ids) registry.schemas.set(String(id), avro(schemaOf('n')));
  registry.asked = [];
  const named = [...ids, ...ids.slice(0, 5)].map((id) => framed(id, value));
  const known = await transform(confluent, named);
  assert.equal(known.rows.length, WINDOW_SCHEMAS_MAX + 5);
  assert.deepEqual(
    known.quarantine.map(({ code }) => code),
    ids.slice(WINDOW_SCHEMAS_MAX).map(() => 'SCHEMAS_MANY'),
  );
  assert.equal(registry.asked.length, WINDOW_SCHEMAS_MAX);
  const next = await transform(confluent, named.slice(WINDOW_SCHEMAS_MAX));
  assert.equal(next.rows.length, 15, 'a window of its own asks for what the one before did not');
  for (const id of ids) registry.schemas.delete(String(id));
  registry.asked = [];
  const strange = ids.map((id) => framed(id + 100_000, value));
  const { quarantine } = await transform(confluent, strange);
  assert.equal(registry.asked.length, WINDOW_SCHEMAS_MAX);
  assert.equal(quarantine.filter(({ code }) => code === 'SCHEMA_UNKNOWN').length, WINDOW_SCHEMAS_MAX);
});

test('a schema may name others', async () => {
  const money = {
    type: 'record',
    name: 'Money',
    namespace: 'acme',
    fields: [{ name: 'cents', type: 'long' }],
  };
  const claim = (type: unknown) => ({ type: 'record', name: 'Claim', fields: [{ name: 'n', type }] });
  registry.schemas.set('80', {
    type: 'AVRO',
    schema: JSON.stringify(claim('acme.Money')),
    references: [JSON.stringify(money)],
  });
  const value = payload(claim(money), { n: { cents: 5 } });
  const { rows } = await transform({ ...confluent, columns: [{ name: 'n', type: 'string' }] }, [
    framed(80, value),
  ]);
  assert.equal(rows[0]?.['n'], '{"cents":5}');
});

test('AWS Glue’s frame names a UUID, and its value may be compressed', async () => {
  const id = '123e4567-e89b-12d3-a456-426614174000';
  const head = (compression: number) =>
    Buffer.concat([Buffer.from([3, compression]), Buffer.from(id.replaceAll('-', ''), 'hex')]);
  registry.schemas.set(id, avro(schemaOf('n')));
  const value = payload(schemaOf('n'), { n: 9 });
  const { rows, quarantine } = await transform(glue, [
    Buffer.concat([head(0), value]),
    Buffer.concat([head(5), deflateSync(value)]),
    Buffer.concat([head(5), value]),
    Buffer.concat([head(1), value]),
    Buffer.concat([head(5), deflateSync(Buffer.alloc(17 * 2 ** 20))]),
    framed(7, value),
  ]);
  assert.deepEqual(rowsOf(rows), [
    ['9', null],
    ['9', null],
  ]);
  assert.deepEqual(
    quarantine.map(({ code }) => code),
    ['VALUE_COMPRESSION', 'FRAME_INVALID', 'VALUE_TOO_LARGE', 'FRAME_INVALID'],
  );
});
