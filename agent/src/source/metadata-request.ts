// Metadata v10, which kafkajs does not speak: topic ids (KIP-516) and leader epochs. Pure encoding and
// decoding of a flexible request; kafkajs's own connection carries it.

export interface TopicMetadata {
  readonly topic: string;
  /** Kafka's error code of the topic: 0 fine, 3 unknown, 5 leader not available, 29 not authorised. */
  readonly errorCode: number;
  /** 32 hex digits. */
  readonly topicId: string;
  readonly internal: boolean;
  readonly partitions: readonly { readonly partition: number; readonly leaderEpoch: number }[];
}

export const METADATA_API_KEY = 3;
export const METADATA_VERSION = 10;
export const UNKNOWN_TOPIC = 3;

/**
 * kafkajs writes request header v1; flexible requests have v2, which ends in one more (empty) tag section.
 */
const NO_TAGS = Buffer.from([0]);
const TOPIC_ID_BYTES = 16;

/** Body of the request for `topics`, or for all topics. Topics are never created by asking. */
export function encodeMetadataRequest(topics: readonly string[] | undefined): Buffer {
  const flags = Buffer.from([0, 0, 0]); // allow auto creation, authorised operations of cluster and of topics
  if (topics === undefined) return Buffer.concat([NO_TAGS, uvarint(0), flags, NO_TAGS]);
  const entries = topics.flatMap((topic) => {
    const name = Buffer.from(topic);
    return [Buffer.alloc(TOPIC_ID_BYTES), uvarint(name.length + 1), name, NO_TAGS];
  });
  return Buffer.concat([NO_TAGS, uvarint(topics.length + 1), ...entries, flags, NO_TAGS]);
}

export function decodeMetadataResponse(payload: Buffer): TopicMetadata[] {
  const reader = new FlexibleReader(payload);
  reader.tags();
  reader.skip(4); // throttle time
  reader.array(() => {
    reader.skip(4); // node id
    reader.string(); // host
    reader.skip(4); // port
    reader.string(); // rack
    reader.tags();
  });
  reader.string(); // cluster id
  reader.skip(4); // controller id
  return reader.array(() => decodeTopic(reader));
}

function decodeTopic(reader: FlexibleReader): TopicMetadata {
  const errorCode = reader.int16();
  const topic = reader.string();
  const topicId = reader.hex(TOPIC_ID_BYTES);
  const internal = reader.int8() !== 0;
  const partitions = reader.array(() => {
    reader.skip(2); // error
    const partition = reader.int32();
    reader.skip(4); // leader
    const leaderEpoch = reader.int32();
    for (let lists = 0; lists < 3; lists++) reader.array(() => reader.skip(4)); // replicas, in sync, offline
    reader.tags();
    return { partition, leaderEpoch };
  });
  reader.skip(4); // authorised operations
  reader.tags();
  return { topic, errorCode, topicId, internal, partitions };
}

function uvarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

class FlexibleReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#at++);
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  uvarint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  /** Null reads as empty. */
  string(): string {
    const length = Math.max(0, this.uvarint() - 1);
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  hex(bytes: number): string {
    this.#at += bytes;
    return this.#bytes.toString('hex', this.#at - bytes, this.#at);
  }

  array<T>(element: () => T): T[] {
    const elements: T[] = [];
    for (let left = this.uvarint() - 1; left > 0; left--) elements.push(element());
    return elements;
  }

  tags(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }
}
