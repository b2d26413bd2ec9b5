// Ledgers that could not be read when a stream waited for what they say. Each is read again by itself, ever
// more rarely, until it was read or nobody waits for it any more. A halted table is not: that is for good.
import type { Clock } from '@sluice/shared/clock.ts';
import type { TableWriter } from '../contracts.ts';
import type { Events } from '../events.ts';
import { RETRY_MS_MAX, RETRY_MS_MIN } from './window-work.ts';

export interface LedgerRereads {
  /** It could not be read: `read` is called later, once, whoever else has said so meanwhile. */
  failed(
    table: { readonly name: string; readonly writer: TableWriter },
    reason: string,
    read: () => void,
  ): void;
  /** It was read, or need not be: nothing is tried any more. */
  over(writer: TableWriter): void;
}

interface Reread {
  /** The next wait, each twice as long as the one before. */
  delayMs: number;
  cancel: (() => void) | undefined;
}

export function createLedgerRereads(clock: Clock, events: Pick<Events, 'tableWaits'>): LedgerRereads {
  const rereads = new Map<TableWriter, Reread>();
  return {
    failed({ name, writer }, reason, read) {
      if (writer.status().state === 'halted') return;
      const reread = rereads.get(writer) ?? { delayMs: RETRY_MS_MIN, cancel: undefined };
      rereads.set(writer, reread);
      if (reread.cancel !== undefined) return;
      const retryMs = reread.delayMs;
      reread.delayMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      events.tableWaits({ table: name, state: 'waiting', reason: `reading the ledger: ${reason}`, retryMs });
      reread.cancel = clock.after(retryMs, () => {
        reread.cancel = undefined;
        read();
      });
    },
    over(writer) {
      rereads.get(writer)?.cancel?.();
      rereads.delete(writer);
    },
  };
}
