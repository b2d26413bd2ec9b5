// A machine with an agent: its disk stays, its processes come and go. The agent is the product's own, on
// doubles for Kafka, disk and link.
import { createAgent } from '@sluice/agent/agent.ts';
import { type AgentConfig, agentSchema } from '@sluice/agent/config.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createKafkaSource } from '@sluice/agent/source/kafka-source.ts';
import { createLogReader } from '@sluice/agent/source/log-reader.ts';
import { createSqliteSpool } from '@sluice/agent/spool/sqlite-spool.ts';
import { createUplink } from '@sluice/agent/uplink/grpc-uplink.ts';
import { describeError } from '@sluice/shared/errors.ts';
import { SimDisk } from './disk.ts';
import { createEventLog, createNoMetrics } from './event-log.ts';
import { SimProcess } from './process.ts';
import { simSpoolThread } from './spool-thread.ts';
import type { World } from './world.ts';

const STOP_GRACE_MS = 10_000;
const SESSION_TIMEOUT_MS = 10_000;

export class AgentHost {
  readonly id: string;
  readonly disk: SimDisk;
  process: SimProcess | undefined;
  readonly #world: World;
  #starts = 0;
  #stop: ((graceMs: number) => Promise<void>) | undefined;
  #backup: ReturnType<SimDisk['copy']> | undefined;

  constructor(world: World, id: string) {
    this.#world = world;
    this.id = id;
    this.disk = new SimDisk(world.chance.stream(id).hex(8));
  }

  start(): void {
    const world = this.#world;
    const before = this.process?.wallOffsetMs ?? 0;
    const process = new SimProcess(world, `${this.id}#${++this.#starts}`, before);
    this.process = process;
    process.say('starts');
    process.onEnd(() => world.restart(() => this.start()));
    this.#run(process).catch((error: unknown) => {
      if (process.alive) world.violated(`${process.name} did not start: ${describeError(error)}`);
    });
  }

  async #run(process: SimProcess): Promise<void> {
    const world = this.#world;
    const config = this.#config();
    const random = world.chance.stream(process.name);
    const events = createEvents(createEventLog(process, world), createNoMetrics());
    const { clock } = process;
    const spool = await createSqliteSpool({
      directory: 'data',
      bytesMax: config.spool.bytesMax,
      freeSpaceMin: config.spool.freeSpaceMin,
      clock,
      events,
      openThread: simSpoolThread(world, process, this.disk),
    });
    const kafka = {
      brokers: config.kafka.brokers,
      clientId: this.id,
      groupId: config.kafka.group,
      tls: undefined,
      sasl: undefined,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
    };
    const adapter = world.kafka.adapterFor(process);
    const source = createKafkaSource({
      kafka,
      topics: Object.keys(world.profile.topics).map((name) => ({ kind: 'name', name })),
      events,
      clock,
      random,
      adapter,
    });
    const uplink = createUplink({
      address: config.collector.address,
      tls: { ca: '', cert: '', key: '' },
      segmentBytesMax: config.spool.segmentBytesMax,
      agentId: this.id,
      instanceId: spool.instanceId,
      version: '0.1.0',
      clock,
      random,
      events,
      openCall: () => world.link.openCall(process, this.id),
    });
    const logReader = createLogReader({ kafka, clock, events, adapter });
    const agent = createAgent({ config, source, logReader, spool, uplink, clock, events });
    this.#stop = (graceMs) => agent.stop(graceMs);
    this.describe = () => {
      const { state, reason, partitions } = source.status();
      process.say(`source ${state} ${reason ?? ''}`);
      for (const p of partitions)
        process.say(`  ${p.topic}/${p.partition} at ${p.position}, waits: ${p.paused.join(', ') || 'no'}`);
      for (const { topic, partition, runs } of spool.status().partitions)
        process.say(`spool  ${topic}/${partition} ${JSON.stringify(runs)}`);
      process.say(`uplink ${JSON.stringify(uplink.status())}`);
    };
    await agent.start();
  }

  /** Where it stands, into the trace. */
  describe: () => void = () => {};

  /** As systemd stops it. */
  async stop(): Promise<void> {
    const { process } = this;
    const stop = this.#stop;
    if (process === undefined || !process.alive || stop === undefined) return;
    process.say('is told to stop');
    await Promise.race([
      stop(STOP_GRACE_MS),
      process.ended,
      process.clock.sleep(STOP_GRACE_MS + 5_000),
    ]).catch((error: unknown) => process.say(`stop failed: ${describeError(error)}`));
    process.say('stopped');
    process.end();
  }

  crash(why: string): void {
    this.process?.crash(why);
    this.#stop = undefined;
  }

  backUp(): void {
    this.#backup = this.disk.copy();
  }

  /** False where there is no copy. */
  restore(): boolean {
    if (this.#backup === undefined) return false;
    this.disk.restore(this.#backup);
    this.#backup = undefined;
    return true;
  }

  #config(): AgentConfig {
    const { profile } = this.#world;
    const tls = { ca: 'ca', cert: 'cert', key: 'key' };
    const parsed = agentSchema.parse({
      agent: { id: this.id },
      kafka: { brokers: ['kafka:9092'], group: 'sluice' },
      topics: Object.keys(profile.topics),
      collector: { address: 'collector:8443', tls },
      spool: { freeSpaceMin: '1MiB' },
    });
    const { spoolBytesMax: bytesMax, segmentBytesMax, lingerMs: linger, compression } = profile;
    const spool = { ...parsed.spool, bytesMax, segmentBytesMax, linger, compression };
    return { ...parsed, spool, directory: 'data' };
  }
}
