// What table a sample of a topic's values suggests: JSON objects become typed columns, nested ones flattened
// by dotted path; anything else is text, or bytes where it is not UTF-8. Promises that, mapped as proposed,
// no JSON object of the sample is quarantined (digits beyond a double's apart). Pure: others bring the sample
// and write the config.
import { isUtf8 } from 'node:buffer';
import { safeNames } from './column-names.ts';
import { PLAIN_CSV, splitCsvLine } from './csv-line.ts';
import { fieldSources, NumberToken, SeenObject } from './seen-objects.ts';
import { commonType, fieldKind, type SeenKind } from './value-types.ts';

export type DetectedFormat = 'json' | 'csv' | 'text' | 'bytes';

export interface DetectedColumn {
  /** Dotted path into the JSON object; of CSV the name alone. */
  readonly source: string;
  readonly name: string;
  /** As `columns` and `apply_mapping` take it. */
  readonly type: string;
}

export interface Detection {
  readonly format: DetectedFormat;
  /** CSV only. */
  readonly delimiter: string | undefined;
  /** Empty for text and bytes, whose one column is `value`. */
  readonly columns: readonly DetectedColumn[];
  /** What a person should know about the choice, one sentence each. */
  readonly notes: readonly string[];
}

/** Below this share of JSON objects a topic is no JSON topic; the others go to quarantine by name. */
const OBJECT_SHARE_MIN = 0.9;
const UTF8_SHARE_MIN = 0.9;
const DELIMITERS = [',', ';', '\t', '|'] as const;

/** `format` is what the topic is said to hold; without it that is found out. A null is a tombstone. */
export function detectColumns(
  values: readonly (Buffer | null)[],
  format?: DetectedFormat | undefined,
): Detection {
  const present = values.filter((value) => value !== null);
  const notes: string[] = [];
  const tombstones = values.length - present.length;
  if (tombstones > 0)
    notes.push(`${share(tombstones, values.length)} have no value (tombstones): they go to quarantine`);
  const objects = format === 'json' || format === undefined ? parseObjects(present) : [];
  const chosen = format ?? chooseFormat(present, objects.length, notes);
  if (chosen === 'csv') return { ...csvColumns(present, notes), format: chosen, notes };
  const columns = chosen === 'json' ? jsonColumns(present.length, objects, notes) : [];
  if (chosen !== 'json' || columns.length > 0)
    return { format: chosen, delimiter: undefined, columns, notes };
  return {
    format: 'text',
    delimiter: undefined,
    columns,
    notes: [...notes, 'no field was seen: one text column'],
  };
}

function chooseFormat(values: readonly Buffer[], objects: number, notes: string[]): DetectedFormat {
  if (values.length === 0) return 'text';
  if (objects / values.length >= OBJECT_SHARE_MIN) return 'json';
  const framed = values.filter((value) => value[0] === 0 && value.length > 5);
  if (framed.length / values.length >= OBJECT_SHARE_MIN) {
    const ids = [...new Set(framed.map((value) => value.readUInt32BE(1)))].slice(0, 3).join(', ');
    notes.push(`values begin like a schema registry's (schema id ${ids}); they are taken as they are`);
  }
  const texts = values.filter((value) => isUtf8(value)).length;
  if (texts / values.length < UTF8_SHARE_MIN) {
    notes.push(`${share(values.length - texts, values.length)} are not UTF-8 text: taken as bytes`);
    return 'bytes';
  }
  if (texts < values.length)
    notes.push(`${share(values.length - texts, values.length)} are not UTF-8: they go to quarantine`);
  notes.push(
    objects === 0
      ? 'no value is a JSON object: one text column'
      : `only ${share(objects, values.length)} are JSON objects: one text column`,
  );
  return 'text';
}

function parseObjects(values: readonly Buffer[]): Record<string, unknown>[] {
  return values.flatMap((value) => {
    try {
      const parsed = isUtf8(value) ? parseWithTokens(value.toString()) : undefined;
      const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
      return isObject && !(parsed instanceof NumberToken) ? [parsed as Record<string, unknown>] : [];
    } catch {
      return [];
    }
  });
}

function parseWithTokens(text: string): unknown {
  const reviver = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? new NumberToken(context?.source ?? String(value)) : value;
  return JSON.parse(text, reviver) as unknown;
}

function jsonColumns(
  values: number,
  objects: readonly Record<string, unknown>[],
  notes: string[],
): DetectedColumn[] {
  if (objects.length < values)
    notes.push(`${share(values - objects.length, values)} are not JSON objects: they go to quarantine`);
  const seen = new SeenObject();
  for (const object of objects) seen.add(object);
  const fields = fieldSources(seen, notes);
  const names = safeNames(fields.map(({ path }) => path.join('.')));
  return fields.map(({ path, type }, i) => ({ source: path.join('.'), name: names[i] ?? '', type }));
}

function csvColumns(values: readonly Buffer[], notes: string[]) {
  const lines = values.filter((value) => isUtf8(value)).map((value) => value.toString());
  const splits = DELIMITERS.map((delimiter) => {
    const split = lines.map((line) => splitCsvLine(line, { ...PLAIN_CSV, delimiter }) ?? []);
    const width = mostFrequent(split.map(({ length }) => length));
    return { delimiter, width, rows: split.filter(({ length }) => length === width) };
  });
  const [best] = splits.filter(({ width }) => width > 1).sort((a, b) => b.rows.length - a.rows.length);
  const { delimiter = ',', width = 1, rows = [] } = best ?? splits[0] ?? {};
  if (rows.length < values.length)
    notes.push(
      `${share(values.length - rows.length, values.length)} have not ${width} fields: they go to quarantine`,
    );
  notes.push(`CSV values carry no names: columns are numbered; rename them in 'columns'`);
  const columns = Array.from({ length: Math.max(1, width) }, (_, i) => {
    const kinds = new Set<SeenKind>();
    for (const row of rows) {
      const field = row[i];
      if (typeof field === 'string') kinds.add(fieldKind(field));
    }
    const name = `column_${i + 1}`;
    return { source: name, name, type: commonType(kinds) };
  });
  return { delimiter, columns };
}

function mostFrequent(numbers: readonly number[]): number {
  const counts = Map.groupBy(numbers, (n) => n);
  return [...counts].reduce((a, b) => (b[1].length > a[1].length ? b : a), [1, [] as number[]])[0];
}

function share(part: number, whole: number): string {
  return `${part.toLocaleString('en')} of ${whole.toLocaleString('en')} values looked at`;
}
