// What a chaos run prints in the end: how often each fault happened, what was wrong, and as its last line the
// verdict with what is needed to repeat it. Pure.
import type { FaultCount, Journal } from './journal.ts';
import { acknowledged, type NumberedProducer } from './numbered-producer.ts';
import { type ChaosOptions, repeatCommand } from './options.ts';

export interface Outcome {
  readonly options: ChaosOptions;
  readonly directory: string;
  /** Faults that cannot be made on this machine, and why. */
  readonly skipped: readonly string[];
  readonly journal: Pick<Journal, 'counts' | 'faults' | 'violations' | 'elapsedMs'>;
  readonly producers: readonly NumberedProducer[];
}

export function report({ options, directory, skipped, journal, producers }: Outcome): string {
  const { counts, faults, violations, elapsedMs } = journal;
  const unconfirmed = producers.reduce((sum, { numbers }) => sum + numbers.unconfirmed.size, 0);
  const seconds = (elapsedMs / 1e3).toFixed(0);
  const { minutes, seed, sites } = options;
  const lines = [
    `chaos, seed ${seed}: ${minutes} minutes of faults, ${sites} agents and collectors`,
    ...[...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(countLine),
    ...skipped.map((what) => `  skipped  ${what}`),
    `records ${acknowledged(producers)}, unconfirmed ${unconfirmed}, faults ${faults}, seconds ${seconds}`,
    ...violations.map((what) => `✖ ${what}`),
    violations.length === 0
      ? `chaos passed (seed ${seed}): every acknowledged record is in each of its tables exactly once`
      : `chaos failed; evidence in ${directory}; repeat with: ${repeatCommand(options)}`,
  ];
  return `${lines.join('\n')}\n`;
}

function countLine([kind, { times, requests, noticed }]: readonly [string, FaultCount]): string {
  const more = [
    ...(requests > 0 ? [`${requests} requests`] : []),
    ...(noticed > 0 ? [`noticed ${noticed} times`] : []),
  ].join(', ');
  return `${String(times).padStart(9)}  ${more === '' ? kind : `${kind.padEnd(46)} ${more}`}`;
}
