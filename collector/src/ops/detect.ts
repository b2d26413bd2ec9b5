// `sluice-collector detect`: looks at a file of values, or at what `sluice-agent sample` brings, and prints
// the table that they suggest. Reads no config and no lake, and writes nothing.
import { closeSync, openSync, readSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { type Command, UsageError } from '@sluice/shared/command-line.ts';
import { messageOf } from '@sluice/shared/errors.ts';
import { EXIT } from '@sluice/shared/process-life.ts';
import { decodeSample } from '@sluice/shared/sample-lines.ts';
import { formatCount } from '@sluice/shared/units.ts';
import { type DetectedFormat, detectColumns } from '../transform/detect-columns.ts';
import { tableOf, tableYaml } from './detected-table.ts';

const FORMATS: readonly DetectedFormat[] = ['json', 'csv', 'text', 'bytes'];
/** Of a file, from its beginning. */
const SAMPLE_BYTES_MAX = 64 * 2 ** 20;
const SAMPLE_RECORDS_MAX = 100_000;
/** As a table has it where its config says nothing. */
const WINDOW = '100s';

export interface Sample {
  readonly values: readonly (Buffer | null)[];
  /** The file has more. */
  readonly isCut: boolean;
}

export const detectCommand: Command = {
  summary: 'Prints the table that a file of values suggests, to paste into collector.yaml.',
  options: {
    file: 'a file with a value a line; - reads what `sluice-agent sample <topic>` writes',
    topic: 'the topic that the table reads (default: the file’s name)',
    format: `${FORMATS.join(', ')} (default: csv for *.csv, else looked at)`,
  },
  flags: { header: 'csv: the first line has the names of the columns' },
  run({ options, flags }) {
    const { file, topic } = options;
    if (file === undefined)
      throw new UsageError(
        'name a file, or - and pipe: sluice-agent sample <topic> | sluice-collector detect --file -',
      );
    const format = options['format'] ?? (extname(file) === '.csv' ? 'csv' : undefined);
    if (!isFormat(format)) throw new UsageError(`--format is one of ${FORMATS.join(', ')}`);
    if (topic === undefined && file === '-') throw new UsageError('name the topic with --topic');
    const sample = readSample(file, format === 'csv');
    const said = { format, header: flags['header'] === true };
    process.stdout.write(proposal(topic ?? basename(file, extname(file)), sample, said));
    return Promise.resolve(EXIT.ok);
  },
};

function isFormat(text: string | undefined): text is DetectedFormat | undefined {
  return text === undefined || FORMATS.some((format) => format === text);
}

/** What is odd about the choice comes first, as comments. */
function proposal(
  topic: string,
  { values, isCut }: Sample,
  said: { readonly format: DetectedFormat | undefined; readonly header: boolean },
): string {
  const detection = detectColumns(values, said);
  const looked = `${formatCount(values.length)} values were looked at${isCut ? '; the file has more' : ''}`;
  const notes = [looked, ...detection.notes].map((note) => `# ${note.replaceAll(/[\r\n]+/g, ' ')}\n`);
  return `${notes.join('')}${tableYaml(tableOf(topic, detection, WINDOW), detection.times)}`;
}

/** UsageError where there is nothing to look at. */
function readSample(file: string, isCsv: boolean): Sample {
  const { bytes, isCut } = beginningOf(file);
  const sampled = decodeSample(bytes.toString('latin1'));
  const sample = sampled === undefined ? linesOf(bytes, isCut, isCsv) : { values: sampled, isCut };
  if (sample.values.some((value) => value !== null)) return sample;
  throw new UsageError(`${file} has no value: columns are told from values`);
}

function beginningOf(file: string): ReturnType<typeof readBeginning> {
  try {
    return readBeginning(file);
  } catch (error) {
    throw new UsageError(`the file cannot be read: ${messageOf(error)}`);
  }
}

/** Lines of one record of CSV; a quote that nobody closes takes no more of the file. */
const QUOTED_LINES_MAX = 100;

/** A line that the end of the sample cuts off is none. Of CSV a line break inside quotes ends none. */
export function linesOf(bytes: Buffer, isCut: boolean, isCsv = false): Sample {
  const values: Buffer[] = [];
  let from = 0;
  while (from < bytes.length && values.length < SAMPLE_RECORDS_MAX) {
    const found = isCsv ? endOfRecord(bytes, from) : bytes.indexOf('\n', from);
    if (found < 0 && isCut) break;
    const end = found < 0 ? bytes.length : found;
    const line = bytes.subarray(from, bytes[end - 1] === 13 ? end - 1 : end);
    if (line.length > 0) values.push(line);
    from = end + 1;
  }
  return { values, isCut: isCut || from < bytes.length };
}

function endOfRecord(bytes: Buffer, from: number): number {
  const first = bytes.indexOf('\n', from);
  let end = first;
  let isQuoted = false;
  for (let at = from, lines = 0; end >= 0 && lines < QUOTED_LINES_MAX; lines++) {
    for (; at < end; at++) if (bytes[at] === 0x22) isQuoted = !isQuoted;
    if (!isQuoted) return end;
    end = bytes.indexOf('\n', end + 1);
  }
  return first;
}

function readBeginning(file: string): { bytes: Buffer; isCut: boolean } {
  const descriptor = file === '-' ? 0 : openSync(file, 'r');
  try {
    const parts: Buffer[] = [];
    let length = 0;
    for (;;) {
      const part = Buffer.alloc(Math.min(2 ** 20, SAMPLE_BYTES_MAX + 1 - length));
      const read = part.length === 0 ? 0 : readSync(descriptor, part);
      if (read === 0) break;
      parts.push(part.subarray(0, read));
      length += read;
    }
    const bytes = Buffer.concat(parts);
    return { bytes: bytes.subarray(0, SAMPLE_BYTES_MAX), isCut: bytes.length > SAMPLE_BYTES_MAX };
  } finally {
    if (descriptor !== 0) closeSync(descriptor);
  }
}
