// Everything that one seed's simulation is made of, and what its parts tell each other: time, chance, trace,
// network, the two clouds, and the oracle that hears of every effect.
import type { OffsetRange } from '@sluice/shared/offset-range.ts';
import type { PartitionId } from '@sluice/shared/position.ts';
import { type LakeObject, LakeOracle, type OracleTable } from '../support/lake-oracle.ts';
import { names } from '../support/oracle-table.ts';
import { SimBucket } from './bucket.ts';
import { SimGlue } from './catalog.ts';
import { Chance } from './chance.ts';
import { SimKafka } from './kafka.ts';
import { PartitionLog } from './kafka-log.ts';
import { LinkFabric } from './link.ts';
import { Network } from './network.ts';
import { drawProfile, type FaultKind, type Profile } from './profile.ts';
import type { Sabotage } from './sabotage.ts';
import { Trace } from './trace.ts';
import { simulatedTables, type UnitedTopics, unitedTopics } from './united-topics.ts';
import { VirtualTime } from './virtual-time.ts';

export interface WorldOptions {
  readonly seed: number;
  /** Raw certificates by agent id. */
  readonly certificates: ReadonlyMap<string, Buffer>;
  readonly write?: ((line: string) => void) | undefined;
  readonly sabotage?: Sabotage | undefined;
  readonly change?: Partial<Profile> | undefined;
  readonly without?: readonly FaultKind[] | undefined;
}

/** Findings beyond these say nothing new. */
const VIOLATIONS_MAX = 10;
const RESTART_MS = 2_000;

export class World {
  readonly seed: number;
  readonly time = new VirtualTime();
  readonly chance: Chance;
  readonly trace: Trace;
  readonly profile: Profile;
  readonly sabotage: Sabotage | undefined;
  readonly network: Network;
  readonly kafka: SimKafka;
  readonly link: LinkFabric;
  readonly bucket: SimBucket;
  readonly glue = new SimGlue(this);
  readonly oracle: LakeOracle;
  readonly tables: readonly OracleTable[];
  readonly violations: string[] = [];
  /** Whether faults happen now. */
  faulty = true;
  /** Part of the names of what AWS denies now. */
  denied: string | undefined;
  /** Collectors that start now have the table that came later. */
  isTableAdded = false;
  /** Those of the united table, where they come and go. */
  readonly united: UnitedTopics | undefined;
  /** Whoever ends now is not started again. */
  closing = false;

  constructor({ seed, certificates, write, sabotage, change, without = [] }: WorldOptions) {
    this.seed = seed;
    this.chance = new Chance(seed);
    this.trace = new Trace(() => this.time.nowMs, write);
    const drawn = drawProfile(this.chance.stream('profile'));
    const faults = new Set([...drawn.faults].filter((kind) => !without.includes(kind)));
    this.profile = { ...drawn, faults, ...change };
    this.sabotage = sabotage;
    this.network = new Network(this);
    const logs = Object.entries(this.profile.topics).flatMap(([topic, partitions]) => {
      const topicId = this.chance.stream(topic).hex(16);
      return Array.from({ length: partitions }, (_, i) => new PartitionLog(topic, topicId, i));
    });
    this.kafka = new SimKafka(this, logs);
    this.link = new LinkFabric(this, certificates);
    this.united = unitedTopics(this.profile, this.chance);
    this.tables = simulatedTables(this.profile, this.united);
    this.bucket = new SimBucket({
      created: (key, object, replaced) => {
        if (/^_sluice\/ledger\/.*"why":"[^"]*nobody is known to read its log/.test(`${key}${object.bytes}`))
          this.trace.count('opened by a spool alone');
        this.oracle.created(key, object, replaced);
      },
      removed: (key) => this.oracle.removed(key),
    });
    this.bucket.unconditional = sabotage === 'conditional writes are not';
    this.oracle = new LakeOracle({
      tables: this.tables,
      partitions: this.kafka.incarnations,
      lake: {
        object: (key): LakeObject | undefined => this.bucket.objects.get(key),
        registered: (table, prefix) => this.glue.isRegistered(table, prefix),
        locations: (table) => this.glue.all(table).map(({ location }) => location),
        keys: (prefix) => [...this.bucket.objects.keys()].filter((key) => key.startsWith(prefix)),
      },
      violated: (what) => this.violated(what),
    });
  }

  violated(what: string): void {
    this.trace.say('oracle', `✖ ${what}`);
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(`${this.seconds()} s: ${what}`);
  }

  seconds(): string {
    return (this.time.nowMs / 1e3).toFixed(3);
  }

  /** A supervisor starts what has ended, after a while. */
  restart(start: () => void): void {
    if (this.closing) return;
    this.time.after(100 + this.chance.spread(RESTART_MS), () => {
      if (!this.closing) start();
    });
  }

  /** By some table of the config as it is now. */
  isRead(topic: string): boolean {
    return this.tables.some((table) => names(table, topic));
  }

  denies(what: string): boolean {
    return this.faulty && this.denied !== undefined && what.includes(this.denied);
  }

  onGroupOffset(topic: string, partition: number, nextOffset: number): void {
    this.trace.say('kafka', `group ${topic}/${partition} ${nextOffset}`);
    // A group knows topics by their names alone: whoever has not heard yet commits for the one before.
    const logs = this.kafka.incarnations.filter((log) => log.topic === topic && log.partition === partition);
    const meant = logs.findLast((log) => this.oracle.reached(log) >= nextOffset) ?? logs.at(-1);
    if (meant !== undefined) this.oracle.acknowledged('the group offset', meant, nextOffset);
  }

  /** Whether that much of the topic as it is now was ever queryable. */
  isShown({ topic, partition }: { topic: string; partition: number }, offset: number): boolean {
    const log = this.kafka.log(topic, partition);
    return log !== undefined && this.oracle.reached(log) >= offset;
  }

  onSpoolDropped(
    id: PartitionId,
    { nextOffset, openGaps }: { readonly nextOffset: number; readonly openGaps: readonly OffsetRange[] },
  ): void {
    this.oracle.acknowledged('the spool', id, nextOffset);
    this.oracle.forgotten('the spool', id, { nextOffset, openGaps });
  }
}
