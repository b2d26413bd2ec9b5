// The spool's worker thread: fsync and reads happen here, so that a slow disk never delays a heartbeat to
// Kafka.
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@sluice/shared/clock.ts';
import { sqliteDisk } from './spool-disk.ts';
import { createSpoolService } from './spool-service.ts';
import { lockDirectory } from './sqlite-file.ts';
import type { SpoolCall, SpoolWorkerData } from './worker-protocol.ts';

const data = workerData as SpoolWorkerData;
const answer = createSpoolService({
  ...data,
  disk: sqliteDisk,
  nowMs: () => systemClock.wallMs(),
  lock: () => lockDirectory(`${data.directory}/lock.db`),
});

parentPort?.on('message', (call: SpoolCall) => parentPort?.postMessage(answer(call)));
