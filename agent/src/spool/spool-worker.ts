// The spool's worker thread: fsync and reads happen here, so that a slow disk never delays a heartbeat to Kafka.
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { SpoolFiles } from './spool-files.ts';
import { isCorrupt, lockDirectory } from './sqlite-file.ts';
import type { SpoolCall, SpoolReply, SpoolWorkerData } from './worker-protocol.ts';

const data = workerData as SpoolWorkerData;
let files: SpoolFiles | undefined;
let lock: { release(): void } | undefined;

parentPort?.on('message', (call: SpoolCall) => parentPort?.postMessage(answer(call)));

function answer(call: SpoolCall): SpoolReply {
  try {
    const segments = handle(call);
    const state = files === undefined ? undefined : stateOf(files);
    return { kind: 'done', segments, state };
  } catch (error) {
    const code = error instanceof SluiceError ? error.code : isCorrupt(error) ? 'SPOOL_CORRUPT' : 'SPOOL_IO';
    const message = error instanceof Error ? error.message : String(error);
    const place = error instanceof SluiceError ? error.place : data.directory;
    return { kind: 'failed', code, message, place, state: files === undefined ? undefined : stateOf(files) };
  }
}

function handle(call: SpoolCall) {
  switch (call.kind) {
    case 'open':
      lock = lockDirectory(`${data.directory}/lock.db`);
      files = new SpoolFiles({ ...data, nowMs: () => systemClock.wallMs() });
      return [];
    case 'append':
      files?.append(call.segments);
      return [];
    case 'read':
      return files?.read(call.partition, call.fromOffset, call.bytesMax) ?? [];
    case 'committed':
      for (const { partition, nextOffset } of call.positions) files?.committed(partition, nextOffset);
      return [];
    case 'look':
      return [];
    case 'close':
      files?.close();
      files = undefined;
      lock?.release();
      return [];
  }
}

function stateOf(open: SpoolFiles) {
  const [setAside, dropped] = [open.setAside.splice(0), open.dropped.splice(0)];
  return { ...open.totals(), partitions: open.partitions(), setAside, dropped };
}
