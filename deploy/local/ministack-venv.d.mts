// Types of ministack-venv.mjs, which is plain JavaScript because the bootstrap calls it before anything is
// installed.
/** The program, once `ensureMinistack` has run. */
export function ministackProgram(): string;
/** Makes the venv once. */
export function ensureMinistack(): Promise<{ path: string; fresh: boolean; bytes: number }>;
