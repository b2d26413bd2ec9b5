// The joiner of one compaction, opened when something is to be joined: Parquet on a DuckDB of its own, lines
// without one. The files that it makes are gone when it is closed.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../../transform/duckdb.ts';
import { rowGroupOptions } from '../../transform/sql/file-format.ts';
import { rowJoining } from './joined-rows.ts';
import { textJoining } from './joined-text.ts';
import { Joiner, type JoiningFormat, type JoiningOptions, type ObjectJoiner } from './joiner.ts';

/** Where objects are joined. */
const MEMORY_BYTES_MAX = 1_000_000_000;

export async function openJoiner(options: JoiningOptions): Promise<ObjectJoiner> {
  const { reader, scratch, objectBytes } = options;
  const { format, close } = await openFormat(options);
  const directory = join(scratch, 'joined');
  return {
    join: (parts) => new Joiner({ reader, directory, objectBytes, format }).join(parts),
    async close() {
      close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function openFormat({
  output,
  directories,
  scratch,
}: JoiningOptions): Promise<{ readonly format: JoiningFormat; close(): void }> {
  if (output.kind !== 'parquet') return { format: textJoining(output.kind), close() {} };
  const limits = { memoryBytesMax: MEMORY_BYTES_MAX, threads: 1 };
  const database = await openDatabase({ directories, spillDirectory: scratch, ...limits });
  const groups = (rowGroupRows: number) => rowGroupOptions({ ...output, rowGroupRows });
  const { rowGroupRows } = output;
  return { format: rowJoining({ database, groups, rowGroupRows }), close: () => database.close() };
}
