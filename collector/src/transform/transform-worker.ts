// The worker thread's entry: DuckDB and decoding, away from the thread that talks to agents. One message at a time.
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { type TransformLimits, tableProblems, WindowTransform } from './window-transform.ts';
import type { FromWorker, ToWorker } from './worker-protocol.ts';

const limits = workerData as TransformLimits;
let current: WindowTransform | undefined;
let queue: Promise<void> = Promise.resolve();

parentPort?.on('message', (message: ToWorker) => {
  queue = queue.then(async () => parentPort?.postMessage(await answer(message)));
});

async function answer(message: ToWorker): Promise<FromWorker> {
  try {
    return await handle(message);
  } catch (error) {
    close();
    if (error instanceof SluiceError)
      return { kind: 'failed', code: error.code, message: error.message, place: error.place };
    const text = error instanceof Error ? error.message : String(error);
    const code = text.startsWith('Out of Memory') ? 'TRANSFORM_OUT_OF_MEMORY' : 'TRANSFORM_FAILED';
    return { kind: 'failed', code, message: text.slice(0, 2_000), place: undefined };
  }
}

async function handle(message: ToWorker): Promise<FromWorker> {
  switch (message.kind) {
    case 'begin':
      close();
      current = await WindowTransform.open(message.request, limits, systemClock);
      return { kind: 'done' };
    case 'segment':
      await current?.add(message.staged);
      return { kind: 'done' };
    case 'finish': {
      if (current === undefined) throw new SluiceError('TRANSFORM_FAILED', 'no window is open');
      const result = await current.finish();
      close();
      return { kind: 'result', result };
    }
    case 'abort':
      close();
      return { kind: 'done' };
    case 'validate':
      return { kind: 'problems', problems: await tableProblems(message.table, message.directory) };
  }
}

function close(): void {
  current?.close();
  current = undefined;
}
