// Finds and runs test files, each in a process of its own, and counts. A file that crashes on load or hangs
// counts as failed; so does a file that holds no test.
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { styleText } from 'node:util';

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

export type TestKind = 'unit' | 'explore' | 'integration';

const FOLDERS: Readonly<Record<Exclude<TestKind, 'unit'>, RegExp>> = {
  explore: /^test\/explore\//,
  integration: /^test\/(integration|story)\//,
};

function kindOf(file: string): TestKind {
  if (FOLDERS.explore.test(file)) return 'explore';
  return FOLDERS.integration.test(file) ? 'integration' : 'unit';
}

/** Files that measure time or use every core: beside another they would prove less, or fail for it. */
const ALONE = /\/(simulation|link-throttled|link-frozen|systemd-notify)\.test\.ts$/;
/** Files of the whole journey: minutes each, most of them spent waiting. They begin first. */
const LONG = /\/(publishing-crashes|journey[-a-z]*|source-kafka|try)\.test\.ts$/;

/** Files that run side by side, after each other. */
interface Round {
  readonly files: readonly string[];
  readonly concurrency: number;
}

function roundsOf(kind: TestKind, files: readonly string[]): Round[] {
  if (kind !== 'integration') return [{ files, concurrency: availableParallelism() }];
  const together = files.filter((file) => !ALONE.test(file));
  const longFirst = [...together].sort((a, b) => Number(LONG.test(b)) - Number(LONG.test(a)));
  return [
    { files: longFirst, concurrency: Math.min(BROKERS_MAX, availableParallelism()) },
    { files: files.filter((file) => ALONE.test(file)), concurrency: 1 },
  ].filter((round) => round.files.length > 0);
}

/** A broker, an emulated AWS and both programs take a gigabyte. */
const BROKERS_MAX = 2;

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
  explore: 300_000,
  integration: 300_000,
};

/**
 * Prints failures as they come, what was explored, and a line per test for integration. Resolves with the
 * counts and the slowest tests.
 */
export async function runTests(
  kind: TestKind,
  files: readonly string[],
): Promise<{ tally: Tally; slowest: Timed[] }> {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  const timed: Timed[] = [];
  for (const round of roundsOf(kind, files)) await runRound(kind, round, { tally, timed });
  return { tally, slowest: timed.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST_SHOWN) };
}

async function runRound(
  kind: TestKind,
  { files, concurrency }: Round,
  { tally, timed }: { readonly tally: Tally; readonly timed: Timed[] },
): Promise<void> {
  if (files.length === 0) return;
  const stream = run({
    files: files.map((file) => join(ROOT, file)),
    concurrency,
    timeout: FILE_TIMEOUT_MS[kind],
    // A test that fails leaves its broker and programs running; they are killed when its process ends.
    forceExit: kind === 'integration',
  });
  for await (const event of stream) {
    if (event.type === 'test:diagnostic' && kind === 'explore' && event.data.message.startsWith('explored '))
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
    if (kind === 'integration') {
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
