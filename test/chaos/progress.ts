// Lines on stderr while a chaos run goes on: how far it is, how many records were acknowledged, and how far
// the lake is behind. The broker is asked for the lag, and may be down.
import { type Clock, within } from '@sluice/shared/clock.ts';
import { lag } from './finish.ts';
import type { Journal } from './journal.ts';
import { acknowledged, type NumberedProducer } from './numbered-producer.ts';
import type { Stage } from './stage.ts';

const EVERY_MS = 10_000;
const ANSWER_MS_MAX = 3_000;

export interface Scene {
  readonly stage: Stage;
  readonly journal: Journal;
  readonly producers: readonly NumberedProducer[];
  readonly clock: Clock;
}

/** `seconds`: how long it will take, where that is known. */
export function showProgress(
  phase: string,
  seconds: number | undefined,
  { stage, journal, producers, clock }: Scene,
): { stop(): void } {
  const startedMs = journal.elapsedMs;
  const over = new AbortController();

  async function line(): Promise<void> {
    let behind: number | undefined;
    const asked = lag(stage).then((offsets) => {
      behind = offsets;
    });
    await within(
      clock,
      ANSWER_MS_MAX,
      asked.catch(() => {}),
    );
    if (over.signal.aborted) return;
    const passed = Math.round((journal.elapsedMs - startedMs) / 1e3);
    const parts = [
      `${phase} ${seconds === undefined ? passed : `${passed} of ${seconds}`} s`,
      `${grouped(acknowledged(producers))} records`,
      `lag ${behind === undefined ? 'unknown: the broker does not answer' : grouped(behind)}`,
      `${journal.faults} faults`,
      ...(journal.violations.length > 0 ? [`${journal.violations.length} VIOLATIONS`] : []),
    ];
    process.stderr.write(`  ${parts.join('  ')}\n`);
  }

  async function go(): Promise<void> {
    for (;;) {
      await clock.sleep(EVERY_MS, over.signal);
      if (over.signal.aborted) return;
      await line();
    }
  }
  void go();
  return { stop: () => over.abort() };
}

function grouped(n: number): string {
  return n.toLocaleString('en-US');
}
