// One COPY into files, each with what the ledger will say of it.
import { stat } from 'node:fs/promises';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import type { Database } from './duckdb.ts';
import type { WrittenFile } from './joined-files.ts';
import { literal } from './sql/types.ts';

/** One file at `path`, or with FILE_SIZE_BYTES among the options a directory of files. */
export async function copyToFiles(
  database: Database,
  { select, path, options }: { readonly select: string; readonly path: string; readonly options: string },
): Promise<WrittenFile[]> {
  const written = await database.rows(`COPY (${select}) TO ${literal(path)} (${options})`);
  return await Promise.all(
    written.map(async (row) => {
      const file = String(row['filename'] ?? path);
      const rows = Number(row['Count'] ?? row['count']);
      return { path: file, rows, bytes: (await stat(file)).size, sha256: await sha256OfFile(file) };
    }),
  );
}
