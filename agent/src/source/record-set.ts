// One partition's record set of a fetch response, as SourceBatches: which batches hold committed data, which
// are control, aborted or empty. Promises what Java's read_committed consumer promises, from batch headers
// alone; records are never opened. Bytes are views on the response: whoever keeps them copies them.
import { SluiceError } from '@sluice/shared/errors.ts';
import { controlType, isBatchWhole, MAGIC_END, readBatchHeader } from '@sluice/shared/record-batch.ts';
import type { SourceBatch } from '../contracts.ts';
import { reframeLegacyEntry } from './legacy-messages.ts';

/**
 * An entry of a fetch response's aborted list: from this offset to its abort marker the producer's data are
 * void.
 */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

const NO_BYTES = Buffer.alloc(0);
const LENGTH_AT = 8;
const LENGTH_END = 12;
const MAGIC_AT = 16;

/** Whole batches only: brokers cut the last one at the fetch limit and send it whole next time. */
export function walkRecordSet(set: Buffer, aborted: readonly AbortedTransaction[]): SourceBatch[] {
  const batches: SourceBatch[] = [];
  const transactions = new AbortedTransactions(aborted);
  for (let at = 0; set.length - at >= MAGIC_END; ) {
    const end = at + LENGTH_END + set.readInt32BE(at + LENGTH_AT);
    if (end < at + MAGIC_END)
      throw new SluiceError('RECORD_BATCH_CORRUPT', 'a batch is shorter than its header');
    if (end > set.length) break;
    const legacy = (set[at + MAGIC_AT] ?? 0) < 2;
    batches.push(
      legacy
        ? describe(reframeLegacyEntry(set.subarray(at, end)), transactions)
        : describe(set.subarray(at, end), transactions),
    );
    at = end;
  }
  return batches;
}

function describe(bytes: Buffer, transactions: AbortedTransactions): SourceBatch {
  const header = readBatchHeader(bytes);
  let kind: SourceBatch['kind'] = header.count === 0 ? 'empty' : 'data';
  const damaged = !isBatchWhole(bytes, header);
  transactions.advance(header.lastOffset);
  if (damaged) {
    // Its flags may be wrong: it is never dropped as what it may not be.
  } else if (header.control) {
    kind = 'control';
    if (transactions.any && controlType(bytes) === 'abort') transactions.end(header.producerId);
  } else if (kind === 'data' && header.transactional && transactions.covers(header.producerId)) {
    kind = 'aborted';
  }
  return {
    kind,
    baseOffset: header.baseOffset,
    lastOffset: header.lastOffset,
    count: header.count,
    timestampMax: header.maxTimestamp,
    leaderEpoch: header.leaderEpoch,
    compressed: header.codec !== 'none',
    bytes: kind === 'data' ? bytes : NO_BYTES,
    ...(damaged ? { damaged } : {}),
  };
}

/**
 * Java's algorithm (CompletedFetch): the wire lists transactions by their last offset, so they are sorted by
 * their first; a producer is void from there to its abort marker, and several may be at once.
 */
class AbortedTransactions {
  readonly #byFirstOffset: readonly AbortedTransaction[];
  readonly #live = new Set<bigint>();
  #next = 0;

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#byFirstOffset =
      aborted.length > 1 ? [...aborted].sort((a, b) => a.firstOffset - b.firstOffset) : aborted;
  }

  get any(): boolean {
    return this.#live.size > 0;
  }

  advance(lastOffset: number): void {
    for (;;) {
      const transaction = this.#byFirstOffset[this.#next];
      if (transaction === undefined || transaction.firstOffset > lastOffset) return;
      this.#live.add(transaction.producerId);
      this.#next++;
    }
  }

  covers(producerId: bigint): boolean {
    return this.#live.has(producerId);
  }

  end(producerId: bigint): void {
    this.#live.delete(producerId);
  }
}

/**
 * Copies the batches' bytes out of the response in one piece, so that a kept batch does not keep the
 * response.
 */
export function copyBatches(batches: readonly SourceBatch[]): SourceBatch[] {
  const copy = Buffer.allocUnsafeSlow(batches.reduce((total, batch) => total + batch.bytes.length, 0));
  let at = 0;
  return batches.map((batch) => {
    if (batch.bytes.length === 0) return batch;
    const from = at;
    at += batch.bytes.copy(copy, from);
    return { ...batch, bytes: copy.subarray(from, at) };
  });
}
