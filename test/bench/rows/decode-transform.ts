// The collector without link, ledger and lake: segments → columns → DuckDB → Parquet.
import { join } from 'node:path';
import { ForeignLoad } from '../measure/foreign-load.ts';
import { checkParquet } from '../measure/parquet-check.ts';
import { type Row, row } from '../measure/row.ts';
import type { DecodeTransformAnswer, DecodeTransformArguments } from '../programs/decode-transform.ts';
import { runProgram } from '../programs/run-program.ts';
import { type Stage, stageSite } from '../stage.ts';

export async function decodeTransform(stage: Stage): Promise<Row> {
  const { orders } = stage;
  const site = await stageSite(stage, { name: 'decodeTransform' });
  const directory = join(stage.subdirectory('decodeTransform'), 'files');
  const foreign = new ForeignLoad();
  const answer = await runProgram<DecodeTransformAnswer>('decode-transform', {
    collectorConfig: site.collector.configFile,
    directory,
    orders,
  } satisfies DecodeTransformArguments).answer();
  const foreignCpuShare = foreign.share();
  await checkParquet('decodeTransform', directory, stage.expected);
  const { windows, decodeSeconds, sqlSeconds, ...usage } = answer;
  return row('decodeTransform', orders.records, {
    ...usage,
    foreignCpuShare,
    details: {
      measured: 'window by window, making the segments left out; they lie in its memory',
      proven: 'rows, distinct ids and sums in the files',
      ...{ windows, decodeSeconds, sqlSeconds },
    },
  });
}
