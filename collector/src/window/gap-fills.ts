// Who is asked for what Kafka lost: whoever has spooled some of an open gap, one range at a time per stream,
// and no two streams for the same. What comes goes to the tables that lack it, beside the order of the
// partition; what a stream says it does not have is not asked of it again.
import { commonRanges, mergedRanges, type OffsetRange, withoutRanges } from '@sluice/shared/offset-range.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { AgentLink, GapNotice } from '../contracts.ts';
import type { Events } from '../events.ts';
import type { FillLane } from './fill-lane.ts';
import type { StagedBytes } from './staging-budget.ts';

/** Epochs of fills are counted from here: no rewind of a hole ever gets so far. */
export const FILL_EPOCH_MIN = 2 ** 31;

interface Ask {
  readonly epoch: number;
  next: number;
  readonly until: number;
}

export interface FillablePartition {
  readonly id: PartitionId;
  readonly fills: readonly FillLane[];
}

export type GapFillEvents = Pick<Events, 'fillAsked' | 'segmentTurnedAway'>;

/** The fills of one partition. */
export class GapFills {
  readonly #partition: FillablePartition;
  readonly #events: GapFillEvents;
  readonly #declared = new Map<AgentLink, readonly OffsetRange[]>();
  /** Of that what it may have still. */
  readonly #held = new Map<AgentLink, readonly OffsetRange[]>();
  readonly #asks = new Map<AgentLink, Ask>();
  #epoch = FILL_EPOCH_MIN;

  constructor(partition: FillablePartition, events: GapFillEvents) {
    this.#partition = partition;
    this.#events = events;
  }

  /** What a stream says that it has spooled. */
  declared(link: AgentLink, runs: readonly OffsetRange[]): void {
    if (runs.length === 0) {
      this.#declared.delete(link);
      this.#held.delete(link);
      return;
    }
    this.#declared.set(link, runs);
    this.#held.set(link, runs);
  }

  /** A table is waited for again: what nobody took for it may still be where it was. */
  again(): void {
    for (const [link, runs] of this.#declared) this.#held.set(link, runs);
    this.look();
  }

  forget(link: AgentLink): void {
    this.#declared.delete(link);
    this.#held.delete(link);
    this.#asks.delete(link);
  }

  /** Its log was cut: the agent has forgotten what it was asked for. */
  unask(link: AgentLink): void {
    this.#asks.delete(link);
  }

  /** What others have brought meanwhile the agent may have dropped: it is not waited for. */
  #forgetFilled(): void {
    if (this.#asks.size === 0) return;
    const { id, fills } = this.#partition;
    const lacking = mergedRanges(fills.flatMap((lane) => lane.lacking(id)));
    for (const [link, { next: startOffset, until: nextOffset }] of this.#asks)
      if (commonRanges(lacking, [{ startOffset, nextOffset }]).length === 0) this.#asks.delete(link);
  }

  /** Asks for what is wanted, where somebody has it. */
  look(): void {
    this.#forgetFilled();
    if (this.#held.size === 0) return;
    const { id, fills } = this.#partition;
    const wanted = mergedRanges(fills.flatMap((lane) => lane.wanted(id)));
    if (wanted.length === 0) return;
    for (const [link, held] of this.#held) {
      if (this.#asks.has(link)) continue;
      const asked = [...this.#asks.values()].map((a) => ({ startOffset: a.next, nextOffset: a.until }));
      const [range] = commonRanges(mergedRanges(held), withoutRanges(wanted, asked));
      if (range === undefined) continue;
      const ask = { epoch: this.#epoch++, next: range.startOffset, until: range.nextOffset };
      this.#asks.set(link, ask);
      const { topic, partition } = id;
      this.#events.fillAsked({ agent: link.agentId, topic, partition, ...range });
      link.fill(id, range, ask.epoch);
    }
  }

  /** A segment under a fill's epoch. `take` counts its bytes for so many holders. */
  segment(
    link: AgentLink,
    { segment, epoch }: { readonly segment: Segment; readonly epoch: number },
    take: (holders: number) => StagedBytes,
  ): 'staged' | 'skipped' | 'stale' {
    const ask = this.#asks.get(link);
    if (ask?.epoch !== epoch) return 'stale';
    this.#lacks(link, { startOffset: ask.next, nextOffset: segment.startOffset });
    const parts = this.#partition.fills.flatMap((lane) =>
      lane.partsOf(segment).map((part) => ({ lane, part })),
    );
    if (parts.length > 0) {
      const held = take(parts.length);
      for (const { lane, part } of parts) lane.stage(segment, part, held);
    }
    // What nobody took will not be taken the next time either.
    const taken = parts.map(({ part }) => part);
    for (const range of withoutRanges([segment], taken)) this.#lacks(link, range);
    this.#answered(link, ask, segment.nextOffset);
    return parts.length === 0 ? 'skipped' : 'staged';
  }

  /** As if the stream did not have it: no window may ever depend on it. */
  turnAway(
    link: AgentLink,
    { segment, epoch }: { readonly segment: Segment; readonly epoch: number },
    reason: string,
  ): 'stale' {
    const { topic, partition, startOffset: offset } = segment;
    this.#events.segmentTurnedAway({ agent: link.agentId, topic, partition, offset, reason });
    this.denied(link, { ...segment, reason }, epoch);
    return 'stale';
  }

  /** The stream does not have this part of what it was asked for. */
  denied(link: AgentLink, gap: GapNotice, epoch: number): void {
    const ask = this.#asks.get(link);
    if (ask?.epoch !== epoch) return;
    this.#lacks(link, { startOffset: Math.min(ask.next, gap.startOffset), nextOffset: gap.nextOffset });
    this.#answered(link, ask, gap.nextOffset);
  }

  #lacks(link: AgentLink, range: OffsetRange): void {
    if (range.startOffset >= range.nextOffset) return;
    this.#held.set(link, withoutRanges(this.#held.get(link) ?? [], [range]));
  }

  #answered(link: AgentLink, ask: Ask, next: number): void {
    ask.next = Math.max(ask.next, next);
    if (ask.next < ask.until) return;
    this.#asks.delete(link);
    this.look();
  }
}
