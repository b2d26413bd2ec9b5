// Which type holds everything seen of a field: docs/transforms.md has these rules as a table. Pure.
import { type NestedField, type NestedType, scalar } from '../nested-type.ts';
import { INNER_KEYS_MAX, type SeenObject, type SeenValue } from './seen-values.ts';
import { commonType, type SeenKind } from './value-types.ts';

/** Values that have no type in common: the column that holds them is JSON text. */
export interface NoCommonType {
  readonly kind: 'none';
  readonly why: string;
}

/** undefined where no value came that has a type: nothing but nulls, empty arrays and empty objects. */
export type Inferred = NestedType | NoCommonType | undefined;

const none = (why: string): NoCommonType => ({ kind: 'none', why });

/** Of everything that was seen in these places together. */
export function inferType(values: readonly SeenValue[]): Inferred {
  const kinds = new Set(values.flatMap((value): SeenKind[] => [...value.kinds]));
  const elements = values.flatMap((value) => value.elements ?? []);
  const objects = values.flatMap(({ object }) => object ?? []);
  if (values.some(({ isTooDeep }) => isTooDeep)) return none('deeper than is looked into');
  const forms = [kinds.size > 0, elements.length > 0, objects.length > 0].filter((isSeen) => isSeen);
  if (forms.length > 1) return values.every(isEmpty) ? undefined : none('of several types');
  if (kinds.size > 0) return scalar(commonType(kinds));
  if (elements.length > 0) return wrapped(inferType(elements), (element) => ({ kind: 'array', element }));
  return inferObject(objects);
}

/** Nothing but nulls, empty arrays and empty objects, however they nest. */
function isEmpty({ kinds, elements, object }: SeenValue): boolean {
  return (
    kinds.size === 0 &&
    (elements === undefined || isEmpty(elements)) &&
    (object === undefined || valuesOf([object]).every(isEmpty))
  );
}

/** A struct; or a map, where its keys cannot be names. */
function inferObject(objects: readonly SeenObject[]): Inferred {
  const fields = fieldsOf(objects);
  if (objects.some(({ rest }) => rest !== undefined) || !areNames([...fields.keys()]))
    return wrapped(inferType(valuesOf(objects)), (value) => ({ kind: 'map', value }));
  const typed: NestedField[] = [];
  for (const [name, values] of fields) {
    const type = inferType(values);
    if (type?.kind === 'none') return type;
    if (type !== undefined) typed.push({ name, type });
  }
  return typed.length === 0 ? undefined : { kind: 'struct', fields: typed };
}

function wrapped(inner: Inferred, wrap: (inner: NestedType) => NestedType): Inferred {
  return inner === undefined || inner.kind === 'none' ? inner : wrap(inner);
}

/**
 * A type with the fields of its structs made anew: `onStruct` is given those and the objects that were seen
 * in their place.
 */
export function alongside(
  type: NestedType,
  seen: readonly SeenValue[],
  onStruct: (fields: readonly NestedField[], objects: readonly SeenObject[]) => NestedField[],
): NestedType {
  const objects = seen.flatMap(({ object }) => object ?? []);
  switch (type.kind) {
    case 'scalar':
      return type;
    case 'array': {
      const elements = seen.flatMap((value) => value.elements ?? []);
      return { kind: 'array', element: alongside(type.element, elements, onStruct) };
    }
    case 'map':
      return { kind: 'map', value: alongside(type.value, valuesOf(objects), onStruct) };
    case 'struct':
      return { kind: 'struct', fields: onStruct(type.fields, objects) };
  }
}

/** By name, in the order in which they first came. */
export function fieldsOf(objects: readonly SeenObject[]): Map<string, SeenValue[]> {
  const fields = new Map<string, SeenValue[]>();
  for (const object of objects)
    for (const [key, value] of object.fields) {
      const others = fields.get(key);
      if (others === undefined) fields.set(key, [value]);
      else others.push(value);
    }
  return fields;
}

/** Of all fields of these objects, as a map has them. */
export function valuesOf(objects: readonly SeenObject[]): SeenValue[] {
  return objects.flatMap(({ fields, rest }) => [...fields.values(), ...(rest === undefined ? [] : [rest])]);
}

/** Whether a struct can have fields of these names, all together. */
export function areNames(keys: readonly string[]): boolean {
  const isName = (key: string) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key);
  const distinct = new Set(keys.map((key) => key.toLowerCase()));
  return keys.length <= INNER_KEYS_MAX && distinct.size === keys.length && keys.every(isName);
}
