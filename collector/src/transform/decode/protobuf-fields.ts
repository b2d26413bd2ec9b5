// The fields of a message as columns, each of the type that its decoded values convert to exactly. Inside
// other values bytes and durations are text, as nested columns read them. Pure.
import { type NestedType, scalar } from '../../nested-type.ts';
import { wellKnown } from './protobuf-known.ts';
import type { FieldShape, MessageShape, ScalarName, ValueShape } from './protobuf-shape.ts';
import {
  type FieldBudget,
  type SchemaField,
  structOfFields,
  TYPED_FIELDS_MAX,
  TYPED_LEVELS_MAX,
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

interface Place {
  /** Messages around this place: one that stands again has no end. */
  readonly around: readonly string[];
  readonly isInside: boolean;
  readonly budget: FieldBudget;
}

export function messageFields(shape: MessageShape): readonly SchemaField[] {
  return fieldsAt(shape, { around: [], isInside: false, budget: { left: 0 } });
}

function fieldsAt(shape: MessageShape, place: Place): SchemaField[] {
  const around = [...place.around, shape.name];
  return shape.fields.map((field) => {
    const budget = place.around.length === 0 ? { left: TYPED_FIELDS_MAX } : place.budget;
    const typed = --budget.left < 0 ? undefined : fieldType(field, { ...place, around, budget });
    return { name: field.name, type: typed };
  });
}

function fieldType({ value, holds }: FieldShape, place: Place): NestedType | undefined {
  if (holds === 'one') return valueType(value, place);
  const inner = valueType(value, { ...place, isInside: true });
  if (inner === undefined) return undefined;
  return holds === 'list' ? { kind: 'array', element: inner } : { kind: 'map', value: inner };
}

function valueType(value: ValueShape, place: Place): NestedType | undefined {
  const { around, isInside } = place;
  if (value.kind === 'enum') return scalar('string');
  if (value.kind === 'scalar')
    return scalar(value.scalar === 'bytes' && isInside ? 'string' : SCALARS[value.scalar]);
  const shape = value.shape();
  if (wellKnown(shape.name) !== undefined) return knownType(shape, isInside);
  if (around.includes(shape.name) || around.length >= TYPED_LEVELS_MAX) return undefined;
  return structOfFields(fieldsAt(shape, { ...place, isInside: true }));
}

/** Of messages that stand for one value; undefined for those that may be anything. */
function knownType({ name, fields }: MessageShape, isInside: boolean): NestedType | undefined {
  if (name === 'google.protobuf.Timestamp') return scalar('timestamp');
  // Ten thousand years, in seconds.
  if (name === 'google.protobuf.Duration') return scalar(isInside ? 'string' : 'decimal(21,9)');
  if (name === 'confluent.type.Decimal') return scalar('string');
  const [wrapped] = fields;
  if (!name.endsWith('Value') || wrapped?.value.kind !== 'scalar' || fields.length > 1) return undefined;
  return valueType(wrapped.value, { around: [], isInside, budget: { left: 0 } });
}
