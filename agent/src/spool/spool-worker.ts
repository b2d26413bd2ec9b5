// The spool's worker thread: fsync and reads happen here, so that a slow disk never delays a heartbeat to
// Kafka.
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@sluice/shared/clock.ts';
import { assertFormats, holdSpool } from './inspect-spool.ts';
import { sqliteDisk } from './spool-disk.ts';
import { createSpoolService } from './spool-service.ts';
import type { SpoolCall, SpoolWorkerData } from './worker-protocol.ts';

const data = workerData as SpoolWorkerData;
const answer = createSpoolService({
  ...data,
  disk: sqliteDisk,
  nowMs: () => systemClock.wallMs(),
  lock: () => lockForUse(data.directory),
});

/** Every file is asked for its format before the first is opened: a newer spool is refused untouched. */
function lockForUse(directory: string) {
  const lock = holdSpool(directory);
  try {
    assertFormats(directory);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

parentPort?.on('message', (call: SpoolCall) => parentPort?.postMessage(answer(call)));
