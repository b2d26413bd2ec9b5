// The consumer group's coordinator: members join, beat and leave; whenever that changes, all that live join
// again within a time and the partitions are dealt out anew. It keeps the group's offsets and refuses those
// of an earlier generation.
import type { GroupOffset, TopicPartition } from '@sluice/agent/source/kafka-client.ts';
import type { SimKafka } from './kafka.ts';

/** Members that are told to join again and do not are left out after this. */
const REBALANCE_MS_MAX = 8_000;

export interface CoordinatedMember {
  readonly id: string;
  readonly sessionTimeoutMs: number;
  /** Its part of a new generation; sent over the network. */
  assigned(generation: number, partitions: readonly TopicPartition[]): void;
}

interface Seat {
  readonly member: CoordinatedMember;
  readonly topics: readonly string[];
  /** Waits for the next generation. */
  joining: boolean;
  lastBeatMs: number;
}

export class GroupCoordinator {
  readonly offsets = new Map<string, number>();
  generation = 0;
  readonly #kafka: SimKafka;
  readonly #seats = new Map<string, Seat>();
  #rebalancing = false;

  constructor(kafka: SimKafka) {
    this.#kafka = kafka;
  }

  join(member: CoordinatedMember, topics: readonly string[]): void {
    const { time } = this.#kafka.world;
    this.#seats.set(member.id, { member, topics, joining: true, lastBeatMs: time.nowMs });
    this.#watch(member);
    this.#rebalance('join');
  }

  leave(memberId: string): void {
    if (this.#seats.delete(memberId)) this.#rebalance(`${memberId} left`);
  }

  /** Whether the member may go on; it must join again if not. */
  beat(memberId: string, generation: number): 'stable' | 'rebalancing' | 'unknown' {
    const seat = this.#seats.get(memberId);
    if (seat === undefined) return 'unknown';
    seat.lastBeatMs = this.#kafka.world.time.nowMs;
    return this.#rebalancing || generation !== this.generation ? 'rebalancing' : 'stable';
  }

  /** False where the generation is over. */
  commit(memberId: string, generation: number, offsets: readonly GroupOffset[]): boolean {
    const seat = this.#seats.get(memberId);
    if (seat === undefined || generation !== this.generation || this.#rebalancing) return false;
    for (const { topic, partition, nextOffset } of offsets) {
      const before = this.offsets.get(`${topic}/${partition}`) ?? 0;
      if (nextOffset < before && this.#kafka.world.isShown({ topic, partition }, before))
        this.#kafka.world.violated(
          `the group goes back from ${topic}/${partition} ${before} to ${nextOffset}`,
        );
      this.offsets.set(`${topic}/${partition}`, nextOffset);
      this.#kafka.world.onGroupOffset(topic, partition, nextOffset);
    }
    return true;
  }

  #watch(member: CoordinatedMember): void {
    const { time } = this.#kafka.world;
    time.after(member.sessionTimeoutMs / 2, () => {
      const seat = this.#seats.get(member.id);
      if (seat?.member !== member) return;
      if (time.nowMs - seat.lastBeatMs <= member.sessionTimeoutMs) this.#watch(member);
      else if (!this.#kafka.down) {
        this.#kafka.world.trace.count('group member expelled');
        this.#seats.delete(member.id);
        this.#rebalance(`${member.id} expelled`);
      } else this.#watch(member);
    });
  }

  #rebalance(why: string): void {
    const { world } = this.#kafka;
    world.trace.say('kafka', `rebalance: ${why}`);
    if (this.#rebalancing) {
      this.#completeIfAllAreHere();
      return;
    }
    if (this.#seats.size === 0) return;
    this.#rebalancing = true;
    world.time.after(REBALANCE_MS_MAX, () => {
      if (!this.#rebalancing) return;
      for (const [id, seat] of this.#seats) if (!seat.joining) this.#seats.delete(id);
      this.#complete();
    });
    world.time.after(world.network.latencyMs(), () => this.#completeIfAllAreHere());
  }

  #completeIfAllAreHere(): void {
    if (this.#rebalancing && [...this.#seats.values()].every(({ joining }) => joining)) this.#complete();
  }

  #complete(): void {
    this.#rebalancing = false;
    this.generation++;
    const seats = [...this.#seats.values()].sort((a, b) => (a.member.id < b.member.id ? -1 : 1));
    if (seats.length === 0) return;
    if (seats.length > 1) this.#kafka.world.trace.count('partitions shared by agents');
    const shares = seats.map(() => [] as TopicPartition[]);
    this.#kafka.logs.forEach(({ topic, partition }, i) => {
      // Another deal each time, so that partitions move.
      const share = shares[(i + this.generation) % seats.length];
      if (seats[0]?.topics.includes(topic)) share?.push({ topic, partition });
    });
    seats.forEach((seat, i) => {
      seat.joining = false;
      seat.lastBeatMs = this.#kafka.world.time.nowMs;
      seat.member.assigned(this.generation, shares[i] ?? []);
    });
  }
}
