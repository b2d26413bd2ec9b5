// Which test files run beside which, and in which process. A file that boots a broker mostly waits - for a
// group, a window, a program that starts - so one for each core runs, and those that compute run beside them;
// of both the longest come first. Unit tests compute: quick ones share processes.

/**
 * Processes in the order in which they start, each with its files, as many at once as `concurrency` says. A
 * lane that is done goes on with the processes of the one after it, so that all end together.
 */
export interface Lane {
  readonly processes: readonly (readonly string[])[];
  readonly concurrency: number;
}

/** Files that measure time or use every core: beside another they would prove less, or fail for it. */
const ALONE = /\/(simulation|link-throttled|link-frozen|systemd-notify)\.test\.ts$/;
/** What a file with a broker of its own imports. */
const WITH_BROKER = /from '[^']*\/(burst-site|journey-fixture|mapped-site|source-fixture|kafka-broker)\.ts'/;
/** A broker and the programs around it want a gigabyte and a half. */
const BROKERS_MAX = 4;
/** Of those that compute, before they give way to two more brokers. */
const COMPUTING_MAX = 2;

/** Those that take longest, of each lane, the longest first; the others follow as they come. */
export const LONGEST_FIRST: readonly string[] = [
  'test/integration/publishing-crashes.test.ts',
  'test/integration/source-kafka.test.ts',
  'test/integration/journey-ends.test.ts',
  'test/integration/parked-tables.test.ts',
  'test/integration/fleet.test.ts',
  'test/integration/gaps.test.ts',
  'test/integration/journey-losses.test.ts',
  'test/integration/backfill.test.ts',
  'test/integration/journey.test.ts',
  'test/integration/try.test.ts',
  'test/explore/exactly-once.test.ts',
  'test/collector/ops/rebuild/rebuild.test.ts',
  'test/link/detected-tables.test.ts',
];

function byLength(files: readonly string[]): string[] {
  const place = (file: string) => (LONGEST_FIRST.indexOf(file) + 1 || LONGEST_FIRST.length + 1) - 1;
  return [...files].sort((a, b) => place(a) - place(b));
}

/** What a test that changes its process, or ends with it, would leave to the next file. */
const OF_THE_PROCESS =
  /\bprocess\.(?!pid|cwd|hrtime)|globalThis|\.prototype|\bmock\.|^(before|after)(Each)?\(/m;
/** What takes longer than a process does to start, or is native code that could take it down. */
const LASTING =
  /duckdb|createTransformer|\/one-window|\/large-windows|-lake\.ts|table-examples|sqlite|child_process|\/simulation\//;
const SHARED_FILES_MAX = 12;

/** Each core runs one process. */
export function unitRounds(
  files: readonly string[],
  cores: number,
  textOf: (file: string) => string,
): Lane[][] {
  const isQuick = (file: string) => !OF_THE_PROCESS.test(textOf(file)) && !LASTING.test(textOf(file));
  const [quick, others] = [files.filter(isQuick), files.filter((file) => !isQuick(file))];
  const shared = Array.from({ length: Math.ceil(quick.length / SHARED_FILES_MAX) }, (_, i) =>
    quick.slice(i * SHARED_FILES_MAX, (i + 1) * SHARED_FILES_MAX),
  );
  return [[{ processes: [...others.map((file) => [file]), ...shared], concurrency: cores }]];
}

/** One round after the other; the lanes of a round run side by side. */
export function systemRounds(
  files: readonly string[],
  cores: number,
  textOf: (file: string) => string,
): Lane[][] {
  const lane = (concurrency: number, wanted: (file: string) => boolean): Lane => ({
    processes: byLength(files.filter(wanted)).map((file) => [file]),
    concurrency,
  });
  const isAlone = (file: string) => ALONE.test(file);
  const hasBroker = (file: string) => WITH_BROKER.test(textOf(file));
  return [
    [
      lane(Math.min(Math.ceil(cores / 2), COMPUTING_MAX), (file) => !isAlone(file) && !hasBroker(file)),
      lane(Math.min(cores, BROKERS_MAX), (file) => !isAlone(file) && hasBroker(file)),
    ],
    [lane(1, isAlone)],
  ];
}
