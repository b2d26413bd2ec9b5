// `verify --kafka`: where each table stands beside Kafka's own logs. The collector never reaches into the
// site: a running one asks its agents, and this asks that one over its HTTP port. The ledgers are read first
// and Kafka is asked afterwards, so that no table can seem to be ahead because it went on meanwhile.
import { SluiceError } from '@sluice/shared/errors.ts';
import { whyFetchFailed } from '@sluice/shared/fetch-failure.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { z } from 'zod';
import type { PartitionLog, TableConfig } from '../../contracts.ts';
import { readsTopic, topicsOf } from '../../table-topics.ts';
import type { TableVerdict } from './audit.ts';
import { type Finding, finding } from './findings.ts';

/** The collector waits for its agents for less. */
const ANSWER_MS_MAX = 20_000;

/**
 * equal: it has all that Kafka lets a consumer read. behind: it lacks `offsets`. ahead, lost: findings.
 * recreated: Kafka has another topic of this name now. unopened: Kafka has it, and the table no position yet.
 * unseen: no agent answered for it, so nothing is known.
 */
export type Standing = 'equal' | 'behind' | 'ahead' | 'lost' | 'recreated' | 'unopened' | 'unseen';

export interface KafkaStanding {
  readonly table: string;
  readonly partition: string;
  readonly topicId: string;
  readonly standing: Standing;
  /** Where the table goes on. */
  readonly next: number | undefined;
  readonly logStart: number | undefined;
  /** Last stable offset. */
  readonly logEnd: number | undefined;
  /** How many it is behind, ahead, or has lost. */
  readonly offsets: number | undefined;
  /** Who asked Kafka. */
  readonly agent: string | undefined;
}

const offset = z.int().min(0);
const kafkaDocument = z.object({
  agents: z.array(
    z.object({
      agentId: z.string(),
      partitions: z.array(
        z.object({
          topic: z.string(),
          topicId: z.string(),
          partition: offset,
          logStart: offset,
          logEnd: offset,
        }),
      ),
    }),
  ),
});
export interface KafkaAnswer {
  readonly agentId: string;
  readonly partitions: readonly PartitionLog[];
}
export type KafkaAnswers = readonly KafkaAnswer[];

/** COLLECTOR_UNREACHABLE. */
export async function askCollector(base: string): Promise<KafkaAnswers> {
  const url = `${base.replace(/\/+$/, '')}/kafka`;
  const refused = (message: string, cause?: unknown) =>
    new SluiceError('COLLECTOR_UNREACHABLE', message, { place: url, cause });
  let body: unknown;
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (!reply.ok) throw new Error(`it answers ${reply.status}`);
    body = await reply.json();
  } catch (error) {
    throw refused(`${url}: ${whyFetchFailed(error)}`, error);
  }
  const parsed = kafkaDocument.safeParse(body);
  if (!parsed.success) throw refused('it answers something else: is it a collector of this version?');
  return parsed.data.agents;
}

type Answer = PartitionLog & { readonly agent: string };

/** Of the tables that were judged; in their order. */
export function compareWithKafka(
  tables: readonly { readonly config: TableConfig; readonly verdict: TableVerdict }[],
  agents: KafkaAnswers,
): { readonly standings: readonly KafkaStanding[]; readonly findings: readonly Finding[] } {
  const answers = agents.flatMap(({ agentId: agent, partitions }) =>
    partitions.map((p) => ({ ...p, agent })),
  );
  const standings = tables.flatMap(({ config, verdict }) => {
    const asked = answers.filter(({ topic }) => readsTopic(config, topic));
    const known = verdict.partitions.map((p) => standingOf(verdict.table, p, asked));
    const isKnown = (a: Answer) =>
      verdict.partitions.some((p) => p.partition === partitionName(a) && p.topicId === a.topicId);
    const unopened = asked.filter((a) => !isKnown(a)).map((a) => unopenedStanding(verdict.table, a));
    const found = [...known, ...distinct(unopened)];
    const isFound = (topic: string) => found.some(({ partition }) => topicOfName(partition) === topic);
    const unseen = topicsOf(config).filter((topic) => !isFound(topic));
    return [...found, ...unseen.map((topic) => unseenTopic(verdict.table, topic))];
  });
  return { standings, findings: standings.flatMap(findingOf) };
}

/** `partitionName`, read. */
function topicOfName(partition: string): string {
  return partition.slice(0, partition.lastIndexOf('-'));
}

function standingOf(
  table: string,
  { partition, topicId, next }: TableVerdict['partitions'][number],
  asked: readonly Answer[],
): KafkaStanding {
  const named = asked.filter((a) => partitionName(a) === partition);
  const answer = named.find((a) => a.topicId === topicId);
  const at = { table, partition, topicId, next };
  if (answer === undefined) {
    const standing = named.length > 0 ? 'recreated' : 'unseen';
    return {
      ...at,
      standing,
      logStart: undefined,
      logEnd: undefined,
      offsets: undefined,
      agent: named[0]?.agent,
    };
  }
  const { logStart, logEnd, agent } = answer;
  const told = { ...at, logStart, logEnd, agent };
  if (next > logEnd) return { ...told, standing: 'ahead', offsets: next - logEnd };
  if (next < logStart) return { ...told, standing: 'lost', offsets: logStart - next };
  return { ...told, standing: next === logEnd ? 'equal' : 'behind', offsets: logEnd - next };
}

/** A table that has no partition yet, of a topic that nobody has asked Kafka about. */
function unseenTopic(table: string, topic: string): KafkaStanding {
  const unknown = { next: undefined, logStart: undefined, logEnd: undefined, offsets: undefined };
  return { table, partition: topic, topicId: '', standing: 'unseen', ...unknown, agent: undefined };
}

function unopenedStanding(
  table: string,
  { topicId, logStart, logEnd, agent, ...slot }: Answer,
): KafkaStanding {
  const told = { logStart, logEnd, agent, offsets: logEnd - logStart };
  return { table, partition: partitionName(slot), topicId, next: undefined, ...told, standing: 'unopened' };
}

/** Two agents may both have answered for a partition that moved between them. */
function distinct(standings: readonly KafkaStanding[]): KafkaStanding[] {
  return [...new Map(standings.map((s) => [`${s.partition}/${s.topicId}`, s])).values()];
}

function findingOf({ table, partition: place, standing, ...at }: KafkaStanding): Finding[] {
  const where = `the table goes on at ${at.next}, and Kafka has [${at.logStart}, ${at.logEnd})`;
  if (standing === 'ahead')
    return [
      finding('KAFKA_LOG_BEHIND', { table, place }, `${where}: ${at.offsets} offsets are not in Kafka`),
    ];
  if (standing === 'lost')
    return [
      finding(
        'KAFKA_LOG_AHEAD',
        { table, place },
        `${where}: ${at.offsets} offsets are gone, and no gap says so`,
      ),
    ];
  return [];
}

/** One line of the report. */
export function describeStanding({ partition, standing, logEnd, offsets, agent }: KafkaStanding): string {
  const by = agent === undefined ? '' : ` (asked by ${agent})`;
  switch (standing) {
    case 'equal':
      return `${partition}: equal to Kafka's last stable offset ${logEnd}${by}`;
    case 'behind':
      return `${partition}: ${offsets} offsets behind Kafka's last stable offset ${logEnd}${by}`;
    case 'ahead':
      return `${partition}: ${offsets} offsets ahead of Kafka's last stable offset ${logEnd}${by}`;
    case 'lost':
      return `${partition}: ${offsets} offsets below the start of Kafka's log, without a gap${by}`;
    case 'recreated':
      return `${partition}: Kafka has another topic of this name now${by}`;
    case 'unopened':
      return `${partition}: not opened yet; Kafka has ${offsets} offsets of it${by}`;
    case 'unseen':
      return `${partition}: no verdict: no agent that reads it is connected to that collector, or answered`;
  }
}
