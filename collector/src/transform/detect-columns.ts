// What table a sample of a topic's values suggests: the fields of JSON objects or CSV lines become typed
// columns, nested where they nest; anything else is text, or bytes where it is not UTF-8. Promises that, read
// as proposed, no JSON object of the sample is quarantined (digits beyond a double's, and names that come
// twice in one object apart). Pure: others bring the sample and write the config.
import { isUtf8 } from 'node:buffer';
import { formatCount } from '@sluice/shared/units.ts';
import type { DetectedColumn } from '../tables.ts';
import { safeNames } from './column-names.ts';
import { PLAIN_CSV, splitCsvLine } from './csv-line.ts';
import { type FoundObjects, findObjects, logPattern, SHARE_MIN, type Wrapping } from './detect-inside.ts';
import { growColumns } from './grown-columns.ts';
import { Remarks } from './remarks.ts';
import { SeenObject } from './seen-values.ts';
import { type GuessedTime, guessTimes, READINGS } from './time-guesses.ts';
import { commonType, fieldKind, type SeenKind } from './value-types.ts';

export type DetectedFormat = 'json' | 'csv' | 'text' | 'bytes';

export interface Detection {
  readonly format: DetectedFormat;
  /** CSV only. */
  readonly delimiter: string | undefined;
  /** CSV only: a record may be the names of the columns. */
  readonly header: boolean;
  /** JSON only: where in the values the objects are. */
  readonly wrapping?: Wrapping;
  /** Text only: the pattern of the lines. */
  readonly grok?: string | undefined;
  /** Empty for text and bytes, whose one column is `value`. */
  readonly columns: readonly DetectedColumn[];
  /** Columns that stay what they are, and may be times. */
  readonly times: readonly GuessedTime[];
  /** What a person should know about the choice, one sentence each. */
  readonly notes: readonly string[];
}

const UTF8_SHARE_MIN = 0.9;
const DELIMITERS = [',', ';', '\t', '|'] as const;

export interface DetectionOptions {
  /** What the topic is said to hold; without it that is found out. */
  readonly format?: DetectedFormat | undefined;
  /** The first value is a CSV line of names. */
  readonly header?: boolean;
}

/** A null is a tombstone. */
export function detectColumns(
  values: readonly (Buffer | null)[],
  { format, header = false }: DetectionOptions = {},
): Detection {
  const present = values.filter((value) => value !== null);
  const notes: string[] = [];
  const tombstones = values.length - present.length;
  if (tombstones > 0)
    notes.push(`${share(tombstones, values.length)} have no value (tombstones): they go to quarantine`);
  const found = findObjects(format === 'json' || format === undefined ? present : []);
  const chosen = format ?? chooseFormat(present, found, notes);
  if (chosen === 'csv') return { ...csvColumns(present, { header, notes }), format: chosen, header, notes };
  const columns = chosen === 'json' ? jsonColumns(found, notes) : [];
  const times = chosen === 'json' ? timesIn(columns, found.objects, notes) : [];
  const isText = chosen === 'json' && columns.length === 0;
  if (isText) notes.push('no field with a value was seen: one text column');
  const common = { delimiter: undefined, header: false, columns, times, notes };
  if (chosen === 'json' && !isText) return { ...common, format: 'json', wrapping: found.wrapping };
  const grok = chosen === 'text' ? logPattern(present) : undefined;
  if (grok !== undefined)
    notes.push(`lines of a log, taken apart into texts: ${RECIPES} has steps that type them`);
  else if (format === undefined && chosen === 'text' && present.length > 0) notes.push(textNote(found));
  return { ...common, format: isText ? 'text' : chosen, grok };
}

const RECIPES = 'docs/recipes.md';

function chooseFormat(
  values: readonly Buffer[],
  { objects: { length: objects }, values: wanted }: FoundObjects,
  notes: string[],
): DetectedFormat {
  if (values.length === 0) return 'text';
  if (objects > 0 && objects / wanted >= SHARE_MIN) return 'json';
  notes.push(...binaryNotes(values));
  const texts = values.filter((value) => isUtf8(value)).length;
  if (texts / values.length < UTF8_SHARE_MIN) {
    notes.push(`${share(values.length - texts, values.length)} are not UTF-8 text: taken as bytes`);
    return 'bytes';
  }
  if (texts < values.length)
    notes.push(`${share(values.length - texts, values.length)} are not UTF-8: they go to quarantine`);
  return 'text';
}

function textNote({ objects, values }: FoundObjects): string {
  if (objects.length === 0) return 'no value is a JSON object: one text column';
  return `only ${share(objects.length, values)} are JSON objects: one text column`;
}

/** What values that are no text may be instead. */
function binaryNotes(values: readonly Buffer[]): string[] {
  const share = (is: (value: Buffer) => boolean) => values.filter(is).length / values.length;
  const begins = (...bytes: number[]) =>
    share((value) => bytes.every((byte, i) => value[i] === byte)) >= SHARE_MIN;
  const packed = begins(0x1f, 0x8b) ? 'gzip' : begins(0x28, 0xb5, 0x2f, 0xfd) ? 'zstd' : undefined;
  if (packed !== undefined)
    return [
      `values are packed by their producer: with \`compression: ${packed}\` a table reads what is in them`,
    ];
  const framed = values.filter((value) => value[0] === 0 && value.length > 5);
  if (framed.length / values.length < SHARE_MIN) return [];
  const ids = [...new Set(framed.map((value) => value.readUInt32BE(1)))].slice(0, 3).join(', ');
  return [
    `values begin like a schema registry's (schema id ${ids}); they are taken as they are`,
    'if the registry says Avro, write `format: { avro: { registry: confluent } }`, or protobuf for avro, and ' +
      '`columns: detect`',
  ];
}

function jsonColumns(
  { objects, values, wrapping }: FoundObjects,
  notes: string[],
): readonly DetectedColumn[] {
  if (wrapping.at !== undefined) notes.push(`only what stands at ${wrapping.at} is read of each value`);
  if (
    objects.length > 0 &&
    objects.every(
      (object) => 'op' in object && 'source' in object && ('before' in object || 'after' in object),
    )
  )
    notes.push(`values are Debezium's changes: ${RECIPES} makes typed rows of them`);
  if (objects.length < values)
    notes.push(`${share(values - objects.length, values)} are not JSON objects: they go to quarantine`);
  const seen = new SeenObject();
  for (const object of objects) seen.add(object);
  const { columns, remarks } = growColumns([], seen);
  notes.push(...remarks.sentences());
  return columns;
}

interface CsvOptions {
  readonly header: boolean;
  readonly notes: string[];
}

/** The delimiter by which most lines have as many fields as each other. */
function csvColumns(values: readonly Buffer[], { header, notes }: CsvOptions) {
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
  const [names = []] = header ? rows : [];
  if (!header) notes.push(`columns are numbered: a line of names is taken with a header, or rename them`);
  const body = header ? rows.slice(1) : rows;
  const columns = csvFields(names, { width, rows: body });
  notes.push(
    ...columns.flatMap(({ source }, i) =>
      commaNote(
        source,
        body.map((row) => row[i]),
      ),
    ),
  );
  const fields = columns.map(({ source }, i) => [source, i] as const);
  const objects = body.map((row) => Object.fromEntries(fields.map(([source, i]) => [source, row[i]])));
  return { delimiter, columns, times: timesIn(columns, objects, notes) };
}

function timesIn(
  columns: readonly DetectedColumn[],
  objects: Parameters<typeof guessTimes>[1],
  notes: string[],
): readonly GuessedTime[] {
  const times = guessTimes(columns, objects);
  const remarks = new Remarks();
  for (const { path, reading } of times) remarks.add(`by the look of all values ${READINGS[reading]}`, path);
  notes.push(...remarks.sentences());
  if (times.length > 0) notes.push('what looks like a time may be an id, and stays what it is');
  return times;
}

/** As most of Europe writes a number. */
const DECIMAL_COMMA = /^\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+[+-]?\s*$/;

function commaNote(source: string, fields: readonly (string | null | undefined)[]): string[] {
  const there = fields.filter((field) => typeof field === 'string');
  const commas = there.filter((field) => DECIMAL_COMMA.test(field));
  if (commas.length === 0 || !there.every((field) => DECIMAL_COMMA.test(field) || /^[+-]?\d+$/.test(field)))
    return [];
  return [
    `${source}: numbers with a decimal comma are texts; parse_number with point "," makes numbers of them`,
  ];
}

type Line = readonly (string | null)[];

/** Positions count: a field that was always empty is a column, too. */
function csvFields(
  names: Line,
  { width, rows }: { readonly width: number; readonly rows: readonly Line[] },
): DetectedColumn[] {
  const sources = Array.from({ length: Math.max(1, width) }, (_, i) => names[i] ?? `c${i}`);
  const safe = safeNames(sources);
  return sources.map((source, i) => {
    const kinds = new Set<SeenKind>();
    for (const row of rows) {
      const field = row[i];
      if (typeof field === 'string') kinds.add(fieldKind(field));
    }
    return { source, name: safe[i] ?? '', type: commonType(kinds) };
  });
}

function mostFrequent(numbers: readonly number[]): number {
  const counts = Map.groupBy(numbers, (n) => n);
  return [...counts].reduce((a, b) => (b[1].length > a[1].length ? b : a), [1, [] as number[]])[0];
}

function share(part: number, whole: number): string {
  return `${formatCount(part)} of ${formatCount(whole)} values looked at`;
}
