// A chunk of JSON values, as a batch of records leaves it.
import { ColumnChunk } from '@sluice/collector/transform/columns.ts';
import { readBatchHeader } from '@sluice/shared/record-batch.ts';
import { encodeRecordBatch } from '@sluice/shared/records.ts';

export const SEPARATOR = '\u001eseparate';
export const NULL_MARK = 'null-mark';

export function chunkOfValues(values: readonly string[]): ColumnChunk {
  const [separator, nullMark] = [Buffer.from(SEPARATOR), Buffer.from(NULL_MARK)];
  const chunk = new ColumnChunk({ separator, nullMark, keys: false, headers: false, text: true });
  chunk.beginPart(0);
  appendValues(chunk, values);
  return chunk;
}

/** One batch more, behind what the chunk has. */
export function appendValues(chunk: ColumnChunk, values: readonly string[]): void {
  const baseOffset = chunk.rows + chunk.odd.length;
  const records = values.map((value, i) => {
    return { offset: baseOffset + i, timestamp: 0, key: null, value: Buffer.from(value), headers: [] };
  });
  const batch = encodeRecordBatch({ baseOffset }, records);
  const nextOffset = baseOffset + values.length;
  chunk.appendBatch(batch, readBatchHeader(batch), { fromOffset: baseOffset, nextOffset });
}
