// What the collector says about itself: a verdict, and for everything that waits who waits for whom and since
// when. Never flowing while something waits and does not move. Pure.
import type { HealthReport, Verdict } from '@sluice/shared/ops-server.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { formatBytes, formatDuration } from '@sluice/shared/units.ts';
import type { TableWriterStatus } from '../contracts.ts';
import type { IngestStatus } from '../ingest/ingest.ts';
import type { LaneStatus } from '../window/table-lane.ts';

/** A staged record older than this many windows does not flow. */
const WINDOWS_LATE_MAX = 3;
const LATE_MS_MIN = 60_000;
const STAGING_FULL_SHARE = 0.95;
/** A ledger is read in less than this, unless something is in the way. */
const LOADING_MS_MAX = 30_000;

export interface TableFacts {
  readonly lane: LaneStatus;
  readonly writer: TableWriterStatus;
  readonly windowLengthMs: number;
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly committed: number;
    readonly acknowledged: number;
  }[];
}

export interface CollectorFacts {
  readonly tables: readonly TableFacts[];
  readonly ingest: IngestStatus;
  readonly stagedBytes: number;
  readonly stagedBytesMax: number;
  readonly draining: boolean;
  readonly wallMs: number;
}

export function judgeHealth(facts: CollectorFacts): HealthReport {
  const { tables, ingest, draining } = facts;
  const stuck = tables.flatMap((table) => tableReasons(table, facts.wallMs));
  const reasons = [...stuck];
  if (facts.stagedBytes >= facts.stagedBytesMax * STAGING_FULL_SHARE)
    reasons.push(`agents wait: ${formatBytes(facts.stagedBytes)} are staged, the limit is reached`);
  if (ingest.daysToExpiry < 14)
    reasons.push(`the listener's certificate expires in ${Math.floor(ingest.daysToExpiry)} days`);
  if (draining) reasons.push('draining');
  const halted = tables.filter(({ writer }) => writer.state === 'halted' || writer.state === 'parked').length;
  return {
    verdict: verdictOf(reasons.length, { halted, tables: tables.length, loading: isLoading(tables) }),
    reasons,
    ready: !draining && ingest.listening,
    detail: detailOf(facts),
  };
}

function isLoading(tables: readonly TableFacts[]): boolean {
  return tables.every(({ writer }) => writer.state === 'loading');
}

function verdictOf(reasons: number, at: { halted: number; tables: number; loading: boolean }): Verdict {
  if (at.loading) return 'unknown';
  if (reasons === 0) return 'flowing';
  return at.halted === at.tables ? 'stopped' : 'degraded';
}

function tableReasons({ lane, writer, windowLengthMs }: TableFacts, wallMs: number): string[] {
  const reasons: string[] = [];
  const since = formatDuration(wallMs - writer.sinceMs);
  if (writer.state !== 'ready' && writer.state !== 'loading')
    reasons.push(`table ${lane.table} is ${writer.state} for ${since}: ${writer.reason}`);
  if (writer.state === 'loading' && wallMs - writer.sinceMs > LOADING_MS_MAX)
    reasons.push(`table ${lane.table} has been reading its ledger for ${since}`);
  if (lane.waitsFor !== undefined) reasons.push(`table ${lane.table} waits: ${lane.waitsFor}`);
  const age = lane.oldestStagedMs === undefined ? 0 : wallMs - lane.oldestStagedMs;
  if (age > Math.max(LATE_MS_MIN, WINDOWS_LATE_MAX * windowLengthMs))
    reasons.push(`table ${lane.table}: the oldest staged record has waited ${formatDuration(age)}`);
  return reasons;
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
      partitions: partitions.map((p) => ({ ...p, partition: partitionName(p) })),
    })),
  };
}
