// The spool's worker thread: fsync and reads happen here, so that a slow disk never delays a heartbeat to
// Kafka.
import { isMarkedAsUntransferable, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@sluice/shared/clock.ts';
import { freeBytes } from '@sluice/shared/free-bytes.ts';
import { assertFormats, holdSpool } from './inspect-spool.ts';
import { sqliteDisk } from './spool-disk.ts';
import { createSpoolService } from './spool-service.ts';
import type { SpoolCall, SpoolReply, SpoolWorkerData } from './worker-protocol.ts';

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

parentPort?.on('message', (call: SpoolCall) => {
  const reply = answer(call);
  // Copies, which came with the call.
  if (call.kind === 'append') for (const { payload } of call.segments) freeBytes(payload);
  parentPort?.postMessage(reply, ownedBytes(reply));
});

/** What was read from a file belongs to nobody here: it changes hands and is not copied. */
function ownedBytes(reply: SpoolReply): ArrayBuffer[] {
  if (reply.kind !== 'done') return [];
  return reply.segments.flatMap(({ payload: { buffer, byteLength } }) => {
    // Small ones lie in a buffer that Node shares.
    const whole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
    return whole && !isMarkedAsUntransferable(buffer) ? [buffer] : [];
  });
}
