// What producers write while the faults go on: batches of numbered records, some of them malformed, some in
// transactions that end either way, some with holes as a compaction leaves them.
import type { ProducedKind } from '../support/oracle-log.ts';
import type { Chance } from './chance.ts';
import type { PartitionLog } from './kafka-log.ts';
import type { World } from './world.ts';

const RECORDS_MAX = 6;
/** A value that fills spools and windows faster. */
const LARGE_BYTES = 700;
const TRANSACTION_MS = 3_000;

export class Producers {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #logs: readonly PartitionLog[];
  #n = 0;
  #transactions = 0;
  #stopped = false;

  constructor(world: World, logs: readonly PartitionLog[]) {
    this.#world = world;
    this.#chance = world.chance.stream('producers');
    this.#logs = logs;
    for (const slot of logs.keys()) this.#writeSoon(slot);
  }

  /** Open transactions end; nothing more is written. */
  stop(): void {
    this.#stopped = true;
    for (const log of this.#logs)
      for (const id of log.openTransactions) log.endTransaction(id, this.#chance.happens(0.5), this.#nowMs());
  }

  #nowMs(): number {
    return Date.UTC(2026, 0, 1) + Math.floor(this.#world.time.nowMs);
  }

  #writeSoon(slot: number): void {
    const { time, profile, kafka } = this.#world;
    time.after(this.#chance.spread(profile.writeEveryMs), () => {
      if (this.#stopped) return;
      // No leader, no acknowledgement: the producer tries again later.
      const log = this.#logs[slot];
      if (!kafka.down && log !== undefined && !kafka.deleted.has(log.topic)) this.#write(log);
      this.#writeSoon(slot);
    });
  }

  #write(log: PartitionLog): void {
    const { profile, trace } = this.#world;
    const chance = this.#chance;
    const count = chance.between(1, RECORDS_MAX);
    const values = Array.from({ length: count }, () => this.#value());
    const transactional = chance.happens(profile.transactionShare);
    const compacted = new Set<number>();
    if (chance.happens(profile.compactedShare)) {
      const taken = chance.between(1, count);
      for (let i = 0; i < taken; i++) compacted.add(chance.between(0, count - 1));
      trace.count(compacted.size === count ? 'batch emptied by compaction' : 'hole of a compaction');
    }
    const producerId = transactional ? BigInt(++this.#transactions) : undefined;
    const codec = chance.happens(0.2) ? 'gzip' : 'none';
    log.append(values, { codec, timestamp: this.#nowMs(), producerId, compacted });
    trace.say('producer', `${log.topic}/${log.partition} up to ${log.end}${transactional ? ' (open)' : ''}`);
    if (producerId !== undefined) this.#endLater(log, producerId);
  }

  #endLater(log: PartitionLog, producerId: bigint): void {
    const { time, trace } = this.#world;
    time.after(this.#chance.spread(TRANSACTION_MS), () => {
      if (!log.openTransactions.includes(producerId)) return;
      const commits = this.#chance.happens(0.5);
      log.endTransaction(producerId, commits, this.#nowMs());
      trace.count(commits ? 'transaction committed' : 'transaction aborted');
      trace.say('producer', `${log.topic}/${log.partition} transaction ${commits ? 'committed' : 'aborted'}`);
    });
  }

  #value(): { kind: ProducedKind; n: number; value: string } {
    const chance = this.#chance;
    const n = ++this.#n;
    const fill = 'x'.repeat(chance.happens(0.1) ? LARGE_BYTES : chance.between(0, 20));
    if (chance.happens(0.08)) {
      this.#world.trace.count('malformed record');
      return { kind: 'malformed', n, value: `{"n":${n},"k":"${fill}` };
    }
    const kind = chance.happens(0.1) ? 'void' : 'good';
    return { kind, n, value: JSON.stringify({ n, kind, fill }) };
  }
}
