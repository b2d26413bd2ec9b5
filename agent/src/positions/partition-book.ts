// Which partition is where: read from Kafka, on disk, sent, committed. The one place in the agent that
// decides where Kafka is read next. Positions are the collector's word; until it has spoken the spool and the
// group offset stand in.
import { assert } from '@sluice/shared/errors.ts';
import { idOf, type LogPlace, type PartitionId, partitionKey, slotKey } from '@sluice/shared/position.ts';
import type {
  CommittedPosition,
  DeclaredPartition,
  GapNotice,
  OffsetRange,
  PartitionInfo,
  SoughtPartition,
  SpoolPartition,
  WelcomedPosition,
} from '../contracts.ts';
import {
  applyCut,
  committedAhead,
  committedBelow,
  cutUnder,
  impliedCut,
  isUnknowing,
  notCut,
  ownPlaces,
  placeAt,
  placesToProve,
  setCommittedBack,
  toldCommitted,
  type Welcomed,
} from './cut-logs.ts';
import { gapsOfGone, notGone } from './gone-topics.ts';
import {
  addGaps,
  decideSend,
  declarationOf,
  enters,
  type Hole,
  holdsUntold,
  holeFrom,
  infoOfSpool,
  isIdle,
  newState,
  type PartitionBookOptions,
  type PartitionState,
  sendPosition,
  thereOf,
  uncovered,
} from './partition-state.ts';

type Slot = { readonly topic: string; readonly partition: number };

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
    return this.#assigned.get(slotKey(slot));
  }

  /** Also one that is only spooled here, where the topic's id says which. */
  #stateOf({ topicId, ...slot }: SoughtPartition): PartitionState | undefined {
    return topicId === undefined ? this.stateOf(slot) : this.#states.get(partitionKey({ ...slot, topicId }));
  }

  /** A new assignment. Known partitions go on where they are; others wait until they are described. */
  assigned(partitions: readonly Slot[]): ReadonlyMap<string, LogPlace | undefined> {
    const gone = [...this.#assigned.entries()].filter(
      ([slot, state]) => state !== undefined && !partitions.some((p) => slotKey(p) === slot),
    );
    const before = new Map(this.#assigned);
    this.#assigned.clear();
    const seeks = new Map<string, LogPlace | undefined>();
    for (const slot of partitions) {
      const state = before.get(slotKey(slot));
      this.#assigned.set(slotKey(slot), state);
      if (state !== undefined) this.#readAgain(state);
      seeks.set(slotKey(slot), state?.readNext === undefined ? undefined : this.#placeAt(state));
    }
    const revoked = gone.flatMap(([, state]) => (state === undefined ? [] : [state]));
    for (const state of revoked) this.#giveUp(state);
    if (revoked.length > 0) this.#options.revoke(revoked.map(({ id }) => id));
    return seeks;
  }

  /** What is not on disk is read again: pending batches were dropped. What is there by now may be sent. */
  #readAgain(state: PartitionState): void {
    this.#options.positionMoved(state.id);
    if (state.readNext === undefined) return;
    const hole = this.#firstHole(state, Math.min(state.readNext, state.durableNext));
    [state.readNext, state.durableNext] = [hole.at, Math.max(hole.at, state.durableNext)];
    this.#refillUntil(state, hole.until);
  }

  #refillUntil(state: PartitionState, until: number | undefined): void {
    state.refillUntil = until;
    this.#options.refills(state.id, until !== undefined);
  }

  /** Another agent reads it now: nothing is read, sent or committed here unless the collector asks. */
  #giveUp(state: PartitionState): void {
    state.assigned = false;
    state.readNext = undefined;
    state.sendNext = undefined;
    this.#refillUntil(state, undefined);
    this.#options.positionMoved(state.id);
  }

  /** Spooled ranges and known gaps, by their starts. */
  #there(state: PartitionState): OffsetRange[] {
    return thereOf(state, this.#options.spoolOf(state.id));
  }

  /** What is committed is never missing. */
  #firstHole(state: PartitionState, from: number): Hole {
    return holeFrom(this.#there(state), Math.max(from, state.committed ?? 0));
  }

  described(partitions: readonly PartitionInfo[]): void {
    const declared: DeclaredPartition[] = [];
    for (const info of partitions) {
      if (!this.#assigned.has(slotKey(info))) continue;
      const known = this.#assigned.get(slotKey(info));
      if (known !== undefined && known.id.topicId === info.topicId) {
        known.info = info;
        this.#prove(known, ownPlaces(known, this.#options.spoolOf(known.id)));
        continue;
      }
      const state = this.#enter(info);
      declared.push(this.#declare(state));
      if (known !== undefined) {
        this.#giveUp(known);
        this.#options.revoke([known.id]);
      }
      if (state.readNext !== undefined) this.#seek(state, state.readNext);
      this.#prove(state, ownPlaces(state, this.#options.spoolOf(state.id)));
    }
    if (declared.length > 0) this.#options.declare(declared);
  }

  #enter(info: PartitionInfo): PartitionState {
    const id = idOf(info);
    const state = this.#states.get(partitionKey(id)) ?? newState(id, info);
    notGone(state);
    enters(state, info, this.#options.spoolOf(id));
    this.#states.set(partitionKey(id), state);
    this.#assigned.set(slotKey(info), state);
    return state;
  }

  #declare(state: PartitionState): DeclaredPartition {
    return declarationOf(state, this.#options.spoolOf(state.id));
  }

  /** For Hello: every assigned partition that is described, and what the spool still holds of others. */
  declared(spooled: readonly SpoolPartition[]): DeclaredPartition[] {
    for (const state of this.#states.values()) {
      state.sendNext = undefined;
      state.asked = undefined;
      state.fill = undefined;
    }
    const assigned = [...this.#assigned.values()].filter((state) => state !== undefined);
    const others = spooled.filter((s) => !assigned.some(({ id }) => partitionKey(id) === partitionKey(s)));
    return [...assigned.map((state) => this.#declare(state)), ...others.map((s) => this.#adopt(s))];
  }

  /** What is spooled of partitions that others read, or nobody, and nobody has asked for on this stream. */
  offer(spooled: readonly SpoolPartition[]): void {
    const idle = spooled.filter((s) => isIdle(this.#states.get(partitionKey(s))));
    if (idle.length > 0) this.#options.declare(idle.map((s) => this.#adopt(s)));
  }

  /** Spooled data of a partition that is assigned elsewhere now: sent if the collector asks for it. */
  #adopt(spool: SpoolPartition): DeclaredPartition {
    const info = infoOfSpool(spool, this.#options.startAtOf(spool.topic));
    const state = this.#states.get(partitionKey(spool)) ?? newState(idOf(spool), info);
    this.#states.set(partitionKey(spool), state);
    return { ...this.#declare(state), ...info };
  }

  /**
   * What may be forgotten: as the collector says it, or less where it does not know of a cut yet. Less than
   * before where the log was cut (`setsBack`), or where a collector that has read its ledgers says so;
   * `committed` where it has not read them so far.
   */
  welcomed(position: WelcomedPosition): Welcomed {
    const { received, rewindEpoch, openGaps, stands } = position;
    const state = this.#states.get(partitionKey(position));
    if (state === undefined)
      return { nextOffset: position.nextOffset, setsBack: false, committed: undefined, cut: undefined };
    const { nextOffset, committedEpoch, setsBack } = toldCommitted(state, position);
    if (setsBack) state.committed = nextOffset;
    if (position.current === true) this.#askedAgain(state, nextOffset);
    if (setsBack || nextOffset >= (state.committed ?? 0)) state.committedEpoch = committedEpoch;
    const spool = this.#options.spoolOf(state.id);
    const places = placesToProve(state, spool, stands);
    state.stands = stands;
    state.unproven = places.length > 0 || isUnknowing(state, position);
    this.#sendFrom(state, received, rewindEpoch);
    // Also what was committed while nobody was there to hear it.
    this.committed({ partition: position, nextOffset, openGaps, leaderEpoch: committedEpoch });
    if (places.length > 0) this.#options.source.prove(state.id, places);
    const committed = sendPosition(state) === undefined ? state.committed : undefined;
    return { nextOffset, setsBack, committed, cut: impliedCut(state, spool, stands) };
  }

  /** What is spooled, or committed, may be of a log that was cut while nobody here read it. */
  #prove(state: PartitionState, places: readonly LogPlace[]): void {
    if (places.length === 0) return;
    state.unproven = true;
    this.#options.source.prove(state.id, places);
  }

  /** Kafka's log still has where the collector stands. */
  proven(partition: SoughtPartition): void {
    const state = this.#stateOf(partition);
    if (state !== undefined) state.unproven = false;
  }

  rewind(id: PartitionId, offset: number, rewindEpoch: number): void {
    const state = this.#states.get(partitionKey(id));
    if (state === undefined) return;
    this.#askedAgain(state, offset);
    this.#sendFrom(state, offset, rewindEpoch);
  }

  /**
   * Below `offset` all is committed, and not more: a table that was not waited for, or is new, lacks what
   * others have. The collector's word counts, whatever was said before, and by whom.
   */
  #askedAgain(state: PartitionState, offset: number): void {
    setCommittedBack(state, offset);
    this.#options.askedAgain(state.id, offset);
  }

  fill(id: PartitionId, { startOffset, nextOffset }: OffsetRange, epoch: number): void {
    const state = this.#states.get(partitionKey(id));
    if (state !== undefined) state.fill = { next: startOffset, until: nextOffset, epoch };
  }

  /** What a collector may say is committed, of the log as it is now. */
  committedOf({ partition, nextOffset, leaderEpoch }: CommittedPosition): number {
    const state = this.#states.get(partitionKey(partition));
    return state === undefined ? nextOffset : notCut(state, nextOffset, leaderEpoch);
  }

  /** Kafka's log was cut: nothing is read or sent before the spool has dropped what lay behind it. */
  cut(partition: SoughtPartition, cut: LogPlace): PartitionId | undefined {
    const state = this.#stateOf(partition);
    if (state === undefined) return undefined;
    applyCut(state, cut);
    this.#refillUntil(state, undefined);
    this.#options.positionMoved(state.id);
    return state.id;
  }

  /** The spool holds nothing any more that the cut has taken: reading goes on. */
  resumeAtCut(id: PartitionId): void {
    const state = this.#states.get(partitionKey(id));
    if (state?.cutAt === undefined) return;
    const { cutAt, asked } = state;
    state.cutAt = undefined;
    if (state.assigned && state.readNext === undefined) {
      const from = state.committed ?? this.#options.spoolOf(id)?.startOffset ?? cutAt;
      const hole = holeFrom(this.#there(state), Math.min(from, cutAt));
      state.durableNext = hole.at;
      this.#refillUntil(state, hole.until);
      this.#moveTo(state, hole.at);
    }
    if (asked !== undefined) this.#sendFrom(state, asked.expected, asked.rewindEpoch);
  }

  #sendFrom(state: PartitionState, expected: number, rewindEpoch: number): void {
    if (state.cutAt !== undefined) {
      state.asked = { expected, rewindEpoch };
      return;
    }
    const from = Math.max(expected, state.committed ?? 0);
    const decision = decideSend(from, this.#there(state), state);
    state.sendNext = expected;
    state.rewindEpoch = rewindEpoch;
    state.durableNext = decision.durableNext;
    if (!state.assigned) return;
    this.#refillUntil(state, decision.refillUntil);
    if (decision.readFrom !== undefined) this.#moveTo(state, decision.readFrom);
    // Nothing was read yet from where it stands: now it may be known what lies before.
    else if (state.readNext === decision.durableNext) this.#seek(state, state.readNext);
  }

  #moveTo(state: PartitionState, offset: number): void {
    this.#options.positionMoved(state.id);
    state.readNext = offset;
    this.#seek(state, offset);
  }

  #seek(state: PartitionState, offset: number): void {
    this.#options.source.seek(state.id, offset, this.#placeAt(state, offset).leaderEpoch);
  }

  #placeAt(state: PartitionState, offset = state.readNext ?? 0): LogPlace {
    return placeAt(state, this.#options.spoolOf(state.id), offset);
  }

  /** Batches up to `nextOffset` were taken over. A refill that has reached the spool jumps behind it. */
  readTo(state: PartitionState, nextOffset: number): void {
    state.readNext = nextOffset;
    if (state.refillUntil === undefined || nextOffset < state.refillUntil) return;
    const hole = holeFrom(this.#there(state), nextOffset);
    this.#refillUntil(state, hole.until);
    if (hole.at === nextOffset) return;
    this.#options.finish(state.id);
    this.#moveTo(state, hole.at);
  }

  /** More is on disk: where that continues what may be sent, it may be sent as well. */
  durable(id: PartitionId): void {
    const state = this.#states.get(partitionKey(id));
    if (state !== undefined) state.durableNext = this.#firstHole(state, state.durableNext).at;
  }

  /** It is on disk. Where that shows what was spooled before to be of a log that was cut: where. */
  spooled(segment: PartitionId & OffsetRange & Pick<LogPlace, 'leaderEpoch'>): LogPlace | undefined {
    this.durable(segment);
    const state = this.#states.get(partitionKey(segment));
    if (state === undefined) return undefined;
    const { readNext = segment.startOffset } = state;
    // What was read before it did not get there, and is read again: it may have found no room by now.
    if (segment.startOffset > readNext) this.#refillUntil(state, this.#firstHole(state, readNext).until);
    this.#prove(state, committedBelow(state, segment));
    return cutUnder(state, this.#options.spoolOf(segment), segment);
  }

  /** What should be on disk from `offset` on is not: it is read again from Kafka. */
  lost(id: PartitionId, offset: number): void {
    const state = this.#states.get(partitionKey(id));
    if (state === undefined) return;
    const hole = this.#firstHole(state, Math.min(state.durableNext, offset));
    state.durableNext = hole.at;
    if (!state.assigned) return;
    this.#refillUntil(state, hole.until);
    this.#moveTo(state, hole.at);
  }

  /** The disk lost something, and it is not known what: each partition is read again from its first hole. */
  recheck(): void {
    for (const state of this.#states.values())
      if (state.sendNext !== undefined) this.lost(state.id, this.#firstHole(state, state.sendNext).at);
  }

  /** Kafka no longer has this range. What is spooled of it is no gap; the rest is told, part by part. */
  gap(slot: Slot, notice: { startOffset: number; nextOffset: number; reason: string }): GapNotice[] {
    const state = this.stateOf(slot);
    if (state === undefined) return [];
    assert(notice.nextOffset > notice.startOffset, 'a gap is not empty');
    const [{ committed = 0 }, { reason, nextOffset }] = [state, notice];
    const startOffset = Math.max(notice.startOffset, committed);
    const gaps = addGaps(state, uncovered(this.#there(state), { startOffset, nextOffset }), reason);
    this.durable(state.id);
    const hole = this.#firstHole(state, nextOffset);
    this.#refillUntil(state, hole.until);
    this.#moveTo(state, hole.at);
    return gaps;
  }

  /** What is missing before spooled data of topics that are gone: it holds them up no longer. */
  gapsOfGone(): readonly GapNotice[] {
    const view = { readNow: (id: PartitionId) => this.stateOf(id), there: this.#there.bind(this) };
    const gaps = gapsOfGone(this.states(), view);
    for (const gap of gaps) this.durable(gap);
    return gaps;
  }

  committed(position: CommittedPosition): void {
    const { partition: id, openGaps, leaderEpoch } = position;
    const state = this.#states.get(partitionKey(id));
    if (state === undefined) return;
    const nextOffset = this.committedOf(position);
    if (holdsUntold(state, this.#options.spoolOf(id), openGaps))
      this.#options.declare([this.#declare(state)]);
    if (nextOffset >= (state.committed ?? 0) && leaderEpoch !== undefined) state.committedEpoch = leaderEpoch;
    state.committed = Math.max(state.committed ?? 0, nextOffset);
    this.#prove(state, committedAhead(state, position));
    // Whoever has sent it, and from wherever: it is not sent again, and what is on disk behind it may be.
    if (state.sendNext !== undefined) state.sendNext = Math.max(state.sendNext, nextOffset);
    state.durableNext = this.#firstHole(state, state.durableNext).at;
    state.gaps = state.gaps.filter((gap) => gap.nextOffset > nextOffset);
    if (state.assigned)
      this.#options.source.commit([{ topic: id.topic, partition: id.partition, nextOffset }]);
    else if (this.#options.spoolOf(id) === undefined) this.#states.delete(partitionKey(id));
  }
}
