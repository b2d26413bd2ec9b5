// One partition from its log to a collector's ledger, in memory and step by step: the real book, segmenter
// and feed between a log, a disk and a collector that are three numbers and a list. Every step may come at
// any time.
import assert from 'node:assert/strict';
import type { CommittedPosition, OffsetRange, SpoolPartition, UplinkItem } from '@sluice/agent/contracts.ts';
import { PartitionBook } from '@sluice/agent/positions/partition-book.ts';
import { SendFeed } from '@sluice/agent/positions/send-feed.ts';
import { createSegmenter } from '@sluice/agent/spool/segmenter.ts';
import { NO_TOPIC_ID, type PartitionId } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import { soundDisk } from '../../support/fake-spool.ts';
import { type ManualClock, manualClock } from '../../support/manual-clock.ts';

export const claims: PartitionId = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const LINGER_MS = 200;
/** Offsets in a record batch. */
const BATCH = 7;

/** What outlives the agent's process. */
export interface World {
  readonly log: { start: number; end: number };
  group: number | undefined;
  disk: Segment[];
  /** What the disk knows to be committed. */
  heard: number;
  readonly collector: { committed: number; received: number; epoch: number; current: boolean };
  /** Gaps that were told, in order. */
  readonly gaps: OffsetRange[];
}

export function newWorld(): World {
  return {
    log: { start: 0, end: 0 },
    group: undefined,
    disk: [],
    heard: 0,
    collector: { committed: 0, received: 0, epoch: 0, current: false },
    gaps: [],
  };
}

export class SimulatedAgent {
  readonly world: World;
  readonly clock: ManualClock = manualClock();
  readonly book: PartitionBook;
  readonly #feed: SendFeed;
  readonly #segmenter;
  /** Segments on their way to the disk. */
  readonly flying: Segment[] = [];
  #position: number | undefined;
  connected = false;
  /** Times that the spool did not hold what was to be sent. */
  losses = 0;

  constructor(world: World) {
    this.world = world;
    this.book = new PartitionBook({
      source: {
        seek: (_slot, offset) => {
          this.#position = offset;
        },
        commit: ([offset]) => {
          world.group = Math.max(world.group ?? 0, offset?.nextOffset ?? 0);
        },
        prove: () => {},
      },
      spoolOf: () => spoolOf(world.disk, world.heard),
      startAtOf: () => undefined,
      declare: () => this.#welcome(),
      revoke: () => {},
      refills: () => {},
      positionMoved: (id) => this.#segmenter.reset(id),
      finish: (id) => this.#segmenter.flush(id),
      // The disk hears of it a little later.
      askedAgain: (_id, offset) => {
        queueMicrotask(() => {
          world.heard = Math.min(world.heard, offset);
        });
      },
    });
    this.#segmenter = createSegmenter({
      segmentBytesMax: 2 ** 20,
      lingerMs: LINGER_MS,
      compression: 'none',
      clock: this.clock,
      emit: (segment) => this.flying.push(segment),
    });
    const spool = {
      read: (_id: PartitionId, from: number) =>
        Promise.resolve(world.disk.filter((s) => s.startOffset <= from && from < s.nextOffset).slice(0, 1)),
      status: () => {
        const partitions = [spoolOf(world.disk, world.heard)].filter((p) => p !== undefined);
        return { bytes: 0, bytesMax: 1, freeBytes: 1, files: 1, partitions, silentMs: 0, ...soundDisk };
      },
    };
    this.#feed = new SendFeed(this.book, {
      spool,
      clock: this.clock,
      onLost: (id, offset) => {
        this.losses++;
        this.book.lost(id, offset);
      },
    });
  }

  /** Assigned in the group, again or for the first time, and told what Kafka says of the partition. */
  join(): void {
    this.#position = this.book.assigned([claims]).get('claims/0')?.offset;
    const { log, group } = this.world;
    const at = { leaderEpoch: 0, logStart: log.start, logEnd: log.end };
    this.book.described([{ ...claims, ...at, groupOffset: group, startAt: undefined }]);
  }

  connect(): void {
    this.connected = true;
    this.#feed.declared();
    this.#welcome();
  }

  #welcome(): void {
    if (!this.connected) return;
    const { committed, received, epoch, current } = this.world.collector;
    const at = { leaderEpoch: -1, nextOffset: committed, received, rewindEpoch: epoch };
    this.book.welcomed({ ...claims, ...at, openGaps: [], stands: [], current });
    this.#drop(committed);
  }

  #drop(committed: number): void {
    this.world.heard = Math.max(this.world.heard, committed);
    this.world.disk = this.world.disk.filter((s) => s.nextOffset > this.world.heard);
  }

  /** One fetch: a batch, a gap, or nothing. */
  fetch(): void {
    const { log } = this.world;
    const position = this.#position;
    const state = this.book.stateOf(claims);
    if (position === undefined || state?.readNext === undefined || position >= log.end) return;
    assert.equal(state.readNext, position, 'the book and the source read at one place');
    if (position < log.start) {
      this.#gap(position);
      return;
    }
    const baseOffset = Math.max(log.start, position - (position % BATCH));
    const lastOffset = Math.min(position - (position % BATCH) + BATCH, log.end) - 1;
    const batch = { kind: 'empty' as const, baseOffset, lastOffset, count: 0, timestampMax: 0 };
    const bytes = Buffer.alloc(0);
    const next = this.#segmenter.push(state.id, position, [
      { ...batch, leaderEpoch: 0, compressed: false, bytes },
    ]);
    this.#position = next;
    this.book.readTo(state, next);
  }

  #gap(startOffset: number): void {
    const nextOffset = this.world.log.start;
    this.#segmenter.flush(claims);
    this.#position = nextOffset;
    for (const gap of this.book.gap(claims, { startOffset, nextOffset, reason: 'retention' })) {
      const kept = this.world.disk.filter(
        (s) => s.startOffset < gap.nextOffset && gap.startOffset < s.nextOffset,
      );
      assert.deepEqual(
        kept.map((s) => [s.startOffset, s.nextOffset]),
        [],
        'a gap holds nothing that is spooled',
      );
      this.world.gaps.push(gap);
    }
  }

  async linger(): Promise<void> {
    await this.clock.advance(LINGER_MS);
  }

  /** The oldest append reaches the disk, or fails. */
  land(fails = false): void {
    const segment = this.flying.shift();
    if (segment === undefined) return;
    if (fails) {
      this.book.lost(segment, segment.startOffset);
      return;
    }
    this.#append(segment);
    this.book.durable(segment);
  }

  /** As the spool's files do it. */
  #append(segment: Segment): void {
    const { startOffset, nextOffset } = segment;
    const isHere = (s: Segment) => s.startOffset <= startOffset && nextOffset <= s.nextOffset;
    if (nextOffset <= this.world.heard || this.world.disk.some(isHere)) return;
    this.world.disk = [...this.world.disk.filter((s) => s.startOffset !== startOffset), segment];
  }

  /** Sends one thing, if there is one, to a collector that does what a sequencer does. */
  async send(): Promise<boolean> {
    const item = this.connected ? await this.#feed.next() : undefined;
    if (item === undefined) return false;
    this.#receive(item);
    return true;
  }

  #receive(item: UplinkItem): void {
    const { collector } = this.world;
    if (item.kind === 'history waits') return;
    const { startOffset, nextOffset } = item.kind === 'gap' ? item.gap : item.segment;
    if (item.rewindEpoch !== collector.epoch || nextOffset <= collector.received) return;
    if (startOffset > collector.received) {
      collector.epoch++;
      this.book.rewind(claims, collector.received, collector.epoch);
    } else collector.received = nextOffset;
  }

  commit(): void {
    const { collector } = this.world;
    collector.committed = collector.received;
    if (!this.connected) return;
    this.#drop(collector.committed);
    this.book.committed(committedAt(collector.committed));
  }
}

export function committedAt(nextOffset: number): CommittedPosition {
  return { partition: claims, nextOffset, openGaps: [], leaderEpoch: 0 };
}

function spoolOf(disk: readonly Segment[], committed: number): SpoolPartition | undefined {
  const runs: { startOffset: number; nextOffset: number }[] = [];
  const left = disk.filter((s) => s.nextOffset > committed).sort((a, b) => a.startOffset - b.startOffset);
  for (const { startOffset: from, nextOffset } of left) {
    const startOffset = Math.max(from, committed);
    const last = runs.at(-1);
    if (last === undefined || startOffset > last.nextOffset) runs.push({ startOffset, nextOffset });
    else last.nextOffset = Math.max(last.nextOffset, nextOffset);
  }
  const last = runs.at(-1);
  if (last === undefined) return undefined;
  return {
    ...claims,
    ...last,
    runs,
    leaderEpoch: 0,
    epochs: [{ offset: last.startOffset, leaderEpoch: 0 }],
    bytes: 0,
    segments: left.length,
    oldestSpooledMs: undefined,
  };
}
