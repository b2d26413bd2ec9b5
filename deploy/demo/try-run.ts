// Agent and collector as separate processes on the user's topic, watched until the offsets asked for are
// committed or the time is up. The agent never commits, and stops where the log ended when the command was
// given.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorCode, SluiceError } from '@sluice/shared/errors.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { createSite, createSitePki, type Json, type Site } from '../local/site.ts';
import { count, Progress, type Seen } from './progress.ts';
import type { Terminal } from './terminal.ts';
import { Refusal } from './try-diagnosis.ts';
import type { TryOptions } from './try-options.ts';
import { offsetsIn, type Range } from './try-ranges.ts';

/** Short, so that there is something to see soon. */
export const RUN_WINDOW = '2s';
const SESSION_TIMEOUT = '10s';
/** Everything is read and nothing was committed for so long: what is left holds no records. */
const SETTLED_MS = 6_000;
const LOOK_EVERY_MS = 500;
const STOP_MS_MAX = 20_000;

export interface RunOptions {
  readonly terminal: Terminal;
  readonly options: TryOptions;
  readonly groupId: string;
  readonly password: string | undefined;
  readonly ranges: readonly Range[];
  readonly table: { readonly [key: string]: Json };
  /** Certificates, spool, logs: gone at the end. */
  readonly temporary: string;
  /** Lake and collector config: they stay. */
  readonly kept: string;
}

export async function createTrySite(run: RunOptions): Promise<Site> {
  const { options, groupId, ranges, temporary, kept } = run;
  const { topic, brokers, tls, sasl } = options;
  const pki = await createSitePki(temporary);
  return await createSite({
    directory: temporary,
    keptDirectory: kept,
    pki,
    kafka: {
      brokers,
      group: groupId,
      clientId: 'sluice-try',
      commitOffsets: false,
      sessionTimeout: SESSION_TIMEOUT,
      ...(tls === undefined ? {} : { tls: Object.keys(tls).length === 0 ? true : { ...tls } }),
      ...(sasl === undefined ? {} : { sasl: saslOf(sasl, run) }),
    },
    topics: [{ name: topic, startAt: 'earliest', only: ranges.map((range) => ({ ...range })) }],
    tables: [run.table],
    spool: { bytesMax: '1GiB' },
  });
}

/** The agent takes a file; what was asked for or came by the environment is in one of ours until the end. */
function saslOf({ mechanism, username, passwordFile }: NonNullable<TryOptions['sasl']>, run: RunOptions) {
  const file = passwordFile ?? join(run.temporary, 'password');
  if (passwordFile === undefined) writeFileSync(file, run.password ?? '', { mode: 0o600 });
  return { mechanism, username, passwordFile: file };
}

export type Outcome = 'complete' | 'time is up';

/** Starts both programs and resolves when there is no more to wait for; both are still running. */
export async function runSite(run: RunOptions, site: Site): Promise<Outcome> {
  const { terminal, options, ranges } = run;
  const wanted = offsetsIn(ranges);
  await terminal.step('sluice-collector', () => site.collector.start());
  await terminal.step('sluice-agent', () => site.agent.start());
  const starts = new Map(
    ranges.map(({ partition, from }) => [partitionName({ topic: options.topic, partition }), from]),
  );
  const lead = ({ read }: Seen) => `read ${count(read)} of ${wanted.toLocaleString('en')}`;
  const progress = new Progress({ terminal, site, lead, starts });
  const watch = new Watch(wanted, deadEnds(site));
  const end = performance.now() + options.seconds * 1_000;
  try {
    for (;;) {
      if (watch.isDone(await progress.show())) return 'complete';
      if (performance.now() > end) return 'time is up';
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  } finally {
    progress.stop();
  }
}

/** Programs that ended by themselves, with their last words. */
function deadEnds(site: Site): () => string | undefined {
  let dead: string | undefined;
  for (const program of [site.agent, site.collector])
    void program.ended().then((code) => {
      dead ??= `sluice-${program.name} ended with ${code}\n${program.log().trimEnd().split('\n').slice(-3).join('\n')}`;
    });
  return () => dead;
}

class Watch {
  readonly #wanted: number;
  readonly #dead: () => string | undefined;
  #committed = -1;
  #changedMs = performance.now();

  constructor(wanted: number, dead: () => string | undefined) {
    this.#wanted = wanted;
    this.#dead = dead;
  }

  /** Throws what will not get better by waiting, in the agent's own words. */
  isDone({ agent, read, committed }: Seen): boolean {
    const dead = this.#dead();
    if (dead !== undefined) throw new Refusal(dead, []);
    const { state, reason = '' } = agent?.kafka ?? {};
    const [, code, message = ''] = /^(KAFKA_AUTHORIZATION|KAFKA_AUTHENTICATION): (.*)$/s.exec(reason) ?? [];
    if (state !== undefined && state !== 'running' && code !== undefined)
      throw new SluiceError(code as ErrorCode, message);
    if (committed !== this.#committed) {
      this.#committed = committed;
      this.#changedMs = performance.now();
    }
    if (committed >= this.#wanted) return true;
    return read >= this.#wanted && performance.now() - this.#changedMs > SETTLED_MS;
  }
}

/** Leaves the group, commits what is here, ends both processes. */
export async function stopSite(site: Site): Promise<void> {
  await site.agent.stop(STOP_MS_MAX);
  await site.collector.stop(STOP_MS_MAX);
}
