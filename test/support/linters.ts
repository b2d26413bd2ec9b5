// Linters of what deploys, as a test calls them. The bootstrap has set them up; a file that runs by itself
// does it here.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureLinters, type Linter, linterProgram } from '@sluice/deploy/local/linters-venv.mjs';

/** What the linter says, '' when it is content. */
export async function lint(linter: Linter, args: readonly string[]): Promise<string> {
  await ensureLinters();
  try {
    const { stdout, stderr } = await promisify(execFile)(linterProgram(linter), [...args]);
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: unknown };
    const said = `${stdout ?? ''}${stderr ?? ''}`;
    return said === '' ? `${linter} ended with ${String(code)}` : said;
  }
}
