// A column's type as a tree, and how one grows: structs get fields at their end and nothing else ever
// changes, so that files that were written before are read by the new type as well. Pure.

export type NestedType =
  | { readonly kind: 'scalar'; readonly name: string }
  | { readonly kind: 'array'; readonly element: NestedType }
  /** Its keys are text. */
  | { readonly kind: 'map'; readonly value: NestedType }
  | { readonly kind: 'struct'; readonly fields: readonly NestedField[] };

export interface NestedField {
  readonly name: string;
  readonly type: NestedType;
}

export const scalar = (name: string): NestedType => ({ kind: 'scalar', name });

/** Whatever is no array, map or struct is taken as a scalar: who reads it knows whether there is such. */
export function parseNested(text: string): NestedType {
  const [, outer = '', inner = ''] = /^\s*(array|map|struct)\s*<(.*)>\s*$/is.exec(text) ?? [];
  switch (outer.toLowerCase()) {
    case 'array':
      return { kind: 'array', element: parseNested(inner) };
    case 'map':
      return { kind: 'map', value: parseNested(splitTypes(inner).slice(1).join(',')) };
    case 'struct':
      return { kind: 'struct', fields: splitTypes(inner).map(parseField) };
    default:
      return scalar(text.trim());
  }
}

function parseField(part: string): NestedField {
  const colon = part.indexOf(':');
  return { name: part.slice(0, colon).trim(), type: parseNested(part.slice(colon + 1)) };
}

export function nestedText(type: NestedType): string {
  switch (type.kind) {
    case 'scalar':
      return type.name;
    case 'array':
      return `array<${nestedText(type.element)}>`;
    case 'map':
      return `map<string,${nestedText(type.value)}>`;
    case 'struct':
      return `struct<${type.fields.map((field) => `${field.name}:${nestedText(field.type)}`).join(',')}>`;
  }
}

/**
 * The type that `standing` becomes so that values of `wanted` have a place in it: the same, or with fields
 * added at the end of its structs. undefined where they differ in anything else. Names do not tell upper
 * from lower case.
 */
export function extendedType(standing: string, wanted: string): string | undefined {
  const extended = extend(parseNested(standing), parseNested(wanted));
  return extended === undefined ? undefined : nestedText(extended);
}

function extend(standing: NestedType, wanted: NestedType): NestedType | undefined {
  if (standing.kind === 'array' && wanted.kind === 'array') {
    const element = extend(standing.element, wanted.element);
    return element === undefined ? undefined : { kind: 'array', element };
  }
  if (standing.kind === 'map' && wanted.kind === 'map') {
    const value = extend(standing.value, wanted.value);
    return value === undefined ? undefined : { kind: 'map', value };
  }
  if (standing.kind === 'struct' && wanted.kind === 'struct')
    return extendStruct(standing.fields, wanted.fields);
  return comparable(nestedText(standing)) === comparable(nestedText(wanted)) ? standing : undefined;
}

function extendStruct(
  standing: readonly NestedField[],
  wanted: readonly NestedField[],
): NestedType | undefined {
  const fields = [...standing];
  for (const { name, type } of wanted) {
    const at = fields.findIndex((field) => comparable(field.name) === comparable(name));
    const there = fields[at];
    if (there === undefined) {
      fields.push({ name, type });
      continue;
    }
    const extended = extend(there.type, type);
    if (extended === undefined) return undefined;
    fields[at] = { name: there.name, type: extended };
  }
  return { kind: 'struct', fields };
}

/** As types and names are compared: people write them as they like. */
export function comparable(text: string): string {
  return text.toLowerCase().replaceAll(' ', '');
}

/** Splits at the commas that are in no brackets. */
export function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '<' || text[at] === '(') depth++;
    else if (text[at] === '>' || text[at] === ')') depth--;
    else if (text[at] === ',' && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}
