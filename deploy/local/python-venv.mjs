// Python tools in a venv of their own under .cache, made once. Plain JavaScript: the bootstrap calls it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = resolve(dirname(fileURLToPath(import.meta.url)), '../../.cache');

/** Where the venv of these packages is; its name changes with their versions. */
const venvPath = (requirements) => join(CACHE, requirements.join('_').replaceAll('==', '-'));

/** A program of the venv, once `ensureVenv` has run. */
export const venvProgram = (requirements, name) => join(venvPath(requirements), 'bin', name);

/** Makes the venv once. A venv cannot be moved, so a marker written last says that it is whole. */
export async function ensureVenv(requirements) {
  const path = venvPath(requirements);
  const marker = join(path, 'complete');
  if (existsSync(marker)) return { path, fresh: false, bytes: 0 };
  rmSync(path, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  python('python3', ['-m', 'venv', path]);
  python(join(path, 'bin', 'pip'), ['install', '-q', '--disable-pip-version-check', ...requirements]);
  writeFileSync(marker, '');
  const kilobytes = Number(
    /^\d+/.exec(spawnSync('du', ['-sk', path], { encoding: 'utf8' }).stdout)?.[0] ?? 0,
  );
  return { path, fresh: true, bytes: kilobytes * 1024 };
}

function python(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')} failed:\n${(stdout + stderr).slice(-2_000)}`);
}
