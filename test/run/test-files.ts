// Finds and runs test files, in processes of their own or, where they are quick, of several, and counts. A
// file that crashes on load or hangs counts as failed; so does a file that holds no test.
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { styleText } from 'node:util';
import { type Lane, systemRounds, unitRounds } from './rounds.ts';

export const ROOT = join(import.meta.dirname, '../..');

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

interface Timed {
  readonly name: string;
  readonly file: string;
  readonly ms: number;
}

/**
 * What `check` runs, and what only `npm test` does: the explorer, whatever starts programs or links, the
 * commands that work on a whole lake, what waits for time to pass, and the longer comparisons of steps with a
 * reference.
 */
export type TestKind = 'unit' | 'system';

const SYSTEM = new RegExp(
  [
    '^test/(explore|integration|link)/',
    '^test/collector/ops/((compact|prune|rebuild|replay|verify)/|(check|detect|several-topics)[.])',
    '^test/collector/transform/(behind-groups|derived-nested|exact-numbers|held-forms|lookup-files|mappings)[.]',
    '^test/collector/transform/(output-partitions|pipelines|plain-values|text-pattern|time-guesses)[.]',
    '^test/collector/transform/(quarantine-reasons|relations|statement-watch|straight-explode|straight-rows|union)[.]',
    '^test/collector/transform/(zone-jumps|zoned-times)[.]',
    '^test/collector/(lake/s3-object-store|window/many-partitions)[.]',
    '^test/(deploy/examples|shared/process-life)[.]',
  ].join('|'),
);
const kindOf = (file: string): TestKind => (SYSTEM.test(file) ? 'system' : 'unit');

/** Relative paths, those with any of `filters` in their name; all when there is none. */
export function testFiles(kind: TestKind, filters: readonly string[]): string[] {
  const files = globSync('test/**/*.test.ts', { cwd: ROOT }).sort();
  return files
    .filter((file) => kindOf(file) === kind)
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
}

const SLOWEST_SHOWN = 10;

const FILE_TIMEOUT_MS: Readonly<Record<TestKind, number>> = {
  unit: 60_000,
  system: 600_000,
};

/**
 * Prints failures as they come, and of system tests what was explored and a line each. Resolves with the
 * counts and the slowest tests.
 */
export async function runTests(
  kind: TestKind,
  files: readonly string[],
): Promise<{ tally: Tally; slowest: Timed[] }> {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  const timed: Timed[] = [];
  const cores = availableParallelism();
  const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');
  for (const round of (kind === 'unit' ? unitRounds : systemRounds)(files, cores, textOf))
    await runRound(kind, round, { tally, timed });
  return { tally, slowest: timed.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST_SHOWN) };
}

interface Told {
  readonly tally: Tally;
  readonly timed: Timed[];
}

async function runRound(kind: TestKind, lanes: readonly Lane[], told: Told): Promise<void> {
  const left = lanes.map(({ processes }) => processes.values());
  const work = async (own: number) => {
    for (const processes of left.slice(own))
      for (const files of processes) await runProcess(kind, files, told);
  };
  const workers = lanes.flatMap(({ concurrency }, lane) =>
    Array.from({ length: concurrency }, () => work(lane)),
  );
  await Promise.all(workers);
}

const TOGETHER = join(import.meta.dirname, 'together.ts');

async function runProcess(kind: TestKind, files: readonly string[], { tally, timed }: Told): Promise<void> {
  const paths = files.map((file) => join(ROOT, file));
  const stream = run({
    ...(paths.length === 1 ? { files: paths } : { files: [TOGETHER], argv: paths }),
    timeout: FILE_TIMEOUT_MS[kind] * files.length,
    // A test that fails leaves its broker and programs running; they are killed when its process ends.
    forceExit: kind === 'system',
  });
  const silent = new Set(paths);
  for await (const event of stream) {
    if (event.type === 'test:diagnostic' && event.data.message.startsWith('explored '))
      process.stdout.write(`  ${event.data.message}\n`);
    if (event.type === 'test:stderr' && kind === 'unit') process.stderr.write(event.data.message);
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, file = '', details } = event.data;
    const isProcess = name === TOGETHER || paths.includes(name);
    if (details.type === 'suite' || (isProcess && event.type === 'test:pass')) continue;
    if (name === TOGETHER || paths.length === 1) silent.clear();
    silent.delete(isProcess ? name : file);
    const short = (isProcess ? name : file).slice(ROOT.length + 1);
    timed.push({ name, file: short, ms: details.duration_ms });
    if (event.data.skip !== undefined) tally.skipped++;
    else if (event.type === 'test:pass') tally.passed++;
    else {
      tally.failed++;
      printFailure(short, name === TOGETHER ? files.join(', ') : name, details.error);
      continue;
    }
    if (kind === 'system') {
      process.stdout.write(
        `  ${styleText('green', '✔')} ${name} (${(details.duration_ms / 1e3).toFixed(1)} s)\n`,
      );
    }
  }
  for (const path of silent) {
    tally.failed++;
    printFailure(path.slice(ROOT.length + 1), 'it holds a test', new Error('it holds none'));
  }
}

function printFailure(file: string, name: string, error: Error): void {
  const cause =
    error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : String(error.cause ?? error);
  process.stdout.write(`${styleText('red', '✖')} ${file}: ${name}\n${cause.replace(/^/gm, '    ')}\n`);
}

export function printSlowest(slowest: readonly Timed[]): void {
  process.stdout.write('slowest tests:\n');
  for (const { name, file, ms } of slowest) {
    process.stdout.write(`  ${(ms / 1e3).toFixed(1).padStart(6)} s  ${file}: ${name}\n`);
  }
}

export function add(into: Tally, more: Tally): void {
  into.passed += more.passed;
  into.failed += more.failed;
  into.skipped += more.skipped;
}

/** The last line of every run, for people and for CI. */
export function printTally(tally: Tally): void {
  process.stdout.write(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped\n`);
}
