// One window read for its columns alone, where its table has none, or lacks some: every record of it counts,
// or the schema that it names, and what cannot be read is left to the transform, which quarantines it.
// Nothing is written.
import { isUtf8 } from 'node:buffer';
import type { InputFormat, StagedSegment, SurveyRequest, TableConfig } from '../contracts.ts';
import type { SchemaNews } from '../tables.ts';
import { ColumnChunk, type Converter } from './columns.ts';
import { contractColumns } from './contract-columns.ts';
import { converterOf, decompressionOf } from './converters.ts';
import { isUnreadable, type PayloadPiece, piecesOf } from './corrupt-batches.ts';
import { fileFields } from './decode/decoders.ts';
import { type SchemaParts, SchemaWanted, WindowSchemas } from './decode/schemas.ts';
import type { Growth } from './grown-columns.ts';
import { fetchNamed } from './named-schemas.ts';
import { grownSchema } from './news-scan.ts';
import { schemaColumns } from './schema-columns.ts';
import { SeenLines } from './seen-lines.ts';
import { parseObject, SeenObject } from './seen-values.ts';
import { seenFields } from './window-news.ts';

/** Its segments come one by one. */
export type SurveyedTable = Omit<SurveyRequest, 'segments'>;

export class WindowSurvey {
  readonly #request: SurveyedTable;
  readonly #schemas: WindowSchemas;
  readonly #chunk: ColumnChunk;
  readonly #seen = new SeenObject();
  readonly #lines: SeenLines | undefined;

  constructor(request: SurveyedTable, parts: SchemaParts) {
    this.#request = request;
    this.#schemas = new WindowSchemas(parts);
    const { input } = request.table;
    if (input.kind === 'csv' && input.header !== 'each') this.#lines = new SeenLines(input);
    this.#chunk = new ColumnChunk({
      separator: Buffer.of(0x1e),
      nullMark: Buffer.alloc(0),
      keys: false,
      headers: false,
      text: false,
      convert: this.#converter(request.table),
      tombstones: 'drop',
    });
  }

  /** Values that have a schema are read as far as they say which; of JSON what the table reads. */
  #converter(table: TableConfig): Converter | undefined {
    if (!hasSchema(table.input) && table.input.kind !== 'json') return decompressionOf(table.record);
    return converterOf(table, { schemas: this.#schemas, elementMark: Buffer.alloc(0) });
  }

  async add(staged: StagedSegment): Promise<void> {
    const { input } = this.#request.table;
    // The schema of all values is in a file.
    if (hasSchema(input) && input.framing === 'none') return;
    this.#schemas.from = staged.segment;
    this.#chunk.beginPart(staged.segment.partition);
    for (const piece of piecesOf(staged.segment)) {
      await this.#readWithSchemas(staged, piece);
      if (this.#chunk.isFull()) this.#look();
      this.#chunk.beginPart(staged.segment.partition);
    }
  }

  /** A batch whose schemas are not all here is read again when the missing ones came. */
  async #readWithSchemas(staged: StagedSegment, piece: PayloadPiece): Promise<void> {
    for (;;) {
      try {
        return this.#read(staged, piece);
      } catch (error) {
        if (!(error instanceof SchemaWanted)) throw error;
        const range = { fromOffset: staged.fromOffset, nextOffset: staged.segment.nextOffset };
        await fetchNamed(this.#request.table, this.#schemas, { piece, range });
      }
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
    const { input } = this.#request.table;
    for (let row = 0; row < this.#chunk.rows && !hasSchema(input); row++) {
      const value = this.#chunk.value(row);
      if (!isUtf8(value)) continue;
      const text = value.toString();
      if (this.#lines !== undefined) this.#lines.add(text);
      else if (input.kind === 'csv') this.#seen.add(seenFields(text, input));
      else this.#seen.add(parseObject(text) ?? {});
    }
    this.#chunk.reset();
  }

  /** Without columns where no record has a value. */
  finish(): SchemaNews {
    this.#look();
    if (this.#lines !== undefined) return { columns: this.#lines.columns(), leftOut: [] };
    const { columns: standing = [] } = this.#request.table.schema ?? {};
    const { columns, remarks } = this.#grown();
    const isNew = columns.length > 0 && JSON.stringify(columns) !== JSON.stringify(standing);
    return { columns: isNew ? columns : undefined, leftOut: remarks.fieldsWhere('left out') };
  }

  #grown(): Growth {
    const { contract, table } = this.#request;
    const { input, schema } = table;
    if (hasSchema(input))
      return schemaColumns({ schema, contract }, fileFields(input) ?? this.#schemas.fields());
    return contract === undefined ? grownSchema(schema, this.#seen) : contractColumns(contract, this.#seen);
  }
}

function hasSchema(
  input: InputFormat,
): input is Extract<InputFormat, { readonly kind: 'avro' | 'protobuf' }> {
  return input.kind === 'avro' || input.kind === 'protobuf';
}
