// One window read for its columns alone, where its table has none, or lacks some: every record of it counts,
// and what cannot be read is left to the transform, which quarantines it. Nothing is written.
import { isUtf8 } from 'node:buffer';
import type { StagedSegment, SurveyRequest } from '../contracts.ts';
import type { SchemaNews } from '../tables.ts';
import { ColumnChunk } from './columns.ts';
import { contractColumns } from './contract-columns.ts';
import { decompressionOf } from './converters.ts';
import { isUnreadable, type PayloadPiece, piecesOf } from './corrupt-batches.ts';
import { grownSchema } from './news-scan.ts';
import { SeenLines } from './seen-lines.ts';
import { parseObject, SeenObject } from './seen-values.ts';

/** Its segments come one by one. */
export type SurveyedTable = Omit<SurveyRequest, 'segments'>;

export class WindowSurvey {
  readonly #request: SurveyedTable;
  readonly #chunk: ColumnChunk;
  readonly #seen = new SeenObject();
  readonly #lines: SeenLines | undefined;

  constructor(request: SurveyedTable) {
    this.#request = request;
    const { input, record } = request.table;
    if (input.kind === 'csv') this.#lines = new SeenLines(input);
    this.#chunk = new ColumnChunk({
      separator: Buffer.of(0x1e),
      nullMark: Buffer.alloc(0),
      keys: false,
      headers: false,
      text: false,
      convert: decompressionOf(record),
      tombstones: 'drop',
    });
  }

  add(staged: StagedSegment): void {
    this.#chunk.beginPart(staged.segment.partition);
    for (const piece of piecesOf(staged.segment)) {
      this.#read(staged, piece);
      if (this.#chunk.isFull()) this.#look();
      this.#chunk.beginPart(staged.segment.partition);
    }
  }

  #read({ segment, fromOffset }: StagedSegment, piece: PayloadPiece): void {
    if (piece.kind === 'rest') return;
    try {
      const { nextOffset } = segment;
      this.#chunk.appendBatch(piece.bytes, piece.header, { fromOffset, nextOffset });
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }

  #look(): void {
    for (let row = 0; row < this.#chunk.rows; row++) {
      const value = this.#chunk.value(row);
      if (!isUtf8(value)) continue;
      if (this.#lines !== undefined) this.#lines.add(value.toString());
      else this.#seen.add(parseObject(value.toString()) ?? {});
    }
    this.#chunk.reset();
  }

  /** Without columns where no record has a value. */
  finish(): SchemaNews {
    this.#look();
    if (this.#lines !== undefined) return { columns: this.#lines.columns(), leftOut: [] };
    const { contract, table } = this.#request;
    const { columns: standing = [] } = table.schema ?? {};
    const { columns, remarks } =
      contract === undefined ? grownSchema(table.schema, this.#seen) : contractColumns(contract, this.#seen);
    const isNew = columns.length > 0 && JSON.stringify(columns) !== JSON.stringify(standing);
    return { columns: isNew ? columns : undefined, leftOut: remarks.fieldsWhere('left out') };
  }
}
