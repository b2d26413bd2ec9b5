// Messages of Protocol Buffers that another library wrote are read back exactly, by a schema in text as by
// its descriptors, and become columns; a schema that is none is refused with what is wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary, toJson } from '@bufbuild/protobuf';
import { descriptorSchema } from '@sluice/collector/transform/decode/protobuf-descriptors.ts';
import { textSchema } from '@sluice/collector/transform/decode/protobuf-text.ts';
import { UndecodableError } from '@sluice/collector/transform/decode/value-reader.ts';
import fc from 'fast-check';
import { messageOf } from '../../support/proto-messages.ts';
import { oneWindows } from './one-window.ts';
import { CLAIM, decoderOf, decoders, descriptors, hex, number, registry, schemas } from './protobuf-cases.ts';

const { transform } = oneWindows();

/** Numbers as the texts they are written with, so that none is rounded; the library quotes long ones. */
const exactly = (json: string) =>
  JSON.parse(json, (_key: string, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    if (typeof value !== 'number' || source === undefined) return value;
    return Number.isSafeInteger(value) || !/^-?\d+$/.test(source) ? String(value) : source;
  }) as unknown;

for (const name of ['acme.claims.Claim', 'newer.Newer', 'old.Old'] as const)
  test(`what another library writes is read back, every type of it: ${name}`, () => {
    const desc = registry.getMessage(name);
    assert.ok(desc);
    const read = decoders(name);
    const messages = messageOf(desc, 3);
    // One that is required, and declared defaults, are told by their bytes below.
    const given = name === 'old.Old' ? messages.map(oldWithAll) : messages;
    fc.assert(
      fc.property(given, (message) => {
        const bytes = Buffer.from(toBinary(desc, message as never));
        const expected = toJson(desc, message as never, {
          useProtoFieldName: true,
          alwaysEmitImplicit: true,
        });
        for (const decode of read)
          assert.deepEqual(exactly(decode(bytes, 0)), exactly(JSON.stringify(expected)));
      }),
      { numRuns: 200 },
    );
  });

function oldWithAll(message: object): object {
  const whole = { needed: 1, seven: 8n, text: 'x', size: 1, none: 0.5, ...message } as Record<
    string,
    unknown
  >;
  const one = whole['one'] as { old?: object } | undefined;
  if (one?.old !== undefined) one.old = oldWithAll(one.old);
  return whole;
}

test('bytes that were cut or changed are refused or read, and nothing else happens', () => {
  const desc = registry.getMessage('acme.claims.Claim');
  assert.ok(desc);
  const decode = decoderOf('text', 'acme.claims.Claim');
  const tried = (bytes: Buffer) => {
    try {
      JSON.parse(decode(bytes, 0));
    } catch (error) {
      assert.ok(error instanceof UndecodableError, String(error));
    }
  };
  fc.assert(
    fc.property(messageOf(desc, 2), fc.nat(), fc.nat(255), (message, place, byte) => {
      const bytes = Buffer.from(toBinary(desc, message as never));
      const changed = Buffer.from(bytes);
      changed[place % bytes.length] = byte;
      tried(bytes.subarray(0, place % (bytes.length + 1)));
      tried(changed);
    }),
    { numRuns: 200 },
  );
});

test('a schema that is none is refused with what is wrong', () => {
  for (const [text, message] of [
    ['syntax = "proto3"; message M { nothing x = 1; }', /nothing/],
    ['syntax = "proto3"; message M {', /m\.proto: /],
    ['message M { optional int64 x = 1 [default = 9007199254740993]; }', /M\.x has a default beyond 2\^53/],
    ['message M { optional bytes x = 1 [default = "\\377"]; }', /escape/],
    [`message M { ${'message M {'.repeat(10_000)}`, /./],
  ] as const)
    assert.throws(() => void textSchema([{ name: 'm.proto', text }]).message('M'), {
      code: 'SCHEMA_INVALID',
      message,
    });
  assert.throws(() => descriptorSchema(Buffer.from('nonsense')), { code: 'SCHEMA_INVALID' });
  assert.equal(schemas.descriptors.message('acme.claims.Nobody'), undefined);
  assert.equal(schemas.text['acme.claims.Claim'].message('Claim'), undefined);
});

test('columns get their values exactly, and what fails has its path, its reason and its bytes', async () => {
  const desc = registry.getMessage(CLAIM);
  assert.ok(desc);
  const bytes = (init: Record<string, unknown>) => Buffer.from(toBinary(desc, create(desc, init)));
  const at = { seconds: 1n, nanos: 1_000 };
  const columns = Object.entries({
    big: 'bigint',
    positive: 'decimal(20,0)',
    flag: 'boolean',
    raw: 'binary',
    status_code: 'string',
    maybe: 'bigint',
    at: 'timestamp',
    d: 'double',
    texts: 'array<string>',
    sums: 'map<string,struct<cents:bigint>>',
    wrapped: 'bigint',
  }).map(([name, type]) => ({ name, type }));
  const first = {
    big: 9007199254740993n,
    positive: 2n ** 64n - 1n,
    flag: true,
    raw: hex('ff00'),
    statusCode: 1,
    maybe: 0n,
    at,
    texts: ['a', 'b'],
    sums: { x: { cents: 9007199254740993n } },
    wrapped: 5n,
  };
  const { rows, quarantine } = await transform(
    {
      input: {
        kind: 'protobuf',
        framing: 'none',
        schema: { descriptors: descriptors.toString('base64') },
        message: CLAIM,
      },
      columns,
      provenance: 'none',
    },
    [
      bytes(first),
      bytes({}),
      bytes({ d: Number.NaN }),
      bytes({ at: { seconds: 1n, nanos: 1 } }),
      number(6, 2n ** 40n),
      null,
    ],
  );
  const plain = { maybe: null, at: null, wrapped: null };
  assert.deepEqual(rows, [
    {
      big: '9007199254740993',
      positive: '18446744073709551615',
      flag: true,
      raw: '\\xFF\\x00',
      status_code: 'OPEN',
      maybe: '0',
      at: '1970-01-01 00:00:01.000001',
      d: 0,
      texts: ['a', 'b'],
      sums: [{ key: 'x', value: { cents: '9007199254740993' } }],
      wrapped: '5',
    },
    {
      big: '0',
      positive: '0',
      flag: false,
      raw: '',
      status_code: 'NONE',
      ...plain,
      d: 0,
      texts: [],
      sums: [],
    },
  ]);
  assert.deepEqual(
    quarantine.map(({ code, field }) => [code, field]),
    [
      ['CAST_FAILED', 'd'],
      ['CAST_FAILED', 'at'],
      ['VALUE_UNDECODABLE', 'i'],
      ['TOMBSTONE', null],
    ],
  );
  assert.equal(quarantine[2]?.['raw'], '0\\x80\\x80\\x80\\x80\\x80 ');
});
