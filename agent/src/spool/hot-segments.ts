// The newest durable segments, in memory up to a limit: the oldest go first.
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';

const HOT_BYTES_MAX = 8 * 2 ** 20;

export class HotSegments {
  /** In order of arrival; all are also on disk. */
  readonly #queue = new Set<Segment>();
  readonly #byPartition = new Map<string, Segment[]>();
  #bytes = 0;

  add(segments: readonly Segment[]): void {
    for (const segment of segments) {
      const key = partitionKey(segment);
      const list = this.#byPartition.get(key) ?? [];
      list.push(segment);
      this.#byPartition.set(key, list);
      this.#queue.add(segment);
      this.#bytes += segment.payload.byteLength;
    }
    for (const oldest of this.#queue) {
      if (this.#bytes <= HOT_BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  #drop(segment: Segment): void {
    const key = partitionKey(segment);
    const list = (this.#byPartition.get(key) ?? []).filter((s) => s !== segment);
    if (list.length > 0) this.#byPartition.set(key, list);
    else this.#byPartition.delete(key);
    if (this.#queue.delete(segment)) this.#bytes -= segment.payload.byteLength;
  }

  /** A contiguous run from the segment that covers `fromOffset`, at least one if it is here. */
  read(partition: PartitionId, fromOffset: number, bytesMax: number): Segment[] {
    const found: Segment[] = [];
    let next = fromOffset;
    let bytes = 0;
    for (const segment of this.#byPartition.get(partitionKey(partition)) ?? []) {
      if (segment.nextOffset <= next || segment.startOffset > next) continue;
      found.push(segment);
      next = segment.nextOffset;
      bytes += segment.payload.byteLength;
      if (bytes >= bytesMax) break;
    }
    return found;
  }

  committed(partition: PartitionId, nextOffset: number): void {
    for (const segment of this.#byPartition.get(partitionKey(partition)) ?? [])
      if (segment.nextOffset <= nextOffset) this.#drop(segment);
  }

  forget(partition: PartitionId): void {
    for (const segment of this.#byPartition.get(partitionKey(partition)) ?? []) this.#drop(segment);
  }

  clear(): void {
    this.#queue.clear();
    this.#byPartition.clear();
    this.#bytes = 0;
  }
}
