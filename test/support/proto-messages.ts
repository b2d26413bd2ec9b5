// Any message of a type of Protocol Buffers, as @bufbuild/protobuf is told it: every field of it, its own
// JSON messages, and itself inside itself.
import { create, type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import fc from 'fast-check';

/** Any message of a type, as the other library is told it; `deep` is how far it may hold itself. */
export function messageOf(desc: DescMessage, deep: number): fc.Arbitrary<object> {
  const named: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of desc.fields) {
    if (field.oneof !== undefined) continue;
    if (field.message !== undefined && deep === 0 && field.fieldKind === 'message') continue;
    const value = fieldOf(field, deep);
    named[field.localName] =
      field.fieldKind === 'list' || field.fieldKind === 'map' ? value : optional(value);
  }
  for (const { localName, fields } of desc.oneofs)
    named[localName] = optional(
      fc.oneof(...fields.map((f) => fieldOf(f, deep).map((value) => ({ case: f.localName, value })))),
    );
  return fc.record(named).map((init) => create(desc, defined(init)));
}

const optional = (value: fc.Arbitrary<unknown>) => fc.option(value, { nil: undefined });
const defined = (init: object) =>
  Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined));

function fieldOf(field: DescField, deep: number): fc.Arbitrary<unknown> {
  const one = () => {
    if (field.message !== undefined)
      return knownOf(field.message) ?? messageOf(field.message, Math.max(0, deep - 1));
    return field.enum === undefined ? scalarOf(field.scalar as ScalarType) : enumOf(field.enum);
  };
  if (field.fieldKind === 'list') return fc.array(one(), { maxLength: 3 });
  if (field.fieldKind !== 'map') return one();
  const pairs = fc.array(fc.tuple(scalarOf(field.mapKey), one()), { maxLength: 3 });
  return pairs.map((list) => Object.fromEntries(list.map(([key, value]) => [String(key), value])));
}

const enumOf = ({ values }: DescEnum) => fc.constantFrom(...values.map((value) => value.number));

const seconds = fc.bigInt({ min: -62135596800n, max: 253402300799n });
const nanos = fc.oneof(fc.nat(999_999_999), fc.constantFrom(0, 1_000, 5_000_000, 999_999_999));
const isDeepJson = (json: unknown): boolean => JSON.stringify(json).includes('[[[');

/** Of the messages with a JSON of their own. */
function knownOf(desc: DescMessage): fc.Arbitrary<unknown> | undefined {
  if (desc.typeName === 'google.protobuf.Timestamp')
    return fc.record({ seconds, nanos }).map((init) => create(desc, init));
  const json = fc.jsonValue({ depthSize: 'small' }).filter((value) => !isDeepJson(value));
  if (desc.typeName === 'google.protobuf.Struct')
    return fc.dictionary(fc.string(), json) as fc.Arbitrary<unknown>;
  if (desc.typeName === 'google.protobuf.Value') return json.map((value) => jsonMessage(desc, value));
  // A wrapped value is told to the other library as the value alone.
  const [wrapped] = desc.typeName.endsWith('Value') ? desc.fields : [];
  return wrapped === undefined ? undefined : scalarOf(wrapped.scalar as ScalarType);
}

function jsonMessage(desc: DescMessage, json: unknown): object {
  const kind = (name: string, value: unknown) => create(desc, { kind: { case: name, value } });
  if (json === null) return kind('nullValue', 0);
  if (typeof json === 'number') return kind('numberValue', json);
  if (typeof json === 'string') return kind('stringValue', json);
  if (typeof json === 'boolean') return kind('boolValue', json);
  if (Array.isArray(json)) return kind('stringValue', JSON.stringify(json));
  return kind('structValue', json);
}

function scalarOf(type: ScalarType): fc.Arbitrary<unknown> {
  const whole = (min: bigint, max: bigint) =>
    fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n, 1n));
  const number = (min: number, max: number) =>
    fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max, 0));
  switch (type) {
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.STRING:
      return fc.string({ unit: 'grapheme' });
    case ScalarType.BYTES:
      return fc.uint8Array();
    case ScalarType.DOUBLE:
      return fc.double({ noDefaultInfinity: true });
    case ScalarType.FLOAT:
      return fc.float({ noDefaultInfinity: true });
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return number(0, 2 ** 32 - 1);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return number(-(2 ** 31), 2 ** 31 - 1);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return whole(0n, 2n ** 64n - 1n);
    default:
      return whole(-(2n ** 63n), 2n ** 63n - 1n);
  }
}
