// Schemas that values name by an id: compiled once, kept for the process, bounded. A value whose schema is
// not here yet says so by SchemaWanted, and its batch is read again when all came that it names.
import { inflateSync } from 'node:zlib';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { FoundSchema, SchemaPlace, SchemaWant } from '../../contracts.ts';
import type { OddCode } from '../odd-record.ts';
import { avroDecoder } from './avro.ts';
import { avroFields } from './avro-fields.ts';
import { type Messages, messagesOf } from './protobuf-frames.ts';
import { textSchema } from './protobuf-text.ts';
import { eitherFields, type SchemaField, type Typed } from './schema-fields.ts';
import type { DecodeValue } from './value-reader.ts';

/** Compiled schemas in memory; the one that came first makes room. */
const SCHEMAS_MAX = 1_000;
/**
 * Ids that the values of one window may name. Each is held, or known to be unknown, until the window is made:
 * one that made room while it is needed would be asked for without end.
 */
export const WINDOW_SCHEMAS_MAX = 1_000;
/** Text of the schemas that are kept, and of those that one window names: compiled it is many times that. */
export const SCHEMA_BYTES_MAX = 32 * 2 ** 20;
const INFLATED_BYTES_MAX = 16 * 2 ** 20;

export class SchemaWanted extends Error {}

export type Known =
  | ({ readonly type: 'AVRO'; readonly decode: DecodeValue } & Typed)
  | { readonly type: 'PROTOBUF'; readonly messages: Messages }
  | 'SCHEMA_UNKNOWN'
  | 'SCHEMA_UNUSABLE';

interface Kept {
  readonly known: Known;
  /** Of its text, and of all that it names. */
  readonly bytes: number;
}

/** Of a whole process: what a registry has once said of an id never changes. */
export class SchemaShelf {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  get(want: SchemaWant): Kept | undefined {
    return this.#kept.get(keyOf(want));
  }

  put(want: SchemaWant, found: FoundSchema): Kept {
    const bytes = [found.schema, ...found.references].reduce((sum, { length }) => sum + length, 0);
    this.#drop(keyOf(want));
    for (const key of this.#kept.keys())
      if (this.#kept.size >= SCHEMAS_MAX || this.#bytes + bytes > SCHEMA_BYTES_MAX) this.#drop(key);
    const kept = { known: compiled(found, want.framing), bytes };
    this.#kept.set(keyOf(want), kept);
    this.#bytes += bytes;
    return kept;
  }

  #drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }
}

const keyOf = ({ framing, topicId, topic, id }: SchemaWant) => JSON.stringify([framing, topicId, topic, id]);

function compiled({ type, schema, references }: FoundSchema, framing: SchemaWant['framing']): Known {
  try {
    if (type === 'AVRO') {
      const decode = avroDecoder(schema, references);
      return { type, decode, fields: () => avroFields(schema, references) };
    }
    if (type !== 'PROTOBUF') return 'SCHEMA_UNUSABLE';
    const files = [...references, schema].map((text, i) => ({ name: `schema ${i}`, text }));
    return { type, messages: messagesOf(textSchema(files), framing) };
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'SCHEMA_INVALID') return 'SCHEMA_UNUSABLE';
    throw error;
  }
}

/** A value behind its frame, and the id of its schema there. */
export interface Framed {
  readonly id: string;
  readonly value: Buffer;
  readonly at: number;
}

/** Confluent's: 0, then the schema's id in four bytes. */
export function confluentFrame(value: Buffer): Framed | OddCode {
  if (value.length < 5 || value[0] !== 0) return 'FRAME_INVALID';
  return { id: String(value.readUInt32BE(1)), value, at: 5 };
}

/** AWS Glue's: 3, the compression (0 none, 5 zlib), then the schema version's UUID in 16 bytes. */
export function glueFrame(value: Buffer): Framed | OddCode {
  const compression = value[1];
  if (value.length < 18 || value[0] !== 3 || (compression !== 0 && compression !== 5)) return 'FRAME_INVALID';
  const hex = value.toString('hex', 2, 18);
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  if (compression === 0) return { id, value, at: 18 };
  try {
    const plain = inflateSync(value.subarray(18), { maxOutputLength: INFLATED_BYTES_MAX });
    return { id, value: plain, at: 0 };
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    return tooLarge ? 'VALUE_TOO_LARGE' : 'VALUE_COMPRESSION';
  }
}

/** Asks for a schema: undefined where the registry has none of that id. SCHEMA_UNAVAILABLE. */
export type AskSchema = (want: SchemaWant) => Promise<FoundSchema | undefined>;

/** What the windows of a process share. */
export interface SchemaParts {
  readonly shelf: SchemaShelf;
  readonly askSchema: AskSchema;
}

/** The schemas of one window. An id that no registry knew is asked for again in the next one. */
export class WindowSchemas {
  readonly #shelf: SchemaShelf;
  readonly #ask: AskSchema;
  /** What was asked for here, or taken from the shelf. */
  readonly #held = new Map<string, Known>();
  #heldBytes = 0;
  readonly #seen = new Set<Typed>();
  /** While values are looked through for the schemas that they name: those that are not here. */
  #wants: Map<string, SchemaWant> | undefined;
  /** Whose values are read now. */
  from: SchemaPlace = { topic: '', topicId: '' };

  constructor({ shelf, askSchema }: SchemaParts) {
    this.#shelf = shelf;
    this.#ask = askSchema;
  }

  /** Throws SchemaWanted for one that is not here. */
  get(framing: SchemaWant['framing'], id: string): Known | 'SCHEMAS_MANY' {
    const { topic, topicId } = this.from;
    const want = { framing, id, topic, topicId };
    const here = this.#here(want);
    if (this.#wants === undefined) {
      if (here !== undefined) return here;
      throw new SchemaWanted(`schema ${id} of ${topic}`);
    }
    if (here === undefined) this.#wants.set(keyOf(want), want);
    return 'SCHEMA_UNKNOWN';
  }

  #here(want: SchemaWant): Known | 'SCHEMAS_MANY' | undefined {
    const held = this.#held.get(keyOf(want));
    if (held !== undefined) return held;
    const count = this.#held.size + (this.#wants?.size ?? 0);
    if (count >= WINDOW_SCHEMAS_MAX || this.#heldBytes >= SCHEMA_BYTES_MAX) return 'SCHEMAS_MANY';
    const kept = this.#shelf.get(want);
    if (kept !== undefined) this.#hold(want, kept);
    return kept?.known;
  }

  #hold(want: SchemaWant, { known, bytes }: Kept): void {
    this.#held.set(keyOf(want), known);
    this.#heldBytes += bytes;
  }

  async fetch(want: SchemaWant): Promise<void> {
    const found = await this.#ask(want);
    this.#hold(
      want,
      found === undefined ? { known: 'SCHEMA_UNKNOWN', bytes: 0 } : this.#shelf.put(want, found),
    );
  }

  /** Those that are not here of all that `look` gets, to which no value has a schema meanwhile. */
  async fetchAll(look: () => void): Promise<void> {
    const wants = new Map<string, SchemaWant>();
    this.#wants = wants;
    try {
      look();
    } finally {
      this.#wants = undefined;
    }
    for (const want of wants.values()) if (this.#heldBytes < SCHEMA_BYTES_MAX) await this.fetch(want);
  }

  /** A value of the window is of this schema, or message. */
  saw(typed: Typed): void {
    this.#seen.add(typed);
  }

  /** Of all that values were of, in the order in which they came. */
  fields(): readonly SchemaField[] {
    return eitherFields(this.#seen.values().map((typed) => typed.fields()));
  }
}
