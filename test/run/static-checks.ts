// The checks that run no code of ours: format and lint, types, generated code. Side by side, each with its
// seconds.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { messageOf } from '@sluice/shared/errors.ts';
import { documents, generateWire, WIRE_FILE } from './generated.ts';
import { ROOT, type Tally } from './test-files.ts';

interface Check {
  readonly name: string;
  run(): Promise<string | undefined>;
}

const CHECKS: readonly Check[] = [
  {
    name: 'format and lint',
    run: () => tool('biome', ['check', '--colors=off', '--max-diagnostics=50', '.']),
  },
  { name: 'types', run: () => tool('tsc', ['-p', 'tsconfig.json', '--pretty', 'false']) },
  { name: 'proto lint', run: () => tool('buf', ['lint']) },
  { name: 'generated code', run: generatedCodeDrift },
];

/** Prints each check with its seconds, and what a failed one said. */
export async function runStaticChecks(): Promise<Tally> {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  await Promise.all(
    CHECKS.map(async ({ name, run }) => {
      const started = performance.now();
      const complaint = await run();
      const seconds = ((performance.now() - started) / 1e3).toFixed(1);
      const mark = complaint === undefined ? styleText('green', '✔') : styleText('red', '✖');
      process.stdout.write(`${mark} ${name} (${seconds} s)\n`);
      if (complaint !== undefined) process.stdout.write(complaint.replace(/^/gm, '    '));
      tally[complaint === undefined ? 'passed' : 'failed']++;
    }),
  );
  return tally;
}

/** Undefined when the tool is content, else what it said. */
function tool(name: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(join(ROOT, 'node_modules/.bin', name), args, { cwd: ROOT });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (output += data.toString()));
    child.on('error', (error) => resolve(`${error.message}\n`));
    child.on('close', (code) => resolve(code === 0 ? undefined : `${output}\n`));
  });
}

async function generatedCodeDrift(): Promise<string | undefined> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-generated-'));
  try {
    await generateWire(directory);
    const wire = { file: WIRE_FILE, text: readFileSync(join(directory, WIRE_FILE), 'utf8') };
    const drifted = [wire, ...documents()].filter(
      ({ file, text }) => !existsSync(join(ROOT, file)) || readFileSync(join(ROOT, file), 'utf8') !== text,
    );
    return drifted.length === 0
      ? undefined
      : `${drifted.map(({ file }) => file).join(', ')} differ from their sources: npm run generate\n`;
  } catch (error) {
    return `${messageOf(error)}\n`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
