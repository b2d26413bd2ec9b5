// Types of lake-readers-venv.mjs, which is plain JavaScript as the other venvs.
/** Python with pyarrow and awswrangler, once `ensureLakeReaders` has run. */
export function lakeReadersPython(): string;
/** Makes the venv once. */
export function ensureLakeReaders(): Promise<{ path: string; fresh: boolean; bytes: number }>;
