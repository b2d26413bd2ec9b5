// A table's writer for one command: it waits through what may pass, as a collector does, but ends with the
// reason where a human has to help, since nobody watches a command for hours.
import { SluiceError } from '@sluice/shared/errors.ts';
import type { ReplayingWriter } from '../../contracts.ts';

/** Publishes first what earlier writers left, and tells in the ledger what is published in the end. */
export async function withWriter<T>(
  writer: ReplayingWriter,
  task: (writer: ReplayingWriter) => Promise<T>,
  stopped: 'REPLAY_STOPPED' | 'REBUILD_STOPPED' = 'REPLAY_STOPPED',
): Promise<T> {
  let parked: string | undefined;
  writer.onStateMoved(() => {
    const { state, reason } = writer.status();
    if (state !== 'parked') return;
    parked = reason;
    writer.close();
  });
  try {
    await writer.load();
    const result = await task(writer);
    await writer.flushPublished();
    return result;
  } catch (error) {
    if (parked === undefined) throw error;
    throw new SluiceError(stopped, parked, { cause: error });
  } finally {
    writer.close();
  }
}
