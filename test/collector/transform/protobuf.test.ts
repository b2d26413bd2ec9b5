// Messages of Protocol Buffers as JSON text: what another library wrote is read back exactly, by a schema in
// text as by its descriptors, and bytes that are no such message end in quarantine with the field's path,
// never in a crash or in memory without limit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protobufDecoder } from '@sluice/collector/transform/decode/protobuf.ts';
import { textSchema } from '@sluice/collector/transform/decode/protobuf-text.ts';
import { UndecodableError } from '@sluice/collector/transform/decode/value-reader.ts';
import { CLAIM, decoderOf, decoders, hex, type Name, number, sized, tag, varint } from './protobuf-cases.ts';

const part = (json: string) => Object.entries(JSON.parse(json) as object);

/** What of the message's JSON is said, beside the defaults. */
const EXACT: readonly (readonly [string, Name, Buffer, Readonly<Record<string, string | undefined>>])[] = [
  ['the smallest long', CLAIM, number(1, -(2n ** 63n)), { big: '-9223372036854775808' }],
  ['the largest unsigned long', CLAIM, number(2, 2n ** 64n - 1n), { positive: '18446744073709551615' }],
  ['a long beyond 2^53', CLAIM, number(1, 9007199254740993n), { big: '9007199254740993' }],
  ['a negative int in ten bytes', CLAIM, number(6, -1n), { i: '-1' }],
  [
    'what is not there and has no presence',
    CLAIM,
    hex(''),
    {
      big: '0',
      flag: 'false',
      text: '""',
      raw: '""',
      status_code: '"NONE"',
      texts: '[]',
      sums: '{}',
      maybe: undefined,
      maybe_text: undefined,
      a: undefined,
      inner: undefined,
      at: undefined,
      wrapped: undefined,
    },
  ],
  [
    'a default that is there',
    CLAIM,
    Buffer.concat([number(17, 0n), sized(18, '')]),
    { maybe: '0', maybe_text: '""' },
  ],
  ['the first name of a number', CLAIM, number(16, 1n), { status_code: '"OPEN"' }],
  ['a number without a name', CLAIM, number(16, 77n), { status_code: '77' }],
  ['an enum below zero', CLAIM, number(16, -3n), { status_code: '"LOST"' }],
  ['NaN', CLAIM, Buffer.concat([tag(11, 1), hex('000000000000f87f')]), { d: '"NaN"' }],
  ['minus zero', CLAIM, Buffer.concat([tag(11, 1), hex('0000000000000080')]), { d: '-0.0' }],
  ['bytes', CLAIM, sized(15, hex('ff00')), { raw: '"/wA="' }],
  ['the last of a scalar', CLAIM, Buffer.concat([number(6, 1n), number(6, 2n)]), { i: '2' }],
  [
    'a message in two pieces',
    CLAIM,
    Buffer.concat([sized(21, number(1, 5n)), sized(21, sized(2, 'EUR'))]),
    {
      b: '{"cents":5,"currency_code":"EUR"}',
    },
  ],
  [
    'the last of a oneof',
    CLAIM,
    Buffer.concat([sized(20, 'x'), sized(21, number(1, 5n)), number(22, 0n)]),
    {
      a: undefined,
      b: undefined,
      c: 'false',
    },
  ],
  [
    'numbers packed, and one by one, whatever the schema says',
    CLAIM,
    Buffer.concat([number(23, 1n), sized(23, hex('0204')), sized(24, hex('0506')), number(24, 7n)]),
    { packed: '[-1,1,2]', loose: '[5,6,7]' },
  ],
  [
    'the last value of a key',
    CLAIM,
    Buffer.concat([sized(29, number(1, 1n), sized(2, 'a')), sized(29, number(1, 1n), sized(2, 'b'))]),
    { names: '{"1":"b"}' },
  ],
  [
    'an entry without key and value',
    CLAIM,
    Buffer.concat([sized(29), sized(28)]),
    {
      names: '{"0":""}',
      sums: '{"":{"cents":0,"currency_code":""}}',
    },
  ],
  [
    'fields that the schema does not have',
    CLAIM,
    Buffer.concat([
      number(99, 1n),
      sized(98, 'x'),
      tag(97, 1),
      Buffer.alloc(8),
      tag(96, 5),
      Buffer.alloc(4),
      tag(95, 3),
      number(1, 5n),
      tag(94, 3),
      tag(94, 4),
      tag(95, 4),
      number(6, 3n),
    ]),
    { i: '3' },
  ],
  [
    'a time before 1970',
    CLAIM,
    sized(32, number(1, -1n), number(2, 999_999_000n)),
    { at: '"1969-12-31T23:59:59.999999Z"' },
  ],
  ['a wrapped zero', CLAIM, sized(35), { wrapped: '0' }],
  ['a value of no kind', CLAIM, sized(33), { any: 'null' }],
  [
    'a whole object',
    CLAIM,
    sized(34, sized(1, sized(1, 'k'), sized(2, sized(6, sized(1, sized(3, 'v')))))),
    {
      object: '{"k":["v"]}',
    },
  ],
  [
    'declared defaults',
    'old.Old',
    number(1, 1n),
    {
      seven: '7',
      text: `"O'Neil"`,
      size: '"LARGE"',
      none: '"NaN"',
      unset: undefined,
      line: '[]',
      one: undefined,
    },
  ],
  [
    'groups',
    'old.Old',
    Buffer.concat([
      number(1, 1n),
      tag(7, 3),
      number(1, 5n),
      tag(7, 4),
      tag(8, 3),
      sized(1, number(1, 2n)),
      tag(8, 4),
    ]),
    {
      line: '[{"y":5}]',
      one: '{"old":{"needed":2,"seven":7,"text":"O\'Neil","size":"LARGE","none":"NaN","line":[],"loose":[],"sizes":{}}}',
    },
  ],
  [
    'an entry without value, of an enum that has no 0',
    'old.Old',
    Buffer.concat([number(1, 1n), sized(10, sized(1, 'k')), sized(10, sized(1, 'l'), number(2, 0n))]),
    { sizes: '{"k":"SMALL","l":0}' },
  ],
  ['an extension', 'old.Old', Buffer.concat([number(1, 1n), number(100, 5n)]), { needed: '1' }],
];

for (const [what, name, bytes, expected] of EXACT)
  test(`${what} is read exactly`, () => {
    for (const decode of decoders(name)) {
      const json = decode(bytes, 0);
      const found = new Map(part(json).map(([key]) => [key, tokenOf(json, key)]));
      for (const [key, token] of Object.entries(expected)) assert.equal(found.get(key), token, json);
    }
  });

/** The characters of a field's value. */
function tokenOf(json: string, key: string): string {
  const start = json.indexOf(`${JSON.stringify(key)}:`) + key.length + 3;
  for (let end = start + 1; end < json.length; end++)
    if (',}'.includes(json[end] ?? '')) {
      try {
        JSON.parse(json.slice(start, end));
        return json.slice(start, end);
      } catch {}
    }
  return '';
}

const nested = (depth: number) => {
  let bytes = number(1, 1n);
  for (let i = 0; i < depth; i++) bytes = sized(2, bytes);
  return sized(31, bytes);
};

const REFUSED: readonly (readonly [string, Name, Buffer, string, string])[] = [
  ['a value of another wire type', CLAIM, sized(6, 'x'), 'VALUE_UNDECODABLE', 'i'],
  ['a text where a number is', CLAIM, number(14, 1n), 'VALUE_UNDECODABLE', 'text'],
  ['an int of more than 32 bits', CLAIM, number(6, 2n ** 31n), 'VALUE_UNDECODABLE', 'i'],
  ['an unsigned int below zero', CLAIM, number(7, -1n), 'VALUE_UNDECODABLE', 'u'],
  [
    'a long of more than 64 bits',
    CLAIM,
    Buffer.concat([tag(1, 0), hex('ffffffffffffffffff02')]),
    'VALUE_UNDECODABLE',
    'big',
  ],
  [
    'a number without an end',
    CLAIM,
    Buffer.concat([tag(1, 0), Buffer.alloc(20, 0x80)]),
    'VALUE_UNDECODABLE',
    'big',
  ],
  ['a boolean of 2', CLAIM, number(13, 2n), 'VALUE_UNDECODABLE', 'flag'],
  ['a string that is not UTF-8', CLAIM, sized(14, hex('ff')), 'VALUE_UNDECODABLE', 'text'],
  [
    'a length beyond the value',
    CLAIM,
    Buffer.concat([tag(14, 2), varint(2n ** 40n)]),
    'VALUE_UNDECODABLE',
    'text',
  ],
  [
    'a message longer than the one around it',
    CLAIM,
    Buffer.concat([tag(31, 2), hex('03 12 05 08'), sized(99, 'something else')]),
    'VALUE_UNDECODABLE',
    'inner.next',
  ],
  ['the field 0', CLAIM, hex('00 00'), 'VALUE_UNDECODABLE', ''],
  ['an end of a group that did not begin', CLAIM, tag(95, 4), 'VALUE_UNDECODABLE', ''],
  ['a group without an end', CLAIM, tag(95, 3), 'VALUE_UNDECODABLE', ''],
  [
    'a group that ends under another number',
    CLAIM,
    Buffer.concat([tag(95, 3), tag(94, 4)]),
    'VALUE_UNDECODABLE',
    '',
  ],
  ['a wire type that is none', CLAIM, tag(99, 6), 'VALUE_UNDECODABLE', ''],
  ['a field cut in two', CLAIM, hex('59 00 00'), 'VALUE_UNDECODABLE', 'd'],
  [
    'a field deep inside',
    CLAIM,
    sized(28, sized(2, number(2, 1n))),
    'VALUE_UNDECODABLE',
    'sums.currency_code',
  ],
  [
    'nanoseconds of more than a second',
    CLAIM,
    sized(32, number(2, 1_000_000_000n)),
    'VALUE_UNDECODABLE',
    'at',
  ],
  ['a required field that is not there', 'old.Old', hex(''), 'VALUE_UNDECODABLE', 'needed'],
  [
    'a required field that is not there, inside',
    'old.Old',
    Buffer.concat([number(1, 1n), tag(8, 3), sized(1), tag(8, 4)]),
    'VALUE_UNDECODABLE',
    'one.old.needed',
  ],
];

for (const [what, name, bytes, code, field] of REFUSED)
  test(`${what} is refused`, () => {
    for (const decode of decoders(name)) assert.throws(() => decode(bytes, 0), { code, field });
  });

test('depth and text are bounded, whatever a few bytes say', () => {
  for (const decode of decoders(CLAIM)) {
    assert.equal(JSON.parse(decode(nested(90), 0)).inner.next.next.x, 0);
    assert.throws(() => decode(nested(110), 0), { code: 'VALUE_TOO_LARGE' });
    assert.throws(() => decode(Buffer.alloc(4_000, tag(12, 3)), 0), UndecodableError);
  }
  // A million messages of nothing, each with all its defaults.
  const nothings = Buffer.concat(Array.from({ length: 1_000_000 }, () => hex('d2 01 00')));
  assert.throws(() => decoderOf('text', CLAIM)(nothings, 0), { code: 'VALUE_TOO_LARGE', field: /^many/ });
});

test('messages of nothing are not free where each has many fields that are not there', () => {
  const fields = Array.from({ length: 200 }, (_one, i) => `optional int32 f${i} = ${i + 2};`).join(' ');
  const text = `syntax = "proto3"; message M { repeated M m = 1; ${fields} }`;
  const shape = textSchema([{ name: 'm.proto', text }]).message('M');
  assert.ok(shape);
  const decode = protobufDecoder(shape);
  const nothings = (count: number) => Buffer.alloc(count * 2, hex('0a00'));
  assert.equal(JSON.parse(decode(nothings(1_000), 0)).m.length, 1_000);
  assert.throws(() => decode(nothings(2_000_000), 0), { code: 'VALUE_TOO_LARGE' });
});

test('a duration is its seconds, a decimal its digits, both to the last one', () => {
  const text = `syntax = "proto3"; import "google/protobuf/duration.proto"; import "confluent/type/decimal.proto";
    message M { google.protobuf.Duration took = 1; confluent.type.Decimal amount = 2; }`;
  const shape = textSchema([{ name: 'm.proto', text }]).message('M');
  assert.ok(shape);
  const decode = protobufDecoder(shape);
  for (const [bytes, json] of [
    [sized(1, number(1, 3n), number(2, 500_000_000n)), '{"took":"3.5"}'],
    [sized(1, number(1, -3n), number(2, -1n)), '{"took":"-3.000000001"}'],
    [sized(1), '{"took":"0"}'],
    [sized(2, sized(1, hex('04d2')), number(3, 2n)), '{"amount":"12.34"}'],
    [sized(2, sized(1, hex('ff')), number(3, 2n)), '{"amount":"-0.01"}'],
  ] as const)
    assert.equal(decode(bytes, 0), json);
  for (const bytes of [
    sized(1, number(1, 3n), number(2, -1n)),
    sized(1, number(2, 1_000_000_000n)),
    sized(2, sized(1, Buffer.alloc(300))),
  ])
    assert.throws(() => decode(bytes, 0), { code: 'VALUE_UNDECODABLE' });
});
