// What a decoder needs to know of a message: the same whether its schema was text or a set of descriptors.

/** By its name in the schema language. */
export type ScalarName =
  | 'double'
  | 'float'
  | 'int32'
  | 'int64'
  | 'uint32'
  | 'uint64'
  | 'sint32'
  | 'sint64'
  | 'fixed32'
  | 'fixed64'
  | 'sfixed32'
  | 'sfixed64'
  | 'bool'
  | 'string'
  | 'bytes';

export type ValueShape =
  | { readonly kind: 'scalar'; readonly scalar: ScalarName }
  | { readonly kind: 'enum'; readonly names: ReadonlyMap<number, string> }
  /** A function, since a message may hold itself; of the same message it gives the same shape. */
  | { readonly kind: 'message'; readonly delimited: boolean; readonly shape: () => MessageShape };

export interface FieldShape {
  readonly name: string;
  readonly number: number;
  readonly value: ValueShape;
  /** A map is the list of its entries, with `key` of this type. */
  readonly holds: 'one' | 'list' | { readonly key: ScalarName };
  /** Absent: refused, NULL, or the default, which an `implicit` field cannot be told from. */
  readonly presence: 'required' | 'explicit' | 'implicit';
  /** Of which at most one is there. */
  readonly oneof?: string | undefined;
  /** Declared in the schema, as JSON. */
  readonly default?: string | undefined;
}

export interface MessageShape {
  /** With its package. */
  readonly name: string;
  readonly fields: readonly FieldShape[];
}

/** A schema with all that it imports. */
export interface ProtobufSchema {
  /** By its full name. */
  message(name: string): MessageShape | undefined;
  /** Some that are there, for who names one that is not. */
  readonly names: readonly string[];
}

/** The first name of each number counts. */
export function enumNames(values: Iterable<readonly [name: string, number: number]>): Map<number, string> {
  const names = new Map<number, string>();
  for (const [name, number] of values) if (!names.has(number)) names.set(number, name);
  return names;
}
