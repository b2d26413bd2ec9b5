// Child processes that never outlive this one: each leads a group of its own, which is killed when we end,
// however.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

const running = new Set<ChildProcess>();

export interface StartedProcess {
  readonly child: ChildProcess;
  /** The last lines that it printed, for errors. */
  tail(): string;
  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when it has ended. */
  stop(graceMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<number | NodeJS.Signals>;
}

const TAIL_BYTES_MAX = 16_384;

process.on('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
});

/** stdout and stderr go to `onOutput` and into the tail. */
export function startProcess(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { onOutput?: (text: string, from: 'stdout' | 'stderr') => void } = {},
): StartedProcess {
  const { onOutput, ...rest } = options;
  const child = spawn(command, args, { ...rest, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let tail = '';
  for (const from of ['stdout', 'stderr'] as const) {
    child[from]?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-TAIL_BYTES_MAX);
      onOutput?.(text, from);
    });
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('error', (error) => {
      tail += error.message;
      running.delete(child);
      resolve(127);
    });
    // Not 'exit': what it printed last may still be on its way then.
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal ?? 1);
    });
  });
  return {
    child,
    tail: () => tail,
    ended,
    kill: (signal) => signalGroup(child, signal),
    async stop(graceMs = 15_000) {
      signalGroup(child, 'SIGTERM');
      const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

/**
 * Resolves when `probe` says true; rejects with the process's last lines when it ends or the deadline passes.
 */
export async function waitUntilReady(
  started: StartedProcess,
  what: string,
  probe: () => boolean | Promise<boolean>,
  deadlineMs: number,
): Promise<void> {
  let over: number | NodeJS.Signals | undefined;
  started.ended.then((code) => {
    over = code;
  });
  for (const end = performance.now() + deadlineMs; ; ) {
    if (await probe()) return;
    if (over !== undefined || performance.now() > end) {
      const why = over === undefined ? `not within ${deadlineMs / 1_000} s` : `it ended with ${over}`;
      throw new Error(`${what} did not start: ${why}\n${started.tail()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
