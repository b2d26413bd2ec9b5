// Types of python-venv.mjs, which is plain JavaScript because the bootstrap calls it before anything is
// installed.
/** A program of the venv, once `ensureVenv` has run. */
export function venvProgram(requirements: readonly string[], name: string): string;
/** Makes the venv once. Requirements are pinned: `name==version`. */
export function ensureVenv(
  requirements: readonly string[],
): Promise<{ path: string; fresh: boolean; bytes: number }>;
