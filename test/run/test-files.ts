// Finds and runs test files, each in a process of its own, and counts. A file that crashes on load or hangs
// counts as failed; so does a file that holds no test.
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

/** What `check` runs, and what only `npm test` does: the explorer, and whatever starts programs or links. */
export type TestKind = 'unit' | 'system';

const SYSTEM = /^test\/(explore|integration|link)\//;
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
  for (const round of kind === 'unit' ? unitRounds(files, cores) : systemRounds(files, cores, textOf))
    await Promise.all(round.map((lane) => runLane(kind, lane, { tally, timed })));
  return { tally, slowest: timed.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST_SHOWN) };
}

async function runLane(
  kind: TestKind,
  { files, concurrency }: Lane,
  { tally, timed }: { readonly tally: Tally; readonly timed: Timed[] },
): Promise<void> {
  if (files.length === 0) return;
  const stream = run({
    files: files.map((file) => join(ROOT, file)),
    concurrency,
    timeout: FILE_TIMEOUT_MS[kind],
    // A test that fails leaves its broker and programs running; they are killed when its process ends.
    forceExit: kind === 'system',
  });
  for await (const event of stream) {
    if (event.type === 'test:diagnostic' && event.data.message.startsWith('explored '))
      process.stdout.write(`  ${event.data.message}\n`);
    if (event.type === 'test:stderr' && kind === 'unit') process.stderr.write(event.data.message);
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, file = '', details } = event.data;
    const isSuite = details.type === 'suite';
    const isFile = name === file || files.some((f) => join(ROOT, f) === name);
    if (isSuite || (isFile && event.type === 'test:pass')) continue;
    const short = file.slice(ROOT.length + 1);
    timed.push({ name, file: short, ms: details.duration_ms });
    if (event.data.skip !== undefined) tally.skipped++;
    else if (event.type === 'test:pass') tally.passed++;
    else {
      tally.failed++;
      printFailure(short, name, details.error);
      continue;
    }
    if (kind === 'system') {
      process.stdout.write(
        `  ${styleText('green', '✔')} ${name} (${(details.duration_ms / 1e3).toFixed(1)} s)\n`,
      );
    }
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
