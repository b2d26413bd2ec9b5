// The fields of a message as columns, each of the type that its decoded values convert to exactly. Inside
// other values bytes and durations are text, as nested columns read them. Pure.
import { wellKnown } from './protobuf-known.ts';
import type { FieldShape, MessageShape, ScalarName, ValueShape } from './protobuf-shape.ts';
import {
  columnsOfFields,
  NamedTypes,
  type SchemaField,
  type SizedField,
  type SizedType,
  sizedScalar,
  sizedStruct,
} from './schema-fields.ts';

const SCALARS: Readonly<Record<ScalarName, string>> = {
  double: 'double',
  float: 'float',
  int32: 'int',
  sint32: 'int',
  sfixed32: 'int',
  uint32: 'bigint',
  fixed32: 'bigint',
  int64: 'bigint',
  sint64: 'bigint',
  sfixed64: 'bigint',
  uint64: 'decimal(20,0)',
  fixed64: 'decimal(20,0)',
  bool: 'boolean',
  string: 'string',
  bytes: 'binary',
};

export function messageFields(shape: MessageShape): readonly SchemaField[] {
  const types = new NamedTypes();
  const fields = () => shape.fields.map((field) => sizedField(field, types, false));
  return columnsOfFields(types.within(shape.name, fields));
}

/** `isInside`: of a value in another. */
function sizedField({ name, value, holds }: FieldShape, types: NamedTypes, isInside: boolean): SizedField {
  const one = valueType(value, types, isInside || holds !== 'one');
  if (one === undefined || holds === 'one') return { name, type: one };
  const type = one.type;
  return {
    name,
    type: {
      ...one,
      type: holds === 'list' ? { kind: 'array', element: type } : { kind: 'map', value: type },
    },
  };
}

function valueType(value: ValueShape, types: NamedTypes, isInside: boolean): SizedType | undefined {
  if (value.kind === 'enum') return sizedScalar('string');
  if (value.kind === 'scalar')
    return sizedScalar(value.scalar === 'bytes' && isInside ? 'string' : SCALARS[value.scalar]);
  const shape = value.shape();
  if (wellKnown(shape.name) !== undefined) return knownType(shape, types, isInside);
  return types.of(shape.name, () => sizedStruct(shape.fields.map((field) => sizedField(field, types, true))));
}

/** Of messages that stand for one value; undefined for those that may be anything. */
function knownType(
  { name, fields }: MessageShape,
  types: NamedTypes,
  isInside: boolean,
): SizedType | undefined {
  if (name === 'google.protobuf.Timestamp') return sizedScalar('timestamp');
  // Ten thousand years, in seconds.
  if (name === 'google.protobuf.Duration') return sizedScalar(isInside ? 'string' : 'decimal(21,9)');
  if (name === 'confluent.type.Decimal') return sizedScalar('string');
  const [wrapped] = fields;
  if (!name.endsWith('Value') || wrapped?.value.kind !== 'scalar' || fields.length > 1) return undefined;
  return valueType(wrapped.value, types, isInside);
}
