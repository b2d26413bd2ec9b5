/** The program, once `ensureMinistack` has run. */
export function ministackProgram(): string;
/** Makes the venv once. */
export function ensureMinistack(): Promise<{ path: string; fresh: boolean; bytes: number }>;
