// Which partition is where: read from Kafka, on disk, sent, committed. The one place in the agent that decides where
// Kafka is read next. Positions are the collector's word; until it has spoken the spool and the group offset stand in.
import { assert } from '@sluice/shared/errors.ts';
import { type PartitionId, type Position, partitionKey } from '@sluice/shared/position.ts';
import type { DeclaredPartition, GapNotice, PartitionInfo, Source, SpoolPartition } from '../contracts.ts';
import { decideSend, type PartitionState, readPositionBeforeWelcome } from './partition-state.ts';

export interface PartitionBookOptions {
  readonly source: Pick<Source, 'seek' | 'commit'>;
  /** What the spool holds of a partition now. */
  spoolOf(id: PartitionId): SpoolPartition | undefined;
  /** Partitions became known or changed since the stream's Hello. */
  declare(partitions: readonly DeclaredPartition[]): void;
  revoke(partitions: readonly PartitionId[]): void;
  /** Pending batches of a partition must not be joined with what is read next. */
  positionMoved(id: PartitionId): void;
}

type Slot = { readonly topic: string; readonly partition: number };
const slotOf = ({ topic, partition }: Slot) => `${topic}/${partition}`;

export class PartitionBook {
  readonly #options: PartitionBookOptions;
  readonly #states = new Map<string, PartitionState>();
  /** Assigned slots and the incarnation that is read there, once it is described. */
  readonly #assigned = new Map<string, PartitionState | undefined>();

  constructor(options: PartitionBookOptions) {
    this.#options = options;
  }

  states(): PartitionState[] {
    return [...this.#states.values()];
  }

  stateOf(slot: Slot): PartitionState | undefined {
    return this.#assigned.get(slotOf(slot));
  }

  /** A new assignment. Known partitions go on where they are; others wait until they are described. */
  assigned(partitions: readonly Slot[]): ReadonlyMap<string, number | undefined> {
    const gone = [...this.#assigned.entries()].filter(
      ([slot, state]) => state !== undefined && !partitions.some((p) => slotOf(p) === slot),
    );
    const before = new Map(this.#assigned);
    this.#assigned.clear();
    const seeks = new Map<string, number | undefined>();
    for (const slot of partitions) {
      const state = before.get(slotOf(slot));
      this.#assigned.set(slotOf(slot), state);
      if (state !== undefined) this.#options.positionMoved(state.id);
      if (state !== undefined) state.readNext = this.#durableOrRead(state);
      seeks.set(slotOf(slot), state?.readNext);
    }
    const revoked = gone.flatMap(([, state]) => (state === undefined ? [] : [state]));
    for (const state of revoked) {
      state.assigned = false;
      state.readNext = undefined;
      this.#options.positionMoved(state.id);
    }
    if (revoked.length > 0) this.#options.revoke(revoked.map(({ id }) => id));
    return seeks;
  }

  /** What was read but is not on disk yet is read again: pending batches were dropped with the assignment. */
  #durableOrRead(state: PartitionState): number | undefined {
    return state.readNext === undefined ? undefined : Math.min(state.readNext, state.durableNext);
  }

  described(partitions: readonly PartitionInfo[]): void {
    const declared: DeclaredPartition[] = [];
    for (const info of partitions) {
      if (!this.#assigned.has(slotOf(info))) continue;
      const known = this.#assigned.get(slotOf(info));
      if (known !== undefined && known.id.topicId === info.topicId) {
        known.info = info;
        continue;
      }
      const state = this.#enter(info);
      declared.push(this.#declare(state));
      if (known !== undefined) this.#options.revoke([known.id]);
      const position = state.readNext;
      if (position !== undefined) this.#options.source.seek(info, position);
    }
    if (declared.length > 0) this.#options.declare(declared);
  }

  #enter(info: PartitionInfo): PartitionState {
    const { topic, topicId, partition } = info;
    const id = { topic, topicId, partition };
    const spool = this.#options.spoolOf(id);
    const kept = this.#states.get(partitionKey(id));
    const readNext = readPositionBeforeWelcome(spool, info.groupOffset);
    const state: PartitionState = kept ?? {
      id,
      info,
      assigned: true,
      readNext,
      durableNext: spool?.nextOffset ?? readNext ?? 0,
      sendNext: undefined,
      rewindEpoch: 0,
      committed: undefined,
      gaps: [],
      refill: undefined,
    };
    state.assigned = true;
    state.info = info;
    state.readNext = kept === undefined ? readNext : Math.max(spool?.nextOffset ?? 0, kept.committed ?? 0);
    state.durableNext = Math.max(state.durableNext, spool?.nextOffset ?? 0);
    this.#states.set(partitionKey(id), state);
    this.#assigned.set(slotOf(info), state);
    return state;
  }

  #declare({ id, info }: PartitionState): DeclaredPartition {
    const spool = this.#options.spoolOf(id);
    return { ...info, spoolStart: spool?.startOffset ?? 0, spoolNext: spool?.nextOffset ?? 0 };
  }

  /** For Hello: every assigned partition that is described, and what the spool still holds of others. */
  declared(spooled: readonly SpoolPartition[]): DeclaredPartition[] {
    for (const state of this.#states.values()) state.sendNext = undefined;
    const assigned = [...this.#assigned.values()].filter((state) => state !== undefined);
    const others = spooled.filter((s) => !assigned.some(({ id }) => partitionKey(id) === partitionKey(s)));
    return [...assigned.map((state) => this.#declare(state)), ...others.map((s) => this.#adopt(s))];
  }

  /** Spooled data of a partition that is assigned elsewhere now: sent if the collector asks for it. */
  #adopt(spool: SpoolPartition): DeclaredPartition {
    const { topic, topicId, partition, startOffset: logStart, nextOffset: logEnd } = spool;
    const info: PartitionInfo = {
      topic,
      topicId,
      partition,
      leaderEpoch: -1,
      logStart,
      logEnd,
      groupOffset: undefined,
      startAt: undefined,
    };
    if (!this.#states.has(partitionKey(spool))) {
      this.#states.set(partitionKey(spool), {
        id: { topic, topicId, partition },
        info,
        assigned: false,
        readNext: undefined,
        durableNext: logEnd,
        sendNext: undefined,
        rewindEpoch: 0,
        committed: undefined,
        gaps: [],
        refill: undefined,
      });
    }
    return { ...info, spoolStart: logStart, spoolNext: logEnd };
  }

  welcomed(position: Position & { received: number; rewindEpoch: number }): void {
    const state = this.#states.get(partitionKey(position));
    if (state === undefined) return;
    state.committed = position.nextOffset;
    this.#sendFrom(state, position.received, position.rewindEpoch);
  }

  rewind(id: PartitionId, offset: number, rewindEpoch: number): void {
    const state = this.#states.get(partitionKey(id));
    if (state !== undefined) this.#sendFrom(state, offset, rewindEpoch);
  }

  #sendFrom(state: PartitionState, expected: number, rewindEpoch: number): void {
    const spool = this.#options.spoolOf(state.id);
    const decision = decideSend(expected, spool, state.readNext);
    state.sendNext = decision.sendNext;
    state.rewindEpoch = rewindEpoch;
    state.refill = decision.refill;
    if (spool === undefined) state.durableNext = Math.max(expected, decision.readFrom ?? expected);
    if (decision.readFrom === undefined || !state.assigned) return;
    if (decision.refill !== undefined) state.durableNext = decision.readFrom;
    this.#moveTo(state, decision.readFrom);
  }

  #moveTo(state: PartitionState, offset: number): void {
    this.#options.positionMoved(state.id);
    state.readNext = offset;
    this.#options.source.seek(state.id, offset);
  }

  /** Batches up to `nextOffset` were taken over. A refill that has reached the spool jumps behind it. */
  readTo(state: PartitionState, nextOffset: number): void {
    state.readNext = nextOffset;
    const { refill } = state;
    if (refill === undefined || nextOffset < refill.until) return;
    state.refill = undefined;
    if (nextOffset < refill.resumeAt) this.#moveTo(state, refill.resumeAt);
  }

  /** Segments up to `nextOffset` are on disk; where they meet what was there before, that counts as well. */
  durable(id: PartitionId, nextOffset: number): void {
    const state = this.#states.get(partitionKey(id));
    if (state === undefined) return;
    const spool = this.#options.spoolOf(id);
    const joined = spool !== undefined && spool.startOffset <= nextOffset ? spool.nextOffset : 0;
    state.durableNext = Math.max(state.durableNext, nextOffset, joined);
  }

  /** What should be on disk from `offset` on is not: it is read again from Kafka. */
  lost(state: PartitionState, offset: number): void {
    state.durableNext = offset;
    const spool = this.#options.spoolOf(state.id);
    const before = spool !== undefined && offset < spool.startOffset;
    state.refill = before ? { until: spool.startOffset, resumeAt: spool.nextOffset } : undefined;
    if (state.assigned) this.#moveTo(state, offset);
  }

  gap(
    slot: Slot,
    notice: { startOffset: number; nextOffset: number; reason: string },
  ): GapNotice | undefined {
    const state = this.stateOf(slot);
    if (state === undefined) return undefined;
    assert(notice.nextOffset > notice.startOffset, 'a gap is not empty');
    this.#options.positionMoved(state.id);
    const gap: GapNotice = { ...state.id, leaderEpoch: state.info.leaderEpoch, ...notice };
    state.gaps.push(gap);
    state.readNext = notice.nextOffset;
    state.durableNext = Math.max(state.durableNext, notice.nextOffset);
    return gap;
  }

  committed(id: PartitionId, nextOffset: number): void {
    const state = this.#states.get(partitionKey(id));
    if (state === undefined) return;
    state.committed = Math.max(state.committed ?? 0, nextOffset);
    state.gaps = state.gaps.filter((gap) => gap.nextOffset > nextOffset);
    if (state.assigned)
      this.#options.source.commit([{ topic: id.topic, partition: id.partition, nextOffset }]);
    else if (this.#options.spoolOf(id) === undefined) this.#states.delete(partitionKey(id));
  }
}
