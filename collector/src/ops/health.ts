// What the collector says about itself: a verdict, and for everything that waits who waits for whom and since
// when. Never flowing while something waits and does not move. Pure.
import type { HealthReport, Verdict } from '@sluice/shared/ops-server.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { formatBytes, formatCount, formatDuration } from '@sluice/shared/units.ts';
import type { Backfill, LogBounds, TableWriterStatus } from '../contracts.ts';
import type { IngestStatus } from '../ingest/ingest.ts';
import type { LaneStatus } from '../window/lane.ts';

/** A staged record older than this many windows does not flow. */
const WINDOWS_LATE_MAX = 3;
const LATE_MS_MIN = 60_000;
const STAGING_FULL_SHARE = 0.95;
/** A ledger is read in less than this, unless something is in the way. */
const LOADING_MS_MAX = 30_000;
/** Partitions that one line names. */
const NAMED_MAX = 5;

export interface TableFacts {
  readonly lane: LaneStatus;
  readonly writer: TableWriterStatus;
  readonly windowLengthMs: number;
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly committed: number;
    readonly acknowledged: number;
    /** Offsets that another table of the topic has and this one lacks. */
    readonly behind: number;
    /** History that the table wants of it; undefined where none was begun. */
    readonly backfill: Backfill | undefined;
    /** What Kafka has, as an agent said last; undefined where none has. */
    readonly log: LogBounds | undefined;
  }[];
}

export interface CollectorFacts {
  readonly tables: readonly TableFacts[];
  readonly ingest: IngestStatus;
  readonly stagedBytes: number;
  readonly stagedBytesMax: number;
  /** How long the disk of staged records has not answered, if that is too long. */
  readonly diskSilentMs?: number | undefined;
  readonly draining: boolean;
  readonly wallMs: number;
}

export function judgeHealth(facts: CollectorFacts): HealthReport {
  const { tables, ingest, draining } = facts;
  const stuck = tables.flatMap((table) => tableReasons(table, facts.wallMs));
  const reasons = [...stuck];
  if (facts.stagedBytes >= facts.stagedBytesMax * STAGING_FULL_SHARE)
    reasons.push(
      `agents wait: ${formatBytes(facts.stagedBytes)} of windows that are not published are staged, and ` +
        `limits.stagingBytesMax is ${formatBytes(facts.stagedBytesMax)}: see the tables that wait, or raise it`,
    );
  if (facts.diskSilentMs !== undefined)
    reasons.push(
      `the disk of collector.workDir has not answered for ${formatDuration(facts.diskSilentMs)}: what is staged waits for it`,
    );
  if (ingest.daysToExpiry < 14) reasons.push(certificateReason(ingest.daysToExpiry));
  if (draining) reasons.push('draining');
  const halted = tables.filter(({ writer }) => writer.state === 'halted' || writer.state === 'parked').length;
  return {
    verdict: verdictOf(reasons.length, { halted, tables: tables.length, loading: isLoading(tables) }),
    reasons,
    ready: !draining && ingest.listening,
    detail: detailOf(facts),
  };
}

function certificateReason(days: number): string {
  if (days >= 0) return `the listener's certificate expires in ${Math.floor(days)} days: replace it by then`;
  return `the listener's certificate expired ${Math.floor(-days)} days ago, and agents refuse it: replace it`;
}

function isLoading(tables: readonly TableFacts[]): boolean {
  return tables.every(({ writer }) => writer.state === 'loading');
}

function verdictOf(reasons: number, at: { halted: number; tables: number; loading: boolean }): Verdict {
  if (at.loading) return 'unknown';
  if (reasons === 0) return 'flowing';
  return at.halted === at.tables ? 'stopped' : 'degraded';
}

function tableReasons(table: TableFacts, wallMs: number): string[] {
  const { lane, writer, windowLengthMs } = table;
  const reasons: string[] = [];
  const since = formatDuration(wallMs - writer.sinceMs);
  if (lane.isLeaving)
    reasons.push(`table ${lane.table} leaves: ${lane.windowsInFlight} windows are still written`);
  for (const topic of lane.topicsComing ?? [])
    reasons.push(`table ${lane.table} has not opened topic ${topic} yet`);
  for (const topic of lane.topicsLeaving ?? [])
    reasons.push(`topic ${topic} leaves table ${lane.table}: what came of it is still written`);
  if (writer.state !== 'ready' && writer.state !== 'loading')
    reasons.push(`table ${lane.table} is ${writer.state} for ${since}: ${writer.reason}`);
  if (writer.state === 'loading' && wallMs - writer.sinceMs > LOADING_MS_MAX)
    reasons.push(`table ${lane.table} has been reading its ledger for ${since}`);
  if (lane.waitsFor !== undefined) reasons.push(`table ${lane.table} waits: ${lane.waitsFor}`);
  const age = lane.oldestStagedMs === undefined ? 0 : wallMs - lane.oldestStagedMs;
  if (lane.detachedSinceMs !== undefined) {
    reasons.push(detachedReason(table, wallMs - lane.detachedSinceMs));
    return reasons;
  }
  if (age > Math.max(LATE_MS_MIN, WINDOWS_LATE_MAX * windowLengthMs))
    reasons.push(`table ${lane.table}: the oldest staged record has waited ${formatDuration(age)}`);
  return reasons;
}

/** At which offsets, behind by how much, and how long Kafka will still have what is lacking. */
function detachedReason({ lane, partitions }: TableFacts, sinceMs: number): string {
  const at = partitions.filter(({ behind }) => behind > 0).map((p) => `${partitionName(p)}@${p.committed}`);
  const behind = partitions.reduce((sum, p) => sum + p.behind, 0);
  const where = partitions.length === 0 ? 'its ledger is not read' : `behind by ${behind} offsets`;
  const named = at.slice(0, NAMED_MAX).join(', ') + (at.length > NAMED_MAX ? ' ...' : '');
  const place = named === '' ? where : `at ${named}, ${where}`;
  return `table ${lane.table} is detached for ${formatDuration(sinceMs)}: ${place}; ${retained(partitions)}`;
}

function retained(partitions: TableFacts['partitions']): string {
  const lost = partitions.reduce((sum, p) => sum + Math.max(0, (p.log?.logStart ?? 0) - p.committed), 0);
  if (lost > 0) return `Kafka has deleted ${lost} offsets that it lacks: they become a gap`;
  const left = partitions.map(timeToLossMs).filter((ms) => ms !== undefined);
  const only = 'only Kafka’s retention keeps what it lacks';
  return left.length === 0
    ? only
    : `${only}, for about ${formatDuration(Math.min(...left))} at its present pace`;
}

/** Until the log's start reaches the table; undefined where the start is not known to move. */
function timeToLossMs(partition: TableFacts['partitions'][number]): number | undefined {
  const { committed, behind, log } = partition;
  if (log === undefined || behind === 0 || log.startMovesPerSecond <= 0) return undefined;
  return (Math.max(0, committed - log.logStart) / log.startMovesPerSecond) * 1_000;
}

/** How far a table's history is read; undefined where none is to be. */
function backfillOf(partitions: TableFacts['partitions']): string | undefined {
  const begun = partitions.flatMap(({ backfill }) => backfill ?? []);
  if (begun.length === 0) return undefined;
  const sum = (of: (backfill: Backfill) => number) => begun.reduce((total, one) => total + of(one), 0);
  const [read, all] = [sum(({ from, next }) => next - from), sum(({ from, to }) => to - from)];
  const left = begun.filter(({ next, to }) => next < to).length;
  if (left === 0) return `history is read: ${formatCount(all)} offsets`;
  const of = `${formatCount(read)} of ${formatCount(all)} offsets`;
  return `history is being read: ${of}, ${left} of ${begun.length} partitions are left`;
}

function detailOf({ tables, ingest, stagedBytes, stagedBytesMax, wallMs }: CollectorFacts) {
  return {
    staged: `${formatBytes(stagedBytes)} of ${formatBytes(stagedBytesMax)}`,
    agents: ingest.agents,
    certificateDaysToExpiry: Math.floor(ingest.daysToExpiry),
    tables: tables.map(({ lane, writer, partitions }) => ({
      ...lane,
      state: writer.state,
      reason: writer.reason,
      ledgerEntries: writer.lastSequence + 1,
      publishedThrough: writer.publishedThrough,
      idle:
        writer.lastCommitMs === undefined || lane.oldestStagedMs !== undefined
          ? undefined
          : `idle since ${new Date(writer.lastCommitMs).toISOString()} (${formatDuration(wallMs - writer.lastCommitMs)})`,
      detachedSince:
        lane.detachedSinceMs === undefined ? undefined : new Date(lane.detachedSinceMs).toISOString(),
      backfill: backfillOf(partitions),
      partitions: partitions.map((p) => ({
        ...p,
        partition: partitionName(p),
        timeToLossSeconds: Math.round((timeToLossMs(p) ?? Number.NaN) / 1_000) || undefined,
      })),
    })),
  };
}
