// A message's shape becomes a function from its bytes to JSON text: the same way into SQL as JSON's, and
// exact (decision 0018). Fields that the schema does not have are ignored, as every reader does; a field of
// another wire type than its own, or a number beyond its type, is refused: neither is lost in silence.
import { type WriteKnown, wellKnown } from './protobuf-known.ts';
import {
  enumCodec,
  GROUP,
  ProtobufReader,
  SCALARS,
  type ScalarCodec,
  SIZED,
  type Span,
  zeroOf,
} from './protobuf-reader.ts';
import type { FieldShape, MessageShape, ScalarName, ValueShape } from './protobuf-shape.ts';
import type { DecodeValue } from './value-reader.ts';

/** What was read of a field: texts of JSON, or where a message lies, in pieces that add up. */
type Held = string | string[] | Map<string, string> | Span[] | undefined;

interface FieldCodec {
  readonly name: string;
  /** `"name":` */
  readonly key: string;
  /** Takes one more occurrence. */
  add(reader: ProtobufReader, wire: number, held: Held): Held;
  /** JSON, or undefined where nothing is written. */
  write(reader: ProtobufReader, held: Held): string | undefined;
  /** Places of all fields of its oneof, its own among them. */
  readonly rivals: readonly number[];
}

type WriteMessage = (reader: ProtobufReader, held: Held[]) => string;

interface MessageCodec {
  readonly fields: readonly FieldCodec[];
  readonly places: ReadonlyMap<number, number>;
  readonly write: WriteMessage;
}

export function protobufDecoder(shape: MessageShape): DecodeValue {
  const codec = new Codecs().of(shape)();
  return (value, at) => {
    const reader = new ProtobufReader(value, at);
    return decode(codec, reader, [{ start: at, end: value.length }]);
  };
}

function decode(codec: MessageCodec, reader: ProtobufReader, spans: readonly Span[]): string {
  return reader.deeper(() => {
    reader.spend(1 + (codec.fields.length >> 2));
    const held = new Array<Held>(codec.fields.length);
    for (const span of spans) reader.within(span, () => scan(codec, reader, held));
    return codec.write(reader, held);
  });
}

function scan({ fields, places }: MessageCodec, reader: ProtobufReader, held: Held[]): void {
  while (!reader.isAtEnd()) {
    const tag = reader.size();
    const place = places.get(Math.floor(tag / 8));
    const field = place === undefined ? undefined : fields[place];
    if (place === undefined || field === undefined) {
      reader.skipField(tag);
      continue;
    }
    reader.path.push(field.name);
    const added = field.add(reader, tag % 8, held[place]);
    reader.spend(field.rivals.length >> 4);
    for (const rival of field.rivals) held[rival] = undefined;
    held[place] = added;
    reader.path.pop();
  }
}

/** Made when they are first met: a message may hold itself. */
class Codecs {
  readonly #made = new Map<string, MessageCodec>();

  of(shape: MessageShape): () => MessageCodec {
    return () => {
      const before = this.#made.get(shape.name);
      if (before !== undefined) return before;
      const { fields: shapes } = shape;
      const oneofs = Map.groupBy(shapes.keys(), (place) => shapes[place]?.oneof);
      const fields = shapes.map((field) => {
        const rivals = field.oneof === undefined ? [] : (oneofs.get(field.oneof) ?? []);
        return this.#field(field, rivals);
      });
      const places = new Map(shapes.map(({ number }, i) => [number, i]));
      const known = wellKnown(shape.name);
      const made = {
        fields,
        places,
        write: known === undefined ? writer(fields) : valueWriter(fields, known),
      };
      this.#made.set(shape.name, made);
      return made;
    };
  }

  #field(field: FieldShape, rivals: readonly number[] = []): FieldCodec {
    const { name } = field;
    return { name, key: `${JSON.stringify(name)}:`, rivals, ...this.#value(field) };
  }

  #value({ value, holds, ...field }: FieldShape): Pick<FieldCodec, 'add' | 'write'> {
    if (typeof holds === 'object') return mapCodec(this.#entry(holds.key, value));
    if (value.kind === 'message') {
      const inner = { codec: this.of(value.shape()), delimited: value.delimited, number: field.number };
      return holds === 'list' ? messagesCodec(inner) : messageCodec(inner, field.presence);
    }
    const codec = value.kind === 'enum' ? enumCodec(value.names) : SCALARS[value.scalar];
    if (holds === 'list') return listCodec(codec);
    return scalarCodec(codec, { ...field, zero: zeroText(value) });
  }

  /** Key and value of a map, both of which may be left out. */
  #entry(key: ScalarName, value: ValueShape): MessageCodec {
    const one = { holds: 'one', presence: 'implicit' } as const;
    const fields = [
      this.#field({ ...one, name: 'key', number: 1, value: { kind: 'scalar', scalar: key } }),
      this.#field({ ...one, name: 'value', number: 2, value }),
    ];
    const places = new Map([
      [1, 0],
      [2, 1],
    ]);
    return { fields, places, write: () => '' };
  }
}

function writer(fields: readonly FieldCodec[]): WriteMessage {
  return (reader, held) => {
    let text = '';
    for (const [i, field] of fields.entries()) {
      reader.path.push(field.name);
      const value = field.write(reader, held[i]);
      if (value !== undefined) {
        reader.spend(field.key.length + 1);
        text += (text === '' ? '' : ',') + field.key + value;
      }
      reader.path.pop();
    }
    return `{${text}}`;
  };
}

function valueWriter(fields: readonly FieldCodec[], write: WriteKnown): WriteMessage {
  return (reader, held) =>
    write((name) => {
      const place = fields.findIndex((field) => field.name === name);
      return place < 0 ? undefined : fields[place]?.write(reader, held[place]);
    }, reader);
}

/** Of an enum the name that is declared first: that of 0, but where proto2 has none. */
function zeroText(value: Exclude<ValueShape, { kind: 'message' }>): string {
  if (value.kind === 'scalar') return zeroOf(value.scalar);
  const [name] = value.names.values();
  return name === undefined ? '0' : JSON.stringify(name);
}

interface Absent {
  readonly presence: FieldShape['presence'];
  readonly default?: string | undefined;
  readonly zero: string;
}

function scalarCodec(codec: ScalarCodec, absent: Absent): Pick<FieldCodec, 'add' | 'write'> {
  const stands = absent.default ?? (absent.presence === 'implicit' ? absent.zero : undefined);
  return {
    add: (reader, wire) => readScalar(codec, reader, wire),
    write(reader, held) {
      if (held !== undefined) return held as string;
      if (absent.presence === 'required') throw reader.fail();
      reader.spend(stands?.length ?? 0);
      return stands;
    },
  };
}

function readScalar(codec: ScalarCodec, reader: ProtobufReader, wire: number): string {
  if (wire !== codec.wire) throw reader.fail();
  const text = codec.read(reader);
  reader.spend(text.length + 1);
  return text;
}

/** Numbers may be packed behind one length, or come one by one, or both. */
function listCodec(codec: ScalarCodec): Pick<FieldCodec, 'add' | 'write'> {
  return {
    add(reader, wire, held) {
      const texts = (held ?? []) as string[];
      if (wire !== SIZED || codec.wire === SIZED) texts.push(readScalar(codec, reader, wire));
      else
        reader.within(reader.span(), () => {
          while (!reader.isAtEnd()) texts.push(readScalar(codec, reader, codec.wire));
        });
      return texts;
    },
    write: (_reader, held) => `[${((held ?? []) as string[]).join(',')}]`,
  };
}

interface Inner {
  readonly codec: () => MessageCodec;
  readonly delimited: boolean;
  readonly number: number;
}

function spanOf({ delimited, number }: Inner, reader: ProtobufReader, wire: number): Span {
  if (wire !== (delimited ? GROUP : SIZED)) throw reader.fail();
  return delimited ? reader.group(number) : reader.span();
}

/** What comes again adds to what came. */
function messageCodec(inner: Inner, presence: FieldShape['presence']): Pick<FieldCodec, 'add' | 'write'> {
  return {
    add(reader, wire, held) {
      const spans = (held ?? []) as Span[];
      spans.push(spanOf(inner, reader, wire));
      return spans;
    },
    write(reader, held) {
      if (held !== undefined) return decode(inner.codec(), reader, held as Span[]);
      if (presence === 'required') throw reader.fail();
      return presence === 'implicit' ? decode(inner.codec(), reader, []) : undefined;
    },
  };
}

function messagesCodec(inner: Inner): Pick<FieldCodec, 'add' | 'write'> {
  return {
    add(reader, wire, held) {
      const texts = (held ?? []) as string[];
      reader.spend(1);
      texts.push(decode(inner.codec(), reader, [spanOf(inner, reader, wire)]));
      return texts;
    },
    write: (_reader, held) => `[${((held ?? []) as string[]).join(',')}]`,
  };
}

/** Of a key that comes again the last value counts. */
function mapCodec(entry: MessageCodec): Pick<FieldCodec, 'add' | 'write'> {
  const [key, value] = entry.fields as [FieldCodec, FieldCodec];
  return {
    add(reader, wire, held) {
      if (wire !== SIZED) throw reader.fail();
      const map = (held ?? new Map()) as Map<string, string>;
      const pair: Held[] = [undefined, undefined];
      reader.within(reader.span(), () => scan(entry, reader, pair));
      const name = key.write(reader, pair[0]) ?? '';
      reader.spend(name.length + 4);
      map.set(name.startsWith('"') ? name : `"${name}"`, value.write(reader, pair[1]) ?? 'null');
      return map;
    },
    write(_reader, held) {
      const map = (held ?? new Map()) as Map<string, string>;
      return `{${[...map].map((one) => one.join(':')).join(',')}}`;
    },
  };
}
