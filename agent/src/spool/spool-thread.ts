// The worker thread as the main thread holds it: calls go in, answers come out in order, and its end is told
// once.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SluiceError } from '@sluice/shared/errors.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import type { SpoolCall, SpoolReply, SpoolWorkerData } from './worker-protocol.ts';

export interface SpoolThread {
  /** Random, made once per data directory: tells two machines with one agent id apart. */
  readonly instanceId: string;
  post(call: SpoolCall): void;
  terminate(): Promise<unknown>;
}

export interface SpoolThreadListener {
  replied(reply: SpoolReply): void;
  ended(error: Error): void;
}

export function openSpoolThread(data: SpoolWorkerData, listener: SpoolThreadListener): SpoolThread {
  mkdirSync(data.directory, { recursive: true, mode: 0o700 });
  const instanceId = readInstanceId(data.directory);
  const worker = new Worker(new URL('./spool-worker.ts', import.meta.url), { workerData: data });
  worker.on('message', (reply: SpoolReply) => listener.replied(reply));
  worker.on('error', (error: Error) => listener.ended(error));
  worker.on('exit', () => listener.ended(new SluiceError('SPOOL_IO', 'the spool thread ended')));
  return {
    instanceId,
    post: (call) => worker.postMessage(call),
    terminate: () => worker.terminate(),
  };
}

function readInstanceId(directory: string): string {
  const path = join(directory, 'instance-id');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    const id = systemRandom.hex(8);
    writeFileSync(path, `${id}\n`, { mode: 0o600 });
    return id;
  }
}
