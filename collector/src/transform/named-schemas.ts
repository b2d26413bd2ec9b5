// Asks for all schemas that the values of a batch name and that are not here, in one go through them: a batch
// that was read again for each would be read as often as it names new ones.
import type { TableConfig } from '../contracts.ts';
import { ColumnChunk, FILTERED } from './columns.ts';
import { converterOf } from './converters.ts';
import { isUnreadable, type PayloadPiece } from './corrupt-batches.ts';
import type { WindowSchemas } from './decode/schemas.ts';

export interface NamingBatch {
  readonly piece: PayloadPiece;
  readonly range: { readonly fromOffset: number; readonly nextOffset: number };
}

/** SCHEMA_UNAVAILABLE. */
export async function fetchNamed(
  table: TableConfig,
  schemas: WindowSchemas,
  { piece, range }: NamingBatch,
): Promise<void> {
  if (piece.kind === 'rest') return;
  const none = Buffer.alloc(0);
  const look = converterOf(table, { schemas, elementMark: none });
  const chunk = new ColumnChunk({
    ...{ separator: none, nullMark: none, keys: false, headers: false, text: false },
    tombstones: 'drop',
    convert(value) {
      look?.(value);
      return FILTERED;
    },
  });
  chunk.beginPart(0);
  await schemas.fetchAll(() => {
    try {
      chunk.appendBatch(piece.bytes, piece.header, range);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    } finally {
      chunk.free();
    }
  });
}
