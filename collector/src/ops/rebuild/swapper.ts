// The writer of a command that swaps partitions, with all that it has folded: what others commit meanwhile
// goes along.
import type { LedgerEntry, ReplayingWriter } from '../../contracts.ts';
import { createTableWriter, type TableWriterOptions } from '../../ledger/table-writer.ts';
import { withWriter } from '../replay/writer-session.ts';

export interface Swapper {
  /** undefined where nothing is to be written. */
  readonly writer: ReplayingWriter | undefined;
  /** Entries that the writer has folded, in their order; it goes on to grow. */
  readonly folded: readonly LedgerEntry[];
}

/** REBUILD_STOPPED where a human has to help. */
export function withSwapper<T>(
  options: TableWriterOptions,
  dryRun: boolean,
  run: (swapper: Swapper) => Promise<T>,
): Promise<T> {
  const folded: LedgerEntry[] = [];
  if (dryRun) return run({ writer: undefined, folded });
  const onFolded = (entry: LedgerEntry) => void folded.push(entry);
  const writer = createTableWriter({ ...options, onFolded });
  return withWriter(writer, (open) => run({ writer: open, folded }), 'REBUILD_STOPPED');
}
