// What a window has that the schema of its table has not, whatever its values are: JSON and CSV with a line
// of names are looked through while they pass, the schemas of other values say it themselves.
import type { CsvInput, TableConfig } from '../contracts.ts';
import type { DetectedSchema, SchemaNews } from '../tables.ts';
import type { ColumnChunk } from './columns.ts';
import { type CsvDialect, headedFields } from './csv-line.ts';
import { fileFields } from './decode/decoders.ts';
import type { WindowSchemas } from './decode/schemas.ts';
import { grownSchema, NewsScan, newsOf } from './news-scan.ts';
import { schemaColumns } from './schema-columns.ts';
import { SeenObject, SeenText } from './seen-values.ts';
import { fieldKind } from './value-types.ts';

export interface WindowNews {
  /** Before rows are struck from it. */
  look(chunk: ColumnChunk): void;
  /** Columns, where there will be new ones; undefined where nothing is new. */
  news(): SchemaNews | undefined;
}

/** undefined where the columns of a table are given. */
export function windowNews({ schema, input }: TableConfig, schemas: WindowSchemas): WindowNews | undefined {
  if (schema === undefined) return undefined;
  switch (input.kind) {
    case 'json':
      return new NewsScan(schema);
    case 'csv':
      return input.header === 'each' ? new HeaderNews(schema, input) : undefined;
    case 'avro':
    case 'protobuf': {
      const news = () => newsOf(schema, schemaColumns({ schema }, fileFields(input) ?? schemas.fields()));
      return { look: () => {}, news };
    }
    default:
      return undefined;
  }
}

/** Lines of names that are remembered. */
const LINES_MAX = 64;

class HeaderNews implements WindowNews {
  readonly #schema: DetectedSchema;
  readonly #dialect: CsvInput;
  readonly #known: ReadonlySet<string>;
  /** Lines that name nothing new. */
  readonly #lines = new Set<string>();
  readonly #seen = new SeenObject();
  #found = false;

  constructor(schema: DetectedSchema, dialect: CsvInput) {
    this.#schema = schema;
    this.#dialect = dialect;
    const columns = schema.columns.filter(({ isUnseen }) => isUnseen !== true);
    this.#known = new Set(columns.map(({ source }) => source));
  }

  look(chunk: ColumnChunk): void {
    for (let row = 0; row < chunk.rows; row++) {
      const value = chunk.value(row).toString();
      // The converter put the value itself in front; a tombstone that is kept is none.
      if (value.startsWith('[')) this.#lookAt((JSON.parse(value) as string[])[0] ?? '');
    }
  }

  #lookAt(text: string): void {
    const [line = ''] = text.split('\n', 1);
    if (this.#lines.has(line)) return;
    const fields = headedFields(text, this.#dialect);
    const fresh = [...(fields ?? [])].filter(([name]) => !this.#known.has(name));
    if (fresh.some(([, field]) => field !== null)) {
      this.#found = true;
      this.#seen.add(seenFields(text, this.#dialect));
    } else if (fresh.length === 0 && isWhole(line, this.#dialect) && this.#lines.size < LINES_MAX)
      this.#lines.add(line);
  }

  news(): SchemaNews | undefined {
    return this.#found ? newsOf(this.#schema, grownSchema(this.#schema, this.#seen)) : undefined;
  }
}

/** Nothing quoted, whose line break would be a part of it. */
const isWhole = (line: string, { quote, escape: mark }: CsvDialect) =>
  (quote === '' || !line.includes(quote)) && (mark === '' || !line.includes(mark));

/** A record's fields as a survey counts them. */
export function seenFields(text: string, dialect: CsvDialect): Readonly<Record<string, unknown>> {
  const fields = [...(headedFields(text, dialect) ?? [])];
  return Object.fromEntries(
    fields.map(([name, field]) => [name, field === null ? null : new SeenText(fieldKind(field))]),
  );
}
