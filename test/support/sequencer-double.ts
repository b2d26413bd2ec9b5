// A sequencer in memory that keeps the order of each partition as the real one does, and remembers what it
// took. What it took is staged until `commitAll`; `roomBytes` is what it may stage at all.
import type { AgentLink, PartitionPosition, Sequencer } from '@sluice/collector/contracts.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Range } from './oracles.ts';

interface Partition {
  readonly id: PartitionId;
  readonly links: Set<AgentLink>;
  readonly taken: Range[];
  expected: number;
  committed: number;
  rewindEpoch: number;
}

export interface SequencerDouble extends Sequencer {
  roomBytes: number;
  /** What a stream that sends nothing more waits for. */
  beforeFinished: () => Promise<void>;
  /** Bytes taken and not committed. */
  stagedBytes: number;
  stagedBytesPeak: number;
  /** What `declare` waits for before it answers. */
  beforeDeclared: () => Promise<void>;
  /** Ranges taken of a partition, in the order they came. */
  taken(partition: PartitionId): readonly Range[];
  readonly links: ReadonlySet<AgentLink>;
  /** Forgets staged bytes and tells every link. */
  commitAll(): void;
  /** As if a segment had got lost: asks for everything from `offset` on again. */
  rewind(partition: PartitionId, offset: number): void;
}

export function sequencerDouble({ roomBytes = 256 * 2 ** 20 } = {}): SequencerDouble {
  const partitions = new Map<string, Partition>();
  const links = new Set<AgentLink>();

  function partitionOf(id: PartitionId): Partition {
    const { topic, topicId, partition } = id;
    const known = partitions.get(partitionKey(id));
    if (known !== undefined) return known;
    const fresh: Partition = {
      id: { topic, topicId, partition },
      links: new Set(),
      taken: [],
      expected: 0,
      committed: 0,
      rewindEpoch: 0,
    };
    partitions.set(partitionKey(id), fresh);
    return fresh;
  }

  function askAgain(state: Partition, link: AgentLink, reason: string): void {
    state.rewindEpoch++;
    link.rewind(state.id, state.expected, state.rewindEpoch, reason);
  }

  const double: SequencerDouble = {
    roomBytes,
    stagedBytes: 0,
    stagedBytesPeak: 0,
    links,
    beforeDeclared: () => Promise.resolve(),
    beforeFinished: () => Promise.resolve(),
    finish: () => double.beforeFinished(),
    async declare(link, declared) {
      links.add(link);
      await double.beforeDeclared();
      return declared.map((p): PartitionPosition => {
        const state = partitionOf(p);
        state.links.add(link);
        const { id, committed, expected: received, rewindEpoch } = state;
        return { ...id, committed, received, rewindEpoch, openGaps: [], stands: [] };
      });
    },
    revoke(link, revoked) {
      for (const id of revoked) partitionOf(id).links.delete(link);
    },
    segment(link, segment, epoch) {
      const state = partitionOf(segment);
      if (!state.links.has(link) || epoch !== state.rewindEpoch) return 'stale';
      if (segment.nextOffset <= state.expected) return 'skipped';
      if (segment.startOffset > state.expected) {
        askAgain(state, link, `${segment.startOffset} came where ${state.expected} is next`);
        return 'rewound';
      }
      state.taken.push({ start: state.expected, next: segment.nextOffset });
      state.expected = segment.nextOffset;
      double.stagedBytes += segment.payload.byteLength;
      double.stagedBytesPeak = Math.max(double.stagedBytesPeak, double.stagedBytes);
      return 'staged';
    },
    gap(link, gap, epoch) {
      const state = partitionOf(gap);
      if (!state.links.has(link) || epoch !== state.rewindEpoch || gap.startOffset > state.expected) return;
      state.expected = Math.max(state.expected, gap.nextOffset);
    },
    truncated: () => {},
    historyWaits: () => {},
    disconnected(link) {
      links.delete(link);
      for (const state of partitions.values()) state.links.delete(link);
    },
    room: () => Math.max(0, double.roomBytes - double.stagedBytes),
    taken: (partition) => partitionOf(partition).taken,
    commitAll() {
      double.stagedBytes = 0;
      for (const state of partitions.values()) {
        state.committed = state.expected;
        const nextOffset = state.committed;
        const moved = [{ partition: state.id, nextOffset, openGaps: [], leaderEpoch: 0 }];
        for (const link of state.links) link.committed(moved);
      }
    },
    rewind(partition, offset) {
      const state = partitionOf(partition);
      state.expected = offset;
      state.taken.splice(0, Number.POSITIVE_INFINITY, ...state.taken.filter(({ next }) => next <= offset));
      for (const link of state.links) askAgain(state, link, 'by the test');
    },
  };
  return double;
}
