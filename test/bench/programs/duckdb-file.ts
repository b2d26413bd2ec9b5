// Plain DuckDB over the same records in a file: what the transform would cost if records came from nowhere
// and every value were as it should be.
import { DuckDBInstance } from '@duckdb/node-api';
import { answer, Meter, programArguments } from './program.ts';

export interface DuckdbFileArguments {
  /** One COPY. */
  readonly copy: string;
  readonly threads: number;
  /** Once before it is measured, as what stands beside it has warmed up. */
  readonly warmUp?: boolean;
}

const { copy, threads, warmUp = false } = programArguments<DuckdbFileArguments>();
const instance = await DuckDBInstance.create(':memory:', { threads: String(threads) });
const connection = await instance.connect();
await connection.run("SET TimeZone = 'UTC'; SET preserve_insertion_order = false");
if (warmUp) await connection.run(copy);
const meter = new Meter();
meter.start();
await connection.run(copy);
meter.stop();
answer(meter.usage());
