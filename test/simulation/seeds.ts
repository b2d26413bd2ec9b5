// Many seeds, dealt out to processes: what failed, and what happened over all of them.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { FaultKind } from './profile.ts';
import type { SimulationResult } from './simulation.ts';

export interface SeedsRequest {
  readonly from: number;
  readonly count: number;
  readonly processes: number;
  /** Faults that no seed gets. */
  readonly without?: readonly FaultKind[];
}

/** One seed's result as it crosses a process. */
export type SeedReport = Omit<SimulationResult, 'counts'> & { readonly counts: Record<string, number> };

export interface SeedsResult {
  readonly seeds: number;
  readonly without: readonly FaultKind[];
  readonly failed: readonly SeedReport[];
  readonly counts: Readonly<Record<string, number>>;
  readonly steps: number;
  readonly records: number;
  readonly slowestDrainMs: number;
}

/** How people see a seed again. */
export function repeatCommand(seed: number, without: readonly FaultKind[] = []): string {
  const left = without.length === 0 ? '' : ` --without '${without.join(',')}'`;
  return `npm run simulate -- --from ${seed} --seeds 1 --trace${left}`;
}

export async function runSeeds(
  { from, count, processes, without = [] }: SeedsRequest,
  heard: (report: SeedReport) => void = () => {},
): Promise<SeedsResult> {
  const reports: SeedReport[] = [];
  const hear = (report: SeedReport) => {
    reports.push(report);
    heard(report);
  };
  const workers = Math.min(processes, count);
  await Promise.all(
    Array.from({ length: workers }, (_, i) =>
      runWorker({ from: from + i, to: from + count, step: workers, without }, hear),
    ),
  );
  const counts: Record<string, number> = {};
  for (const report of reports)
    for (const [kind, times] of Object.entries(report.counts)) counts[kind] = (counts[kind] ?? 0) + times;
  return {
    seeds: reports.length,
    without,
    failed: reports.filter(({ violations }) => violations.length > 0).sort((a, b) => a.seed - b.seed),
    counts,
    steps: reports.reduce((sum, { steps }) => sum + steps, 0),
    records: reports.reduce((sum, { records }) => sum + records, 0),
    slowestDrainMs: Math.max(0, ...reports.map(({ drainedAfterMs = 0 }) => drainedAfterMs)),
  };
}

interface Deal {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly without: readonly FaultKind[];
}

function runWorker({ from, to, step, without }: Deal, hear: (report: SeedReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, 'seeds-worker.ts'), [
      ...[from, to, step].map(String),
      ...without,
    ]);
    let last = from;
    child.on('message', (report: SeedReport) => {
      last = report.seed + step;
      hear(report);
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else
        reject(new Error(`the process ended with ${code} at seed ${last}: ${repeatCommand(last, without)}`));
    });
  });
}

/** For people: failures with the command that repeats each, then counts. */
export function describeSeeds(result: SeedsResult): string {
  const failures = result.failed.map(
    ({ seed, violations }) =>
      `seed ${seed}\n  ${violations.join('\n  ')}\n  → ${repeatCommand(seed, result.without)}\n`,
  );
  const counts = Object.entries(result.counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, times]) => `  ${String(times).padStart(8)}  ${kind}`);
  const { seeds, failed, records, steps, slowestDrainMs } = result;
  const head = `${seeds} seeds, ${failed.length} failed; ${records} records, ${steps} steps, slowest drain ${(slowestDrainMs / 1e3).toFixed(1)} s`;
  return [...failures, ...counts, head, ''].join('\n');
}
