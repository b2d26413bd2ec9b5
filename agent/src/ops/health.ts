// What the agent says about itself: a verdict, and for everything that waits who waits for whom and since
// when. Never flowing while something waits and does not move. Pure.
import type { HealthReport, Verdict } from '@sluice/shared/ops-server.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { formatBytes, formatDuration } from '@sluice/shared/units.ts';
import type { GapNotice, OffsetRange, SourceStatus, SpoolStatus, UplinkStatus } from '../contracts.ts';

/** Older unacknowledged data than this is not flowing: three windows of the default length. */
const UNACKNOWLEDGED_MS_MAX = 300_000;
/** A link or source that is down for less than this is a reconnect, not a state. */
const SETTLING_MS = 15_000;
/**
 * A transaction that is open for longer hides what is committed behind it from every reader. Kafka's own
 * limit, transaction.max.timeout.ms, is three times as long.
 */
export const OPEN_TRANSACTION_MS_MAX = 300_000;
/**
 * An fsync may take its time on a bad disk; a thread that is silent for longer than this will not come back.
 */
const SPOOL_SILENT_MS_MAX = 120_000;

export interface AgentFacts {
  readonly source: SourceStatus;
  readonly spool: SpoolStatus;
  readonly uplink: UplinkStatus;
  /** Topics that the collector refuses, with its words. */
  readonly refused: ReadonlyMap<string, string>;
  /** Topics that are not read on, with the reason. */
  readonly held: ReadonlyMap<string, string>;
  readonly gaps: readonly GapNotice[];
  /** Spooled data that wait for what another agent has to bring. */
  readonly waiting: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly missing: OffsetRange;
    readonly sinceMs: number;
  }[];
  readonly wallMs: number;
}

export function judgeHealth(facts: AgentFacts): HealthReport {
  const { source, spool, uplink, wallMs } = facts;
  const reasons: string[] = [];
  const linkDownMs = uplink.state === 'connected' ? 0 : wallMs - uplink.sinceMs;
  if (source.state !== 'running')
    reasons.push(`Kafka: ${source.state}${source.reason === undefined ? '' : `, ${source.reason}`}`);
  if (linkDownMs > SETTLING_MS)
    reasons.push(
      `link: no collector for ${formatDuration(linkDownMs)}${uplink.lastError === undefined ? '' : `, ${uplink.lastError}`}`,
    );
  if (spool.fault !== undefined) reasons.push(`spool: ${diskReason(spool, wallMs)}`);
  if (spool.silentMs > SETTLING_MS) reasons.push(`spool: ${silence(spool.silentMs)}`);
  for (const partition of source.partitions) {
    const since = partition.openTransactionSinceMs;
    if (since !== undefined && wallMs - since > OPEN_TRANSACTION_MS_MAX)
      reasons.push(`${partitionName(partition)} waits: ${openTransaction(since)}`);
  }
  for (const [topic, reason] of facts.held) reasons.push(`topic ${topic} waits: ${reason}`);
  for (const [topic, reason] of facts.refused)
    reasons.push(`topic ${topic} is refused: ${reason}${spooledOf(topic, spool)}`);
  for (const gap of facts.gaps)
    reasons.push(
      `gap: ${partitionName(gap)} [${gap.startOffset}, ${gap.nextOffset}) is no longer in Kafka (${gap.reason})`,
    );
  reasons.push(...waitingReasons(facts));
  const age = oldestAge(spool, wallMs);
  if (age !== undefined && age > UNACKNOWLEDGED_MS_MAX)
    reasons.push(`collector: the oldest spooled segment has waited ${formatDuration(age)} for its commit`);
  return {
    verdict: verdictOf(facts, reasons, linkDownMs),
    reasons,
    ready: source.state === 'running' && uplink.state === 'connected',
    detail: detailOf(facts, age),
  };
}

/** Nobody takes it: it keeps its room until somebody does. */
function spooledOf(topic: string, { partitions }: SpoolStatus): string {
  const bytes = partitions.reduce((sum, p) => sum + (p.topic === topic ? p.bytes : 0), 0);
  return bytes === 0 ? '' : `; ${formatBytes(bytes)} of it stay in the spool`;
}

function waitingReasons({ waiting, wallMs }: AgentFacts): string[] {
  return waiting
    .filter(({ sinceMs }) => wallMs - sinceMs > UNACKNOWLEDGED_MS_MAX)
    .map(({ missing: { startOffset, nextOffset }, sinceMs, ...slot }) => {
      const waits = `${partitionName(slot)} from ${nextOffset} on has waited ${formatDuration(wallMs - sinceMs)}`;
      return `spool: ${waits} for [${startOffset}, ${nextOffset}), which another agent has to bring`;
    });
}

/**
 * What the watchdog asks: would a restart help? Kafka, the collector and a full disk are waited for; a spool
 * thread that ended or hangs is not. That the event loop turns needs no question: a timer of it asks.
 */
export function isAlive(spool: SpoolStatus): boolean {
  return spool.silentMs <= SPOOL_SILENT_MS_MAX;
}

function diskReason({ disk, fault, faultSinceMs = 0 }: SpoolStatus, wallMs: number): string {
  const how = disk === 'no inodes' ? 'the disk has no inodes' : `the disk is ${disk}`;
  return `${how} for ${formatDuration(wallMs - faultSinceMs)}: ${fault}`;
}

function silence(ms: number): string {
  return Number.isFinite(ms)
    ? `the disk has not answered for ${formatDuration(ms)}`
    : 'its thread has ended; restart the agent';
}

function openTransaction(sinceMs: number): string {
  return `open transaction since ${new Date(sinceMs).toISOString()}`;
}

function verdictOf({ source, uplink }: AgentFacts, reasons: readonly string[], linkDownMs: number): Verdict {
  if (source.state === 'starting' && uplink.state === 'connecting' && reasons.length < 2) return 'unknown';
  // Before the first Welcome nothing has flowed yet, however short that wait is.
  if (reasons.length === 0) return uplink.collectorId === undefined ? 'unknown' : 'flowing';
  return source.state !== 'running' && linkDownMs > SETTLING_MS ? 'stopped' : 'degraded';
}

function oldestAge(spool: SpoolStatus, wallMs: number): number | undefined {
  const oldest = spool.partitions.flatMap(({ oldestSpooledMs }) => oldestSpooledMs ?? []);
  return oldest.length === 0 ? undefined : wallMs - Math.min(...oldest);
}

function detailOf({ source, spool, uplink, wallMs }: AgentFacts, age: number | undefined) {
  return {
    kafka: {
      state: source.state,
      reason: source.reason,
      partitions: source.partitions.map((p) => ({
        partition: partitionName(p),
        position: p.position,
        highWatermark: p.highWatermark,
        lag: p.position === undefined ? undefined : Math.max(0, p.highWatermark - p.position),
        paused: p.paused,
        waits: p.openTransactionSinceMs === undefined ? undefined : openTransaction(p.openTransactionSinceMs),
        idle: p.idleSinceMs === undefined ? undefined : `idle since ${new Date(p.idleSinceMs).toISOString()}`,
        committedToGroup: p.committedToGroup,
      })),
    },
    spool: {
      bytes: spool.bytes,
      used: `${formatBytes(spool.bytes)} of ${formatBytes(spool.bytesMax)}`,
      files: spool.files,
      oldestUnacknowledgedSeconds: age === undefined ? 0 : Math.round(age / 1_000),
      disk: spool.disk,
      fault: spool.fault,
      filesSetAside: spool.filesSetAside,
      partitions: spool.partitions.map(({ startOffset, nextOffset, segments, ...id }) => ({
        partition: partitionName(id),
        startOffset,
        nextOffset,
        segments,
      })),
    },
    link: { ...uplink, since: formatDuration(wallMs - uplink.sinceMs) },
  };
}
