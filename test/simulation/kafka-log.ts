// One partition of a topic as its leader stores it: real record batches as bytes, transactions with their
// markers, and a start that moves when retention or DeleteRecords come by. What a producer was promised is
// kept beside it.
import type { FetchedBounds } from '@sluice/agent/contracts.ts';
import type { AbortedTransaction } from '@sluice/agent/source/record-set.ts';
import type { BatchCodec } from '@sluice/shared/codecs.ts';
import { encodeRecordBatch, type KafkaRecord } from '@sluice/shared/records.ts';
import type { OracleCut, ProducedKind, ProducedRecord } from '../support/oracle-log.ts';

interface StoredBatch {
  readonly lastOffset: number;
  readonly bytes: Buffer;
}

export interface AppendOptions {
  readonly codec: BatchCodec;
  readonly timestamp: number;
  readonly producerId: bigint | undefined;
  /** Offsets of the batch that a compaction has taken, by their place in it. */
  readonly compacted: ReadonlySet<number>;
}

export interface FetchedLog {
  readonly set: Buffer;
  readonly aborted: readonly AbortedTransaction[];
  readonly bounds: FetchedBounds;
}

const COMMIT = 1;
const ABORT = 0;

export class PartitionLog {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** First offset that may be fetched. */
  start = 0;
  /** Every one that it has had since. */
  readonly starts: number[] = [];
  end = 0;
  /** By offset. */
  readonly produced = new Map<number, ProducedRecord>();
  /** Elections of a leader that had less than the one before. */
  readonly cuts: OracleCut[] = [];
  leaderEpoch = 0;
  /** Where each epoch begins, as brokers keep it. */
  #epochs: { readonly epoch: number; readonly start: number }[] = [{ epoch: 0, start: 0 }];
  /** Transactions that have ended. */
  readonly #ended: { readonly firstOffset: number; readonly lastOffset: number }[] = [];
  #batches: StoredBatch[] = [];
  readonly #open = new Map<bigint, number>();
  #aborted: (AbortedTransaction & { readonly lastOffset: number })[] = [];

  constructor(topic: string, topicId: string, partition: number) {
    this.topic = topic;
    this.topicId = topicId;
    this.partition = partition;
  }

  get lastStableOffset(): number {
    return Math.min(this.end, ...this.#open.values());
  }

  append(values: readonly { kind: ProducedKind; n: number; value: string }[], options: AppendOptions): void {
    const { producerId, timestamp, codec, compacted } = options;
    const baseOffset = this.end;
    const records: KafkaRecord[] = [];
    values.forEach(({ kind, n, value }, i) => {
      if (compacted.has(i)) return;
      const offset = baseOffset + i;
      const outcome = producerId === undefined ? 'committed' : 'open';
      this.produced.set(offset, { kind, n, outcome });
      records.push({ offset, timestamp, key: null, value: Buffer.from(value), headers: [] });
    });
    const transaction = producerId === undefined ? {} : { producerId, transactional: true };
    const lastOffsetDelta = values.length - 1;
    const { leaderEpoch } = this;
    this.#store(
      encodeRecordBatch({ baseOffset, leaderEpoch, codec, lastOffsetDelta, ...transaction }, records),
    );
    if (producerId !== undefined && !this.#open.has(producerId)) this.#open.set(producerId, baseOffset);
  }

  endTransaction(producerId: bigint, commits: boolean, timestamp: number): void {
    const firstOffset = this.#open.get(producerId);
    if (firstOffset === undefined) return;
    this.#open.delete(producerId);
    const lastOffset = this.end;
    for (let offset = firstOffset; offset < lastOffset; offset++) {
      const record = this.produced.get(offset);
      if (record?.outcome === 'open' && this.#producerOf(offset) === producerId)
        this.produced.set(offset, { ...record, outcome: commits ? 'committed' : 'aborted' });
    }
    if (!commits) this.#aborted.push({ producerId, firstOffset, lastOffset });
    const key = Buffer.from([0, 0, 0, commits ? COMMIT : ABORT]);
    const record = { offset: lastOffset, timestamp, key, value: Buffer.alloc(6), headers: [] };
    this.#ended.push({ firstOffset, lastOffset });
    const flags = { leaderEpoch: this.leaderEpoch, producerId, transactional: true, control: true };
    this.#store(encodeRecordBatch({ baseOffset: lastOffset, ...flags }, [record]));
  }

  #producerOf(offset: number): bigint | undefined {
    return this.#batches.find((b) => b.lastOffset >= offset)?.bytes.readBigInt64BE(43);
  }

  #store(bytes: Buffer): void {
    const lastOffset = this.end + bytes.readInt32BE(23);
    this.#batches.push({ lastOffset, bytes });
    this.end = lastOffset + 1;
  }

  get openTransactions(): bigint[] {
    return [...this.#open.keys()];
  }

  /** What read_committed may see from `offset` on; undefined where the log has no such offset. */
  fetch(offset: number, bytesMax: number): FetchedLog | undefined {
    if (offset < this.start || offset > this.end) return undefined;
    const { lastStableOffset } = this;
    const found: Buffer[] = [];
    let bytes = 0;
    let last = offset;
    for (const batch of this.#batches) {
      if (batch.lastOffset < offset) continue;
      if (batch.lastOffset >= lastStableOffset) break;
      found.push(batch.bytes);
      bytes += batch.bytes.length;
      last = batch.lastOffset;
      if (bytes >= bytesMax) break;
    }
    // As brokers do: the last batch may be cut at the limit, but never the first.
    const whole = Buffer.concat(found, bytes);
    const set = found.length > 1 && bytes > bytesMax ? whole.subarray(0, bytesMax) : whole;
    const aborted = this.#aborted.filter((a) => a.lastOffset >= offset && a.firstOffset <= last);
    const bounds = { logStart: this.start, lastStableOffset, highWatermark: this.end };
    return { set, aborted, bounds };
  }

  /**
   * Retention takes whole batches from the front; DeleteRecords may cut inside one, and the broker keeps
   * that.
   */
  deleteTo(offset: number): void {
    const start = Math.max(this.start, Math.min(offset, this.lastStableOffset));
    if (start > this.start) this.starts.push(start);
    this.start = start;
    this.#batches = this.#batches.filter((batch) => batch.lastOffset >= this.start);
    const first = this.#epochs.findLast(({ start }) => start <= this.start);
    this.#epochs = this.#epochs.flatMap((epoch) =>
      epoch === first ? [{ ...epoch, start: this.start }] : epoch.start > this.start ? [epoch] : [],
    );
  }

  /** Another broker leads: it has everything, or only what lies below `cutAt`. */
  elect(cutAt = this.end): void {
    const removed = new Map([...this.produced].filter(([offset]) => offset >= cutAt));
    for (const offset of removed.keys()) this.produced.delete(offset);
    this.#batches = this.#batches.filter(({ lastOffset }) => lastOffset < cutAt);
    for (const [id, firstOffset] of this.#open) if (firstOffset >= cutAt) this.#open.delete(id);
    this.#aborted = this.#aborted.filter(({ lastOffset }) => lastOffset < cutAt);
    this.leaderEpoch++;
    this.#epochs = [
      ...this.#epochs.filter(({ start }) => start < cutAt),
      { epoch: this.leaderEpoch, start: cutAt },
    ];
    if (cutAt < this.end) this.cuts.push({ at: cutAt, epoch: this.leaderEpoch, removed });
    this.end = cutAt;
  }

  /** OffsetForLeaderEpoch, as brokers answer it. */
  endOf(asked: number): { readonly endEpoch: number; readonly endOffset: number } {
    if (this.#epochs.at(-1)?.epoch === asked) return { endEpoch: asked, endOffset: this.end };
    const higher = this.#epochs.find(({ epoch }) => epoch > asked);
    if (higher === undefined) return { endEpoch: -1, endOffset: -1 };
    const floor = this.#epochs.findLast(({ epoch }) => epoch <= asked);
    return { endEpoch: floor?.epoch ?? asked, endOffset: higher.start };
  }

  /** Ends of batches, where a log may be cut without taking one end of a transaction. */
  cutPlaces(): number[] {
    return this.batchEnds().filter(
      (at) =>
        at > this.start &&
        !this.#ended.some(({ firstOffset, lastOffset }) => firstOffset < at && at <= lastOffset),
    );
  }

  /** The topic was deleted. */
  delete(): void {
    this.start = Number.MAX_SAFE_INTEGER;
    this.#open.clear();
  }

  /** Ends of batches, where retention may cut. */
  batchEnds(): number[] {
    return this.#batches
      .map(({ lastOffset }) => lastOffset + 1)
      .filter((end) => end <= this.lastStableOffset);
  }
}
