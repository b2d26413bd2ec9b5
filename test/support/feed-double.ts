// What an agent's own stages are to the uplink: partitions with segments that go on for ever or end,
// positions that follow the collector's word, and a note of everything the collector said.
import type { DeclaredPartition, UplinkFeed, UplinkHandler, UplinkItem } from '@sluice/agent/contracts.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';

export interface FedPartition {
  readonly id: PartitionId;
  /** The segment that starts at `offset`; undefined where there is none (yet). */
  at(offset: number): Segment | undefined;
}

export interface FeedDouble {
  readonly feed: UplinkFeed;
  readonly handler: UplinkHandler;
  /** One line for each call of the handler. */
  readonly heard: readonly string[];
  /** Committed position per partition, as the collector said it. */
  committed(id: PartitionId): number;
  declared(id: PartitionId): DeclaredPartition;
  add(partition: FedPartition): void;
  /** More may be there now. */
  wake(): void;
  handed: number;
}

interface Sending {
  readonly partition: FedPartition;
  committed: number;
  sendNext: number | undefined;
  rewindEpoch: number;
}

export function feedDouble(partitions: readonly FedPartition[]): FeedDouble {
  const heard: string[] = [];
  const states = new Map<string, Sending>();
  let waiting: (() => void)[] = [];
  let turn = 0;
  const wake = () => {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };
  const add = (partition: FedPartition) => {
    states.set(partitionKey(partition.id), { partition, committed: 0, sendNext: undefined, rewindEpoch: 0 });
  };
  for (const partition of partitions) add(partition);
  const state = (id: PartitionId) => states.get(partitionKey(id));
  const name = ({ topic, partition }: PartitionId) => `${topic}-${partition}`;

  function takeNext(): UplinkItem | undefined {
    const all = [...states.values()];
    for (let i = 0; i < all.length; i++) {
      const at = (turn + i) % all.length;
      const sending = all[at];
      if (sending?.sendNext === undefined) continue;
      const segment = sending.partition.at(sending.sendNext);
      if (segment === undefined) continue;
      sending.sendNext = segment.nextOffset;
      turn = at + 1;
      double.handed++;
      return { kind: 'segment', segment, rewindEpoch: sending.rewindEpoch };
    }
    return undefined;
  }

  const declared = (id: PartitionId): DeclaredPartition => ({
    ...id,
    leaderEpoch: 0,
    logStart: 0,
    logEnd: 0,
    groupOffset: undefined,
    readsLog: false,
    startAt: 'earliest',
    spoolStart: 0,
    spoolNext: 0,
    spoolRuns: [],
  });

  const double: FeedDouble = {
    heard,
    handed: 0,
    add,
    wake,
    declared,
    committed: (id) => state(id)?.committed ?? 0,
    feed: {
      declared() {
        for (const sending of states.values()) sending.sendNext = undefined;
        return [...states.values()].map(({ partition }) => declared(partition.id));
      },
      next: () => Promise.resolve(takeNext()),
      inFlight: () => {},
      ready: (signal) =>
        new Promise((resolve) => {
          waiting.push(resolve);
          signal.addEventListener('abort', () => resolve(), { once: true });
        }),
    },
    handler: {
      readHistory: ({ id, range, epoch, bytesMax }) =>
        void heard.push(
          `history ${name(id)} [${range.startOffset}, ${range.nextOffset}) ${epoch} ${bytesMax}`,
        ),
      welcomed(positions) {
        for (const p of positions) {
          heard.push(`welcomed ${name(p)} ${p.nextOffset} ${p.received}`);
          const sending = state(p);
          if (sending !== undefined)
            Object.assign(sending, {
              committed: p.nextOffset,
              sendNext: p.received,
              rewindEpoch: p.rewindEpoch,
            });
        }
        wake();
      },
      committed(positions) {
        for (const { partition, nextOffset } of positions) {
          heard.push(`committed ${name(partition)} ${nextOffset}`);
          const sending = state(partition);
          if (sending !== undefined) sending.committed = nextOffset;
        }
      },
      rewind(partition, offset, rewindEpoch, reason) {
        heard.push(`rewind ${name(partition)} ${offset}: ${reason}`);
        const sending = state(partition);
        if (sending !== undefined) Object.assign(sending, { sendNext: offset, rewindEpoch });
        wake();
      },
      fill(partition, { startOffset, nextOffset }, rewindEpoch) {
        heard.push(`fill ${name(partition)} [${startOffset}, ${nextOffset}) ${rewindEpoch}`);
      },
      hold: (topic, reason) => void heard.push(`hold ${topic}: ${reason}`),
      release: (topic) => void heard.push(`release ${topic}`),
      refused: (topic, code, message) => void heard.push(`refused ${topic} ${code}: ${message}`),
      look: async () => undefined,
      disconnected: (reason) => void heard.push(`disconnected ${reason}`),
    },
  };
  return double;
}
