// The joiner of one compaction, on a DuckDB of its own that is opened when something is to be joined. The
// files that it makes are gone when it is closed.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../../transform/duckdb.ts';
import { rowGroupOptions } from '../../transform/sql/file-format.ts';
import { Joiner, type JoiningOptions, type ObjectJoiner } from './joiner.ts';

/** Where objects are joined. */
const MEMORY_BYTES_MAX = 1_000_000_000;

export async function openJoiner(options: JoiningOptions): Promise<ObjectJoiner> {
  const { reader, directories, scratch, output, objectBytes } = options;
  const limits = { memoryBytesMax: MEMORY_BYTES_MAX, threads: 1 };
  const database = await openDatabase({ directories, spillDirectory: scratch, ...limits });
  const directory = join(scratch, 'joined');
  const format = (rowGroupRows: number) => rowGroupOptions({ ...output, rowGroupRows });
  const each = { reader, database, directory, objectBytes, format, rowGroupRows: output.rowGroupRows };
  return {
    join: (parts) => new Joiner(each).join(parts),
    async close() {
      database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
