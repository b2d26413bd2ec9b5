// Values of a topic as lines of text, for a pipe from the program that knows Kafka to the one that knows
// tables. Base64, so that any bytes travel; pure.

/** Says that what follows is no plain file of values. */
const FIRST_LINE = '#sluice-sample-1';
const TOMBSTONE = '-';

export function encodeSample(values: readonly (Buffer | null)[]): string {
  const lines = values.map((value) => (value === null ? TOMBSTONE : value.toString('base64')));
  return `${[FIRST_LINE, ...lines].join('\n')}\n`;
}

/** undefined where the text is no sample: then each line of it is a value. */
export function decodeSample(text: string): (Buffer | null)[] | undefined {
  const [first, ...lines] = text.split('\n');
  if (first !== FIRST_LINE) return undefined;
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => (line === TOMBSTONE ? null : Buffer.from(line, 'base64')));
}
