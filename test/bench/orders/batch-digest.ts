// Whether record batches arrived as they were produced, each once and in order, without opening them: a
// digest over every batch's place, count and checksum. The producer's checksum covers every byte of the
// records.
import { createHash, type Hash } from 'node:crypto';
import { checkBatchCrc, type RecordBatchHeader, walkBatches } from '@sluice/shared/record-batch.ts';

export class BatchDigest {
  readonly #partitions = new Map<number, Hash>();

  /** Batches of one partition, in the order of their offsets. */
  add(partition: number, header: Pick<RecordBatchHeader, 'baseOffset' | 'count' | 'crc'>): void {
    const hash = this.#partitions.get(partition) ?? createHash('sha256');
    this.#partitions.set(partition, hash);
    hash.update(`${header.baseOffset} ${header.count} ${header.crc}\n`);
  }

  /** Every batch of a segment's payload; `checked` computes the checksums, not only reads them. */
  addPayload(partition: number, payload: Uint8Array, checked: boolean): void {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    for (const batch of walkBatches(bytes)) {
      if (checked) checkBatchCrc(batch.bytes, batch.header);
      this.add(partition, batch.header);
    }
  }

  /** Hex, over all partitions in the order of their numbers. */
  value(): string {
    const all = createHash('sha256');
    for (const [, hash] of [...this.#partitions].sort(([a], [b]) => a - b)) all.update(hash.copy().digest());
    return all.digest('hex');
  }
}
