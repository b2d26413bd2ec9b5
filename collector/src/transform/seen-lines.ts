// What was seen of the fields of CSV lines, by position: the columns are those of most lines.
import type { CsvInput } from '../contracts.ts';
import type { DetectedColumn } from '../tables.ts';
import { splitCsvLine } from './csv-line.ts';
import { COLUMNS_MAX } from './grown-columns.ts';
import { commonType, fieldKind, type SeenKind } from './value-types.ts';

/** Different numbers of fields that are remembered. */
const WIDTHS_MAX = 64;

interface SeenWidth {
  lines: number;
  readonly kinds: readonly Set<SeenKind>[];
}

export class SeenLines {
  readonly #dialect: CsvInput;
  readonly #widths = new Map<number, SeenWidth>();

  constructor(dialect: CsvInput) {
    this.#dialect = dialect;
  }

  add(line: string): void {
    const fields = splitCsvLine(line, this.#dialect);
    if (fields === undefined || fields.length > COLUMNS_MAX) return;
    let seen = this.#widths.get(fields.length);
    if (seen === undefined) {
      if (this.#widths.size >= WIDTHS_MAX) return;
      seen = { lines: 0, kinds: fields.map(() => new Set<SeenKind>()) };
      this.#widths.set(fields.length, seen);
    }
    seen.lines++;
    for (const [i, field] of fields.entries()) if (field !== null) seen.kinds[i]?.add(fieldKind(field));
  }

  /** Positions count: a field that was always empty is a column, too. undefined where no line was seen. */
  columns(): DetectedColumn[] | undefined {
    const [most] = [...this.#widths.values()].sort((a, b) => b.lines - a.lines);
    return most?.kinds.map((kinds, i) => ({ source: `c${i}`, name: `c${i}`, type: commonType(kinds) }));
  }
}
