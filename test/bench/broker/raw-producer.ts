// Whole record batches into a broker: Produce v7 over a plain socket, several requests in flight. A producer
// library would open and build every record again, and the bench would wait for it longer than for what it
// measures.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface PartitionBatch {
  readonly partition: number;
  /** Where the broker must put it. */
  readonly baseOffset: number;
  readonly bytes: Buffer;
}

const PRODUCE = 0;
const VERSION = 7;
const CLIENT_ID = Buffer.from('sluice-bench');
const ACKS_ALL = -1;
const TIMEOUT_MS = 30_000;
const IN_FLIGHT_MAX = 16;

export class RawProducer {
  readonly #socket: Socket;
  readonly #topic: Buffer;
  /** Batches of requests that were not answered yet, oldest first. */
  readonly #unanswered: (readonly PartitionBatch[])[] = [];
  #received = Buffer.alloc(0);
  #correlation = 0;
  #failure: Error | undefined;
  #wake = () => {};

  private constructor(socket: Socket, topic: string) {
    this.#socket = socket;
    this.#topic = Buffer.from(topic);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the broker closed the connection')));
  }

  static async open(broker: string, topic: string): Promise<RawProducer> {
    const [host = '', port = ''] = broker.split(':');
    const socket = connect({ host, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new RawProducer(socket, topic);
  }

  /**
   * At most one batch a partition: the protocol allows no more. Resolves when there is room for the next
   * request.
   */
  async send(batches: readonly PartitionBatch[]): Promise<void> {
    this.#socket.cork();
    for (const part of produceRequest(this.#topic, this.#correlation++, batches)) this.#socket.write(part);
    this.#socket.uncork();
    this.#unanswered.push(batches);
    await this.#untilUnanswered(IN_FLIGHT_MAX - 1);
  }

  /** Resolves when the broker has confirmed everything. */
  async close(): Promise<void> {
    await this.#untilUnanswered(0);
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  async #untilUnanswered(atMost: number): Promise<void> {
    while (this.#unanswered.length > atMost) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readInt32BE(0);
      if (this.#received.length < end) break;
      try {
        checkResponse(this.#received.subarray(8, end), this.#unanswered.shift() ?? []);
      } catch (error) {
        this.#fail(error as Error);
      }
      this.#received = this.#received.subarray(end);
    }
    this.#wake();
  }
}

function produceRequest(topic: Buffer, correlation: number, batches: readonly PartitionBatch[]): Buffer[] {
  const head = Buffer.alloc(4 + 2 + 2 + 4 + 2 + CLIENT_ID.length + 2 + 2 + 4 + 4 + 2 + topic.length + 4);
  let at = 4;
  at = head.writeInt16BE(PRODUCE, at);
  at = head.writeInt16BE(VERSION, at);
  at = head.writeInt32BE(correlation, at);
  at = head.writeInt16BE(CLIENT_ID.length, at);
  at += CLIENT_ID.copy(head, at);
  at = head.writeInt16BE(-1, at); // no transaction
  at = head.writeInt16BE(ACKS_ALL, at);
  at = head.writeInt32BE(TIMEOUT_MS, at);
  at = head.writeInt32BE(1, at);
  at = head.writeInt16BE(topic.length, at);
  at += topic.copy(head, at);
  head.writeInt32BE(batches.length, at);
  const parts = batches.flatMap(({ partition, bytes }) => {
    const lead = Buffer.alloc(8);
    lead.writeInt32BE(partition, 0);
    lead.writeInt32BE(bytes.length, 4);
    // A producer counts from 0; the broker puts the offset there. The checksum leaves these bytes out.
    bytes.writeBigInt64BE(0n, 0);
    return [lead, bytes];
  });
  const total = parts.reduce((sum, part) => sum + part.length, head.length);
  head.writeInt32BE(total - 4, 0);
  return [head, ...parts];
}

/** One topic, then per partition: index, error code, base offset, append time, log start. */
function checkResponse(body: Buffer, batches: readonly PartitionBatch[]): void {
  let at = 4;
  at += 2 + body.readInt16BE(at);
  const count = body.readInt32BE(at);
  at += 4;
  if (count !== batches.length) throw new Error(`${count} answers to ${batches.length} batches`);
  const wanted = new Map(batches.map(({ partition, baseOffset }) => [partition, baseOffset]));
  for (let i = 0; i < count; i++, at += 30) {
    const partition = body.readInt32BE(at);
    const errorCode = body.readInt16BE(at + 4);
    const baseOffset = Number(body.readBigInt64BE(at + 6));
    if (errorCode !== 0)
      throw new Error(`Kafka refused a batch of partition ${partition}: error ${errorCode}`);
    if (baseOffset !== wanted.get(partition))
      throw new Error(`partition ${partition}: ${baseOffset} where ${wanted.get(partition)} was due`);
  }
}
