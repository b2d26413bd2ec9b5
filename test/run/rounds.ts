// Which test files run beside which. A file that boots a broker mostly waits - for a group, a window, a
// program that starts - so one for each core runs, and those that compute run beside them, the longest of
// both first, so that all end together.
/** Files of one kind, in the order in which they start, as many at once as `concurrency` says. */
export interface Lane {
  readonly files: readonly string[];
  readonly concurrency: number;
}

/** Files that measure time or use every core: beside another they would prove less, or fail for it. */
const ALONE = /\/(simulation|link-throttled|link-frozen|systemd-notify)\.test\.ts$/;
/** What a file with a broker of its own imports. */
const WITH_BROKER = /from '[^']*\/(journey-fixture|source-fixture|kafka-broker)\.ts'/;
/** A broker and the programs around it want a gigabyte and a half. */
const BROKERS_MAX = 4;

/** Those that take longest, of each lane, the longest first; the others follow as they come. */
export const LONGEST_FIRST: readonly string[] = [
  'test/integration/publishing-crashes.test.ts',
  'test/integration/source-kafka.test.ts',
  'test/integration/journey-losses.test.ts',
  'test/integration/backfill.test.ts',
  'test/integration/journey.test.ts',
  'test/integration/fleet.test.ts',
  'test/integration/gaps.test.ts',
  'test/integration/journey-ends.test.ts',
  'test/integration/parked-tables.test.ts',
  'test/integration/try.test.ts',
  'test/integration/config-reload.test.ts',
  'test/explore/exactly-once.test.ts',
  'test/link/detected-tables.test.ts',
];

function byLength(files: readonly string[]): string[] {
  const place = (file: string) => (LONGEST_FIRST.indexOf(file) + 1 || LONGEST_FIRST.length + 1) - 1;
  return [...files].sort((a, b) => place(a) - place(b));
}

/** Unit tests compute, so each core runs one file. */
export const unitRounds = (files: readonly string[], cores: number): Lane[][] => [
  [{ files, concurrency: cores }],
];

/** One round after the other; the lanes of a round run side by side. */
export function systemRounds(
  files: readonly string[],
  cores: number,
  textOf: (file: string) => string,
): Lane[][] {
  const lane = (concurrency: number, wanted: (file: string) => boolean): Lane => ({
    files: byLength(files.filter(wanted)),
    concurrency,
  });
  const isAlone = (file: string) => ALONE.test(file);
  const hasBroker = (file: string) => WITH_BROKER.test(textOf(file));
  return [
    [
      lane(Math.min(cores, BROKERS_MAX), (file) => !isAlone(file) && hasBroker(file)),
      lane(Math.max(1, Math.floor(cores / 2)), (file) => !isAlone(file) && !hasBroker(file)),
    ],
    [lane(1, isAlone)],
  ];
}
