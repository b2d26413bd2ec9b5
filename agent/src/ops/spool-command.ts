// `sluice-agent spool status|reset`: what a spool holds while the agent does not run, whether Kafka still has
// it, and a way past a spool that cannot be used. A reset renames, and never deletes; it says first what
// would be missed.
import { existsSync, renameSync } from 'node:fs';
import type { Clock } from '@sluice/shared/clock.ts';
import { UsageError } from '@sluice/shared/command-line.ts';
import { describeError } from '@sluice/shared/errors.ts';
import { EXIT } from '@sluice/shared/process-life.ts';
import type { KafkaSettings } from '../contracts.ts';
import { askLogBounds, type LogBounds } from '../source/log-bounds.ts';
import { holdSpool, inspectSpool, spoolRoot } from '../spool/inspect-spool.ts';
import { type KafkaAnswer, reportSpool, type SpoolReport } from './spool-report.ts';

export interface SpoolCommandOptions {
  /** The agent's data directory. */
  readonly directory: string;
  readonly kafka: KafkaSettings;
  readonly yes: boolean;
  write(text: string): void;
  readonly clock: Clock;
  /** Default: the cluster itself. */
  readonly askKafka?: (topics: readonly string[]) => Promise<readonly LogBounds[]>;
}

/** SPOOL_LOCKED while the agent runs. Resolves with the exit code. */
export async function runSpoolCommand(
  positionals: readonly string[],
  options: SpoolCommandOptions,
): Promise<number> {
  const [verb] = positionals;
  if (positionals.length !== 1 || (verb !== 'status' && verb !== 'reset'))
    throw new UsageError('it takes one of: status, reset');
  const { directory, write } = options;
  const root = spoolRoot(directory);
  if (!existsSync(root)) {
    write(`${root} does not exist: there is nothing to ${verb === 'status' ? 'tell' : 'reset'}\n`);
    return EXIT.ok;
  }
  const lock = holdSpool(directory);
  try {
    const report = await examine(options);
    write(`${[`spool ${root}`, ...report.lines].join('\n')}\n`);
    return verb === 'status' ? EXIT.ok : reset(options, report);
  } finally {
    lock.release();
  }
}

async function examine(options: SpoolCommandOptions): Promise<SpoolReport> {
  const { directory, kafka, clock } = options;
  const askKafka = options.askKafka ?? ((topics) => askLogBounds(kafka, topics, clock));
  const contents = inspectSpool(directory);
  const topics = new Set([...contents.partitions, ...contents.unreadable].map(({ topic }) => topic));
  if (topics.size === 0) return reportSpool(contents, { kind: 'told', logs: [] });
  const answer = await askKafka([...topics]).then(
    (logs): KafkaAnswer => ({ kind: 'told', logs }),
    (error: unknown): KafkaAnswer => ({ kind: 'silent', reason: describeError(error) }),
  );
  return reportSpool(contents, answer);
}

function reset(options: SpoolCommandOptions, { onlyHere, uncertain }: SpoolReport): number {
  const { directory, yes, write, clock } = options;
  const missed =
    onlyHere > 0
      ? `${onlyHere} offsets are nowhere but here: after a reset they are a gap, by name, in the ledger`
      : uncertain
        ? 'what is here and nowhere else cannot be told'
        : 'nothing is here alone: after a reset all of it is read from Kafka again';
  write(`${missed}\n`);
  if (!yes) {
    write('nothing was changed; to go on: sluice-agent spool reset --yes\n');
    return EXIT.failure;
  }
  const aside = asideName(spoolRoot(directory), clock.wallMs());
  renameSync(spoolRoot(directory), aside);
  write(
    `renamed to ${aside}: start the agent, which goes on from the ledger; delete it when nobody needs it\n`,
  );
  return EXIT.ok;
}

function asideName(root: string, wallMs: number): string {
  const stamp = new Date(wallMs).toISOString().replace(/[-:]|\.\d+/g, '');
  const first = `${root}.reset-${stamp}`;
  let name = first;
  for (let i = 2; existsSync(name); i++) name = `${first}-${i}`;
  return name;
}
