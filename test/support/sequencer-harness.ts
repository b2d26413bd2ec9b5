// A sequencer with real lanes over ledgers in memory, and streams that write down what they are told.
import type { AgentLink, PartitionLog, TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createSequencer } from '@sluice/collector/window/sequencer.ts';
import type { StagedPayloads } from '@sluice/collector/window/staged-payloads.ts';
import { createStagingBudget } from '@sluice/collector/window/staging-budget.ts';
import { createTableLane } from '@sluice/collector/window/table-lane.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { rangeSegment } from './fake-spool.ts';
import { transformDouble, type WriterDouble, writerDouble } from './lane-doubles.ts';
import { manualClock } from './manual-clock.ts';
import { seededRandom } from './seeded-random.ts';
import { temporaryDirectory } from './temp.ts';

const workDir = temporaryDirectory();

export interface LinkDouble extends AgentLink {
  /** What it was told, in words. */
  readonly told: string[];
  /** What Kafka says to its agent; undefined while that cannot ask. */
  logs: readonly PartitionLog[] | undefined;
}

let streams = 0;
export function linkOf(): LinkDouble {
  const told: string[] = [];
  const double: LinkDouble = {
    logs: undefined,
    look: async () => double.logs,
    agentId: 'plant-7',
    streamId: ++streams,
    told,
    welcomed: (positions) => {
      for (const { received, ...partition } of positions)
        told.push(`welcomed ${partitionName(partition)} ${received}`);
    },
    committed: (positions) => {
      for (const { partition, nextOffset } of positions)
        told.push(`committed ${partitionName(partition)} ${nextOffset}`);
    },
    fill: (partition, { startOffset, nextOffset }, epoch) =>
      void told.push(`fill ${partitionName(partition)} [${startOffset}, ${nextOffset}) epoch ${epoch}`),
    readHistory: (partition, { startOffset, nextOffset }, { epoch }) =>
      void told.push(`history ${partitionName(partition)} [${startOffset}, ${nextOffset}) epoch ${epoch}`),
    rewind: (partition, offset, epoch) =>
      void told.push(`rewind ${partitionName(partition)} ${offset} epoch ${epoch}`),
    refused: (topic, code) => void told.push(`refused ${topic} ${code}`),
    hold: (topic) => void told.push(`hold ${topic}`),
    release: (topic) => void told.push(`release ${topic}`),
    creditFreed: () => {},
    drain: () => {},
  };
  return double;
}

export function declaredOf(partition = 0, topic = 'claims') {
  const { topicId } = rangeSegment(0, 1);
  const log = { leaderEpoch: 0, logStart: 0, logEnd: 1_000, spoolStart: 0, spoolNext: 0, spoolRuns: [] };
  return { topic, topicId, partition, ...log, readsLog: true, startAt: undefined };
}

export interface Wanted {
  readonly name: string;
  readonly topic?: string;
  /** Instead: several as one table. */
  readonly topics?: readonly string[];
  readonly startAt?: 'earliest' | 'latest';
  readonly whenParked?: 'hold' | 'detach';
  readonly version?: string;
  readonly backfill?: 'earliest';
}

export function sequencerOf({
  tables = [{ name: 'claims' }] as readonly Wanted[],
  bytesMax = 10_000,
  windowBytes = 2 ** 30,
  /** Where payloads are kept, if not in memory. */
  payloads = undefined as Pick<StagedPayloads, 'keep'> | undefined,
} = {}) {
  const clock = manualClock();
  const transformer = transformDouble();
  const events = createEvents(silentLogger, createMetrics());
  const create = (
    { name, topic = 'claims', topics, startAt, whenParked = 'hold', version = 'v1', backfill }: Wanted,
    joins = false,
  ) => {
    const writer = writerDouble();
    const table = {
      name,
      ...(topics === undefined ? { topic } : { topics }),
      startAt,
      whenParked,
      backfill,
      windowLengthMs: 100_000,
      configVersion: version,
      windowBytesMax: windowBytes,
      partitionBy: [] as TableConfig['partitionBy'],
    } as TableConfig;
    const random = seededRandom(1);
    const lane = createTableLane({
      table,
      joins,
      writer,
      transformer,
      workDir,
      clock,
      random,
      events,
    });
    return { lane, writer };
  };
  const lanes = tables.map((wanted) => create(wanted));
  const budget = createStagingBudget(bytesMax, () => {}, payloads);
  const sequencer = createSequencer({ tables: lanes, budget, clock, events });
  const writers = Object.fromEntries(tables.map(({ name }, i) => [name, lanes[i]?.writer as WriterDouble]));
  return { sequencer, writers, budget, clock, transformer, lanes, create };
}

/** Until every lane has committed what it closed. */
export async function rest({ lanes }: Pick<ReturnType<typeof sequencerOf>, 'lanes'>): Promise<void> {
  await Promise.all(lanes.map(({ lane }) => lane.drained()));
}

export async function declared(parts = sequencerOf()) {
  const link = linkOf();
  const [position] = await parts.sequencer.declare(link, [declaredOf()]);
  const send = (start: number, next: number, epoch = 0, from: AgentLink = link) =>
    parts.sequencer.segment(from, rangeSegment(start, next), epoch);
  return { ...parts, link, position, send };
}
