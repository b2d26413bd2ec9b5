// Avro's binary values as JSON text: what another library wrote is read back exactly, and bytes that do not
// follow their schema end in quarantine with the field's path, never in a crash or in memory without limit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { avroDecoder } from '@sluice/collector/transform/decode/avro.ts';
import { UndecodableError } from '@sluice/collector/transform/decode/value-reader.ts';
import avsc from 'avsc';
import fc from 'fast-check';
import { oneWindows } from './one-window.ts';

const { transform } = oneWindows();
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const read = (schema: unknown, bytes: Buffer) => avroDecoder(JSON.stringify(schema))(bytes, 0);
const long = (value: bigint) => {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
};
const decimal = { type: 'bytes', logicalType: 'decimal', precision: 38, scale: 2 };
const at = (type: string, logicalType: string) => ({ type, logicalType });

const EXACT: readonly (readonly [string, unknown, Buffer, string])[] = [
  [
    'the specification’s record',
    record({ a: 'long', b: 'string' }),
    hex('36 06 66 6f 6f'),
    '{"a":27,"b":"foo"}',
  ],
  ['the specification’s array', { type: 'array', items: 'long' }, hex('04 06 36 00'), '[3,27]'],
  [
    'an array in blocks with sizes',
    { type: 'array', items: 'long' },
    hex('03 04 06 36 02 08 00'),
    '[3,27,4]',
  ],
  ['the specification’s union', ['null', 'string'], hex('02 02 61'), '"a"'],
  ['a null of a union', ['null', 'string'], hex('00'), 'null'],
  ['the largest long', 'long', long(2n ** 63n - 1n), '9223372036854775807'],
  ['the smallest long', 'long', long(-(2n ** 63n)), '-9223372036854775808'],
  ['a long beyond 2^53', 'long', long(9007199254740993n), '9007199254740993'],
  ['minus one', 'long', hex('01'), '-1'],
  ['a decimal', decimal, hex('04 04 d2'), '"12.34"'],
  ['a negative decimal', decimal, hex('02 ff'), '"-0.01"'],
  ['an empty decimal', decimal, hex('00'), '"0.00"'],
  [
    'a decimal of 38 digits',
    decimal,
    Buffer.concat([hex('20'), hex('4b3b4ca85a86c47a098a223fffffffff')]),
    '"999999999999999999999999999999999999.99"',
  ],
  [
    'a decimal in a fixed',
    { type: 'fixed', name: 'f', size: 2, logicalType: 'decimal', precision: 4, scale: 0 },
    hex('ff38'),
    '"-200"',
  ],
  ['a date', at('int', 'date'), long(-1n), '"1969-12-31"'],
  ['milliseconds', at('long', 'timestamp-millis'), long(1n), '"1970-01-01T00:00:00.001Z"'],
  ['microseconds before 1970', at('long', 'timestamp-micros'), long(-1n), '"1969-12-31T23:59:59.999999Z"'],
  ['nanoseconds', at('long', 'timestamp-nanos'), long(1n), '"1970-01-01T00:00:00.000000001Z"'],
  ['local microseconds', at('long', 'local-timestamp-micros'), long(5n), '"1970-01-01T00:00:00.000005"'],
  ['a time', at('int', 'time-millis'), long(3_723_004n), '"01:02:03.004"'],
  [
    'a year beyond four digits',
    at('int', 'date'),
    long(2932897n),
    '"253402300800000000000ns since 1970-01-01"',
  ],
  ['a uuid', at('string', 'uuid'), hex('02 61'), '"a"'],
  [
    'a uuid in a fixed',
    { type: 'fixed', name: 'u', size: 16, logicalType: 'uuid' },
    hex('123e4567e89b12d3a456426614174000'),
    '"123e4567-e89b-12d3-a456-426614174000"',
  ],
  ['a logical type that nobody knows', at('long', 'moon'), hex('02'), '1'],
  ['bytes', 'bytes', hex('04 ff 00'), '"/wA="'],
  ['NaN', 'double', hex('000000000000f87f'), '"NaN"'],
  ['a double', 'double', hex('9a9999999999b93f'), '0.1'],
  ['minus zero', 'double', hex('0000000000000080'), '-0.0'],
  ['a quote', 'string', hex('04 22 0a'), String.raw`"\"\n"`],
];

function record(fields: Record<string, unknown>, name = 'r') {
  return { type: 'record', name, fields: Object.entries(fields).map(([n, type]) => ({ name: n, type })) };
}

for (const [what, schema, bytes, json] of EXACT)
  test(`${what} is read exactly`, () => assert.equal(read(schema, bytes), json));

/** Every kind of type, a name from another namespace, a type that holds itself. */
const everything = {
  type: 'record',
  name: 'Claim',
  namespace: 'acme.claims',
  fields: [
    { name: 'flag', type: 'boolean' },
    { name: 'small', type: 'int' },
    { name: 'large', type: 'long' },
    { name: 'f', type: 'float' },
    { name: 'd', type: 'double' },
    { name: 's', type: ['null', 'string'] },
    { name: 'color', type: { type: 'enum', name: 'Color', symbols: ['RED', 'GREEN'] } },
    { name: 'again', type: 'acme.claims.Color' },
    { name: 'list', type: { type: 'array', items: 'Color' } },
    { name: 'map', type: { type: 'map', values: ['null', 'double'] } },
    { name: 'next', type: ['null', 'Claim'] },
  ],
};
const finite = { noNaN: true, noDefaultInfinity: true };
const node = fc.record({
  flag: fc.boolean(),
  small: fc.integer(),
  // The other library writes longs beyond 52 bits as doubles; those are tested by their bytes above.
  large: fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
  f: fc.float(finite),
  d: fc.double(finite),
  s: fc.option(fc.string({ unit: 'grapheme' })),
  color: fc.constantFrom('RED', 'GREEN'),
  again: fc.constantFrom('RED', 'GREEN'),
  list: fc.array(fc.constantFrom('RED', 'GREEN')),
  map: fc.dictionary(fc.string(), fc.option(fc.double(finite)), { noNullPrototype: true }),
});
const chain = fc
  .array(node, { minLength: 1, maxLength: 4 })
  .map((nodes) => nodes.reduceRight<object | null>((next, one) => ({ ...one, next }), null));

test('what another library writes is read back, every type of it', () => {
  const type = avsc.Type.forSchema(everything as avsc.Schema);
  const decode = avroDecoder(JSON.stringify(everything));
  fc.assert(
    fc.property(chain, (value) => {
      // As JavaScript's JSON has it on both sides: it knows no minus zero.
      const plain = (one: unknown) => JSON.parse(JSON.stringify(one)) as unknown;
      assert.deepEqual(plain(JSON.parse(decode(type.toBuffer(value), 0))), plain(value));
    }),
  );
});

test('bytes that were cut or changed are refused or read, and nothing else happens', () => {
  const type = avsc.Type.forSchema(everything as avsc.Schema);
  const decode = avroDecoder(JSON.stringify(everything));
  fc.assert(
    fc.property(chain, fc.nat(), fc.nat(255), (value, place, byte) => {
      const bytes = type.toBuffer(value);
      const cut = bytes.subarray(0, place % bytes.length);
      const changed = Buffer.from(bytes);
      changed[place % bytes.length] = byte;
      assert.throws(() => decode(cut, 0), UndecodableError);
      try {
        JSON.parse(decode(changed, 0));
      } catch (error) {
        assert.ok(error instanceof UndecodableError, String(error));
      }
    }),
  );
});

const REFUSED: readonly (readonly [string, unknown, Buffer, string])[] = [
  ['bytes behind the value', 'null', hex('00'), 'VALUE_UNDECODABLE'],
  ['a branch that is not there', ['null', 'int'], hex('04'), 'VALUE_UNDECODABLE'],
  ['a symbol that is not there', { type: 'enum', name: 'e', symbols: ['A'] }, hex('02'), 'VALUE_UNDECODABLE'],
  ['a boolean of 2', 'boolean', hex('02'), 'VALUE_UNDECODABLE'],
  ['a string that is not UTF-8', 'string', hex('02 ff'), 'VALUE_UNDECODABLE'],
  ['a length below zero', 'bytes', hex('01'), 'VALUE_UNDECODABLE'],
  ['a length beyond the value', 'bytes', long(2n ** 40n), 'VALUE_UNDECODABLE'],
  ['an int of more than 32 bits', 'int', long(2n ** 31n), 'VALUE_UNDECODABLE'],
  ['a long of more than 64 bits', 'long', hex('ff ff ff ff ff ff ff ff ff 03'), 'VALUE_UNDECODABLE'],
  ['a long without an end', 'long', Buffer.alloc(20, 0x80), 'VALUE_UNDECODABLE'],
  [
    'a billion nulls',
    { type: 'array', items: 'null' },
    Buffer.concat([long(10n ** 9n), hex('00')]),
    'VALUE_TOO_LARGE',
  ],
  ['a depth without end', record({ next: ['null', 'r'] }), Buffer.alloc(100_000, 2), 'VALUE_TOO_LARGE'],
];

for (const [what, schema, bytes, code] of REFUSED)
  test(`${what} is refused`, () => assert.throws(() => read(schema, bytes), { code }));

test('a schema that is none is refused with what is wrong', () => {
  for (const [schema, message] of [
    ['{', /not JSON/],
    ['{"type":"record","name":"r"}', /no fields/],
    ['{"type":"record","fields":[]}', /no name/],
    ['"nothing"', /no type is named 'nothing'/],
    ['{"type":"fixed","name":"f"}', /no size/],
    ['5', /is no type/],
  ] as const)
    assert.throws(() => avroDecoder(schema), { code: 'SCHEMA_INVALID', message });
  assert.equal(avroDecoder('long')(long(5n), 0), '5');
});

test('columns get their values exactly, and what fails has its path, its reason and its bytes', async () => {
  const schema = record({
    id: 'long',
    amount: decimal,
    at: at('long', 'timestamp-micros'),
    raw: 'bytes',
    who: ['null', record({ name: 'string' }, 'who')],
    x: 'double',
    any: ['string', 'long'],
  });
  const type = avsc.Type.forSchema(schema as avsc.Schema);
  const bytes = (change: object) =>
    type.toBuffer({
      id: 1,
      amount: hex('4b3b4ca85a86c47a098a223fffffffff'),
      at: 1,
      raw: hex('ff00'),
      who: null,
      x: 0.5,
      any: 'a',
      ...change,
    });
  const mapped = (source: string, sort: string, target = source) => ({
    source,
    sourceType: sort,
    target,
    targetType: sort,
  });
  const mappings = [
    mapped('id', 'bigint'),
    mapped('amount', 'decimal(38,2)'),
    mapped('at', 'timestamp'),
    mapped('raw', 'binary'),
    mapped('who.name', 'string', 'who'),
    mapped('x', 'double'),
    mapped('any', 'string', 'one'),
  ];
  const broken = Buffer.concat([bytes({}).subarray(0, -3), hex('10')]);
  const { rows, quarantine } = await transform(
    {
      input: { kind: 'avro', framing: 'none', schema: JSON.stringify(schema) },
      steps: [{ kind: 'apply_mapping', mappings }],
      provenance: 'none',
    },
    [bytes({}), bytes({ who: { name: "O'Neil" }, any: 5 }), bytes({ x: Number.NaN }), broken, null],
  );
  const row = {
    id: '1',
    amount: '999999999999999999999999999999999999.99',
    at: '1970-01-01 00:00:00.000001',
    raw: '\\xFF\\x00',
    who: null,
    x: 0.5,
    one: 'a',
  };
  assert.deepEqual(rows, [row, { ...row, who: "O'Neil", one: '5' }]);
  assert.deepEqual(
    quarantine.map(({ code, field, reason }) => [code, field, reason]),
    [
      ['CAST_FAILED', 'x', "x 'NaN' is not double"],
      ['VALUE_UNDECODABLE', 'any', 'the value does not follow its schema'],
      ['TOMBSTONE', null, 'the record has no value (a tombstone)'],
    ],
  );
  assert.match(String(quarantine[0]?.['raw']), /^\\x02 K;L/);
});
