// One Kafka broker from its own jars for the source's tests, Java's tools beside it, and a source whose
// handler keeps positions as the wiring does and writes down everything it is told.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type {
  PartitionInfo,
  Source,
  SourceBatch,
  SourceHandler,
  TopicSelection,
} from '@sluice/agent/contracts.ts';
import { createEvents } from '@sluice/agent/events.ts';
import { createKafkaSource } from '@sluice/agent/source/kafka-source.ts';
import type { SourceTiming } from '@sluice/agent/source/source-timing.ts';
import { BRIEF_JVM, BRIEF_PROPERTIES } from '@sluice/deploy/local/kafka-broker.ts';
import { createKafkaClient } from '@sluice/deploy/local/kafka-client.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { slotKey } from '@sluice/shared/position.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { ensureKafkaJars, kafkaJarsPath } from '../../deploy/local/kafka-jars.mjs';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/temp.ts';
import type { ToolBroker } from './log-fixture.ts';

const JAVA_OUTPUT_BYTES_MAX = 256 * 2 ** 20;
const BOOT_DEADLINE_MS = 90_000;

export interface TestBroker extends ToolBroker {
  /** Kills it as a power cut would, and starts it again on the same data. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export async function startTestBroker(): Promise<TestBroker> {
  await ensureKafkaJars();
  const directory = temporaryDirectory();
  const classPath = join(kafkaJarsPath(), '*');
  const [port, controller] = [await freePort(), await freePort()];
  const address = `127.0.0.1:${port}`;
  const dataDirectory = join(directory, 'data');
  const config = join(directory, 'server.properties');
  const quiet = join(directory, 'log4j2.properties');
  writeFileSync(config, serverProperties(address, `127.0.0.1:${controller}`, dataDirectory));
  writeFileSync(quiet, 'rootLogger.level = ERROR\nrootLogger.appenderRefs = none\n');
  const javaArgs = [...BRIEF_JVM, `-Dlog4j2.configurationFile=${quiet}`, '-cp', classPath];
  const id = 'c2x1aWNlLXRlc3QtMTIzNA';
  const format = ['kafka.tools.StorageTool', 'format', '-t', id, '-c', config];
  const formatted = spawnSync('java', [...javaArgs, ...format], { encoding: 'utf8' });
  if (formatted.status !== 0) throw new Error(`format: ${formatted.stdout}${formatted.stderr}`);
  let broker: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals) => {
    const running = broker;
    broker = undefined;
    if (running === undefined) return;
    const exited = once(running, 'exit');
    running.kill(signal);
    await exited;
  };
  const tool = async (className: string, args: readonly string[]) => {
    const options = { maxBuffer: JAVA_OUTPUT_BYTES_MAX };
    return (await promisify(execFile)('java', [...javaArgs, className, ...args], options)).stdout;
  };
  const start = async () => {
    broker = spawn('java', [...javaArgs, 'kafka.Kafka', config], { stdio: 'ignore' });
    const spawned = broker;
    process.once('exit', () => spawned.kill('SIGKILL'));
    const admin = createKafkaClient({ brokers: [address], retry: { retries: 0 } }).admin();
    await eventually('the broker answers', () => admin.connect().then(() => admin.listTopics()), {
      deadlineMs: BOOT_DEADLINE_MS,
      everyMs: 300,
    });
    await admin.disconnect();
  };
  await start();
  const kill = () => end('SIGKILL');
  const stop = async () => {
    await end('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  };
  return { address, dataDirectory, kill, start, stop, tool };
}

function serverProperties(address: string, controller: string, data: string): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@${controller}
controller.listener.names=CONTROLLER
listeners=PLAIN://${address},CONTROLLER://${controller}
advertised.listeners=PLAIN://${address}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT
inter.broker.listener.name=PLAIN
log.dirs=${data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=2
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=500
message.max.bytes=8000000
${Object.entries(BRIEF_PROPERTIES)
  .map((line) => line.join('='))
  .join('\n')}
`;
}

/** Positions of a topic's partitions, shared by the members of a group as a ledger would. */
export type Positions = Map<string, number>;

export interface RecordingSource {
  readonly source: Source;
  readonly batches: Map<string, SourceBatch[]>;
  readonly described: PartitionInfo[];
  readonly gaps: { partition: string; startOffset: number; nextOffset: number; reason: string }[];
  /** Violations: a batch that leaves a hole, or is below the position. */
  readonly faults: string[];
  /** Partitions of which Kafka’s log has the places that were asked about. */
  readonly proven: string[];
  joins: number;
}

export interface RecordingOptions {
  readonly address: string;
  readonly group: string;
  readonly topics: readonly TopicSelection[];
  readonly positions?: Positions;
  readonly timing?: Partial<SourceTiming>;
  /** Where a described partition without a position is sought; undefined leaves it paused. */
  readonly startAt?: (info: PartitionInfo) => number | undefined;
}

export async function startRecording(options: RecordingOptions): Promise<RecordingSource> {
  const positions: Positions = options.positions ?? new Map();
  const source = createKafkaSource({
    kafka: {
      brokers: [options.address],
      clientId: 'sluice-test',
      groupId: options.group,
      tls: undefined,
      sasl: undefined,
      sessionTimeoutMs: 6_000,
    },
    topics: options.topics,
    events: createEvents(silentLogger, createMetrics()),
    clock: systemClock,
    random: systemRandom,
    timing: {
      tickMs: 200,
      topicPollMs: 500,
      describeRetryMs: 500,
      restartDelayMaxMs: 2_000,
      ...options.timing,
    },
  });
  const recording: RecordingSource = {
    source,
    batches: new Map(),
    described: [],
    gaps: [],
    faults: [],
    proven: [],
    joins: 0,
  };
  await source.start(recordingHandler(recording, positions, options.startAt ?? (({ logStart }) => logStart)));
  return recording;
}

function recordingHandler(
  recording: RecordingSource,
  positions: Positions,
  startAt: (info: PartitionInfo) => number | undefined,
): SourceHandler {
  return {
    assigned(partitions) {
      recording.joins++;
      return new Map(
        partitions.map((partition) => {
          const offset = positions.get(slotKey(partition));
          return [slotKey(partition), offset === undefined ? undefined : { offset, leaderEpoch: -1 }];
        }),
      );
    },
    described(partitions) {
      recording.described.push(...partitions);
      for (const info of partitions) {
        if (positions.has(slotKey(info))) continue;
        const offset = startAt(info);
        if (offset === undefined) continue;
        positions.set(slotKey(info), offset);
        recording.source.seek(info, offset);
      }
    },
    batches(partition, batches) {
      const key = slotKey(partition);
      for (const batch of batches) {
        const position = positions.get(key) ?? -1;
        if (batch.baseOffset > position)
          recording.faults.push(`${key}: ${position} to ${batch.baseOffset} skipped`);
        if (batch.lastOffset < position)
          recording.faults.push(`${key}: ${batch.lastOffset} again at ${position}`);
        positions.set(key, batch.lastOffset + 1);
      }
      recording.batches.set(key, [...(recording.batches.get(key) ?? []), ...batches]);
    },
    gap(partition, startOffset, nextOffset, reason) {
      recording.gaps.push({ partition: slotKey(partition), startOffset, nextOffset, reason });
      positions.set(slotKey(partition), nextOffset);
    },
    truncated: (partition, cut) => void recording.faults.push(`${slotKey(partition)}: cut at ${cut.offset}`),
    proven: (partition) => void recording.proven.push(slotKey(partition)),
  };
}
