// Types of linters-venv.mjs, which is plain JavaScript because the bootstrap calls it before anything is
// installed.
export type Linter = 'cfn-lint' | 'hadolint' | 'shellcheck';
/** One of the programs, once `ensureLinters` has run. */
export function linterProgram(name: Linter): string;
/** Makes the venv once. */
export function ensureLinters(): Promise<{ path: string; fresh: boolean; bytes: number }>;
