// Runs one of the bench's own programs in a process of its own, under the same Node, and takes its answer.
import { join } from 'node:path';
import { type StartedProcess, startProcess, waitUntilReady } from '@sluice/deploy/local/child-process.ts';

/** What every program answers; some say more. */
export interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
}

export type ProgramName =
  | 'agent-without-link'
  | 'decode-transform'
  | 'duckdb-file'
  | 'link-receiver'
  | 'link-sender';

export interface RunningProgram<T> {
  /** Resolves once it has said `ready` (`announceReady`). */
  ready(): Promise<void>;
  /** Its answer; rejects with its last lines where it ends in another way. */
  answer(): Promise<T>;
  stop(): Promise<void>;
}

const READY_MS_MAX = 300_000;
export const READY_LINE = 'ready';

export function runProgram<T>(name: ProgramName, given: object): RunningProgram<T> {
  let output = '';
  const file = join(import.meta.dirname, `${name}.ts`);
  const started: StartedProcess = startProcess(process.execPath, [file, JSON.stringify(given)], {
    onOutput: (text) => {
      output += text;
    },
  });
  const isReady = () => output.split('\n').includes(READY_LINE);
  return {
    ready: () => waitUntilReady(started, name, isReady, READY_MS_MAX),
    async answer() {
      const code = await started.ended;
      if (code !== 0) throw new Error(`${name} ended with ${code}\n${started.tail()}`);
      return JSON.parse(output.trim().split('\n').at(-1) ?? '') as T;
    },
    stop: () => started.stop(),
  };
}
