// The life of a process: one place where signals, fatal errors and exit codes meet. A program is started,
// runs until a signal or a broken invariant, drains within a named time and exits.
import { Socket } from 'node:net';
import type { Worker } from 'node:worker_threads';
import { type Clock, systemClock, within } from './clock.ts';
import { describeError, SluiceError } from './errors.ts';

/** sysexits.h: EX_CONFIG, EX_SOFTWARE, EX_UNAVAILABLE. */
export const EXIT = { ok: 0, failure: 1, usage: 64, unavailable: 69, software: 70, config: 78 } as const;

export interface Program {
  /** Stops accepting, finishes what is here, in at most `graceMs`. */
  drain(signal: string, graceMs: number): Promise<void>;
}

/**
 * Runs until SIGTERM or SIGINT, then drains; a second signal ends the process at once. Resolves with the exit
 * code.
 */
export async function runUntilSignal(program: Program, graceMs: number, clock: Clock): Promise<number> {
  const signal = await nextSignal().heard;
  const overdue = new AbortController();
  const second = nextSignal();
  const ended = await Promise.race([
    program.drain(signal, graceMs).then(
      () => EXIT.ok,
      (error: unknown) => {
        process.stderr.write(`drain failed: ${describeError(error)}\n`);
        return EXIT.failure;
      },
    ),
    clock.sleep(graceMs + 5_000, overdue.signal).then(() => EXIT.failure),
    second.heard.then(() => EXIT.failure),
  ]);
  overdue.abort();
  second.cancel();
  return ended;
}

/** SIGHUP: certificates are read again, or what is wrong with them is said and the old ones stay. */
export function reloadOnHangup(reload: () => void, refused: (told: { reason: string }) => void): void {
  process.on('SIGHUP', () => {
    try {
      reload();
    } catch (error) {
      refused({ reason: describeError(error) });
    }
  });
}

function nextSignal(): { readonly heard: Promise<string>; cancel(): void } {
  const { promise: heard, resolve } = Promise.withResolvers<string>();
  const on = (signal: NodeJS.Signals) => {
    cancel();
    resolve(signal);
  };
  const cancel = () => {
    process.off('SIGTERM', on);
    process.off('SIGINT', on);
  };
  process.on('SIGTERM', on);
  process.on('SIGINT', on);
  return { heard, cancel };
}

/** `process.exit` waits for each, and one that is in native code ends when that does. */
const threads = new Set<Worker>();
const THREADS_END_MS_MAX = 2_000;
process.on('worker', (thread: Worker) => {
  threads.add(thread);
  thread.once('exit', () => threads.delete(thread));
});

/** Whose end is no news for anybody now. */
async function endThread(thread: Worker): Promise<void> {
  thread.removeAllListeners('exit');
  await thread.terminate();
  threads.delete(thread);
}

/** A pager whose reader thinks takes nothing for minutes; beyond this nobody reads any more. */
const OUTPUT_IDLE_MS_MAX = 5 * 60_000;

/**
 * Ends the process once everything printed has been taken: `process.exit` alone drops what a pipe has no room
 * for. A reader that has gone (`| head`) is no failure. One that takes something is waited for, however slow;
 * one that takes nothing for `idleMs` is not, and standard error hears of it. A thread that does not end now
 * is killed with the process, whose exit code is lost then.
 */
export async function exitProcess(code: number, idleMs = OUTPUT_IDLE_MS_MAX): Promise<never> {
  const [out] = await Promise.all([taken(process.stdout, idleMs), taken(process.stderr, idleMs)]);
  if (out === 'idle')
    process.stderr.write(`nobody took the output for ${idleMs / 1_000} s: the end of it is lost\n`);
  await within(systemClock, THREADS_END_MS_MAX, Promise.all([...threads].map(endThread)));
  if (threads.size > 0) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

/** A file has no timer and needs none. Of a pipe the timer begins anew whenever a part of it was taken. */
function taken(stream: NodeJS.WriteStream, idleMs: number): Promise<'taken' | 'idle'> {
  return new Promise((resolve) => {
    stream.on('error', () => resolve('taken'));
    if (stream instanceof Socket) stream.setTimeout(idleMs, () => resolve('idle'));
    stream.write('', () => resolve('taken'));
  });
}

/** Prints a fatal error for a person and says which exit code it means. */
export function reportFatal(program: string, error: unknown): number {
  if (error instanceof SluiceError) {
    // Problems of a config name their places themselves.
    const isConfig = error.code === 'CONFIG_INVALID';
    const said = isConfig ? `${error.code}: ${error.message}` : describeError(error);
    process.stderr.write(`${program}: ${said}\n`);
    if (!isConfig) process.stderr.write(`  → ${error.remedy}\n`);
    return isConfig ? EXIT.config : EXIT.software;
  }
  process.stderr.write(
    `${program}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return EXIT.software;
}
