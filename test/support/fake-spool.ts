// A spool in memory, for one partition a key, with the real one's semantics: segments by start offset, the
// last contiguous run is what `status` shows, committed ones are forgotten. Files may be lost.
import type { Spool, SpoolCommit, SpoolPartition } from '@sluice/agent/contracts.ts';
import { epochStarts } from '@sluice/agent/spool/wanted-ranges.ts';
import { NO_TOPIC_ID, type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';

/** What a spool is told of a commit, where no gap is open. */
export function committedAt(partition: PartitionId, nextOffset: number): SpoolCommit {
  return { partition, nextOffset, openGaps: [], setsBack: false };
}

/** What `status` says of a disk that nothing is wrong with. */
export const soundDisk = {
  disk: 'sound',
  fault: undefined,
  faultSinceMs: undefined,
  filesSetAside: 0,
} as const;

/** A segment of records without content: only its range matters. */
export function rangeSegment(startOffset: number, nextOffset: number, at: Partial<Segment> = {}): Segment {
  return {
    topic: 'claims',
    topicId: NO_TOPIC_ID,
    partition: 0,
    leaderEpoch: 0,
    startOffset,
    nextOffset,
    counts: { records: nextOffset - startOffset, control: 0, aborted: 0, absent: 0 },
    skipped: [],
    timestampMax: 0,
    codec: 'none',
    plainBytes: nextOffset - startOffset,
    crc32c: 0,
    payload: new Uint8Array(nextOffset - startOffset),
    ...at,
  };
}

export class FakeSpool implements Pick<Spool, 'read' | 'status'> {
  segments: Segment[] = [];
  reads = 0;
  readonly #committed = new Map<string, number>();

  append(segments: readonly Segment[]): void {
    for (const segment of segments) {
      const same = (s: Segment) =>
        partitionKey(s) === partitionKey(segment) && s.startOffset === segment.startOffset;
      this.segments = [...this.segments.filter((s) => !same(s)), segment].sort(
        (a, b) => a.startOffset - b.startOffset,
      );
    }
  }

  commit(nextOffset: number, id: PartitionId = rangeSegment(0, 1)): void {
    const key = partitionKey(id);
    this.#committed.set(key, Math.max(this.#committed.get(key) ?? 0, nextOffset));
    const below = this.#committed.get(key) ?? 0;
    this.segments = this.segments.filter((s) => partitionKey(s) !== key || s.nextOffset > below);
  }

  askAgain(id: PartitionId, offset: number): void {
    const key = partitionKey(id);
    this.#committed.set(key, Math.min(this.#committed.get(key) ?? 0, offset));
  }

  /** Segments `lost` says of are gone, as with a file that was set aside. */
  lose(lost: (segment: Segment, index: number) => boolean): void {
    this.segments = this.segments.filter((segment, i) => !lost(segment, i));
  }

  async read(id: PartitionId, fromOffset: number, bytesMax: number): Promise<Segment[]> {
    this.reads++;
    const found: Segment[] = [];
    let next = fromOffset;
    let bytes = 0;
    for (const segment of this.segments.filter((s) => partitionKey(s) === partitionKey(id))) {
      if (segment.nextOffset <= next || segment.startOffset > next) continue;
      found.push(segment);
      next = segment.nextOffset;
      bytes += segment.payload.byteLength;
      if (bytes >= bytesMax) break;
    }
    return found;
  }

  partitions(): SpoolPartition[] {
    return [...Map.groupBy(this.segments, partitionKey).values()].flatMap((entries) => {
      const last = entries.at(-1);
      if (last === undefined) return [];
      let first = last;
      for (const entry of entries.toReversed()) {
        if (entry.nextOffset < first.startOffset) break;
        first = entry;
      }
      const { topic, topicId, partition, nextOffset } = last;
      const startOffset = Math.max(first.startOffset, this.#committed.get(partitionKey(last)) ?? 0);
      const runs = [{ startOffset, nextOffset }];
      const sizes = { bytes: 0, segments: entries.length, oldestSpooledMs: 0 };
      const epochs = { leaderEpoch: last.leaderEpoch, epochs: epochStarts(entries) };
      return [{ topic, topicId, partition, startOffset, nextOffset, runs, ...epochs, ...sizes }];
    });
  }

  status() {
    const bounds = { bytes: 0, bytesMax: 1, freeBytes: 1, files: 1, silentMs: 0, ...soundDisk };
    return { ...bounds, partitions: this.partitions() };
  }
}
