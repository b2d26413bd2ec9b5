// For scale: Spark Structured Streaming with the same mapping over the same topic. Its first batch pays for
// compiling its code, so that what a job reaches that has run for a while stands beside the whole.
import { join } from 'node:path';
import { startProcess } from '@sluice/deploy/local/child-process.ts';
import { ForeignLoad } from '../measure/foreign-load.ts';
import { checkParquet } from '../measure/parquet-check.ts';
import { peakRssBytes, processTree, treeCpuSeconds } from '../measure/process-usage.ts';
import { type Row, rounded, row } from '../measure/row.ts';
import { ensureSpark, SPARK_VERSION } from '../spark/spark-install.ts';
import type { Stage } from '../stage.ts';

const MEMORY = '4g';
/** Offsets of one micro-batch: larger ones were no faster, smaller ones cost more CPU. */
const BATCH_RECORDS = { small: 1_250_000, big: 250_000 };

interface Said {
  readonly event: 'up' | 'batch' | 'done';
  readonly rows?: number;
  readonly seconds?: number;
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
  /** Since the job's process began. */
  readonly foreignCpuShare: number;
}

export async function spark(stage: Stage): Promise<Row> {
  const { orders } = stage;
  const directory = join(stage.subdirectory('spark'), 'files');
  const said = await runJob(stage, directory);
  await checkParquet('spark', directory, stage.expected);
  const up = said.find(({ event }) => event === 'up');
  const done = said.find(({ event }) => event === 'done');
  if (up === undefined || done === undefined) throw new Error('the Spark job did not say that it ended');
  const batches = said.filter(({ event }) => event === 'batch');
  return row('spark', orders.records, {
    seconds: (done.atMs - up.atMs) / 1_000,
    cpuSeconds: done.cpuSeconds - up.cpuSeconds,
    peakRssBytes: Math.max(...said.map((s) => s.peakRssBytes)),
    foreignCpuShare: done.foreignCpuShare,
    details: {
      measured:
        'the query from first to last record: the start of the session is left out, the first batch is not',
      proven: 'rows, distinct ids and sums in the files',
      version: SPARK_VERSION,
      memory: MEMORY,
      batches: batches.map(({ rows, seconds }) => ({ rows, seconds })),
      steady: steadyOf(batches),
    },
  });
}

/** All batches but the first; null where there is but one. */
function steadyOf(batches: readonly Said[]) {
  const [first, ...rest] = batches;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return null;
  const records = rest.reduce((sum, { rows = 0 }) => sum + rows, 0);
  const seconds = rest.reduce((sum, batch) => sum + (batch.seconds ?? 0), 0);
  return {
    recordsPerSecond: Math.round(records / seconds),
    cpuSecondsPerMillion: rounded(((last.cpuSeconds - first.cpuSeconds) / records) * 1e6, 3),
  };
}

async function runJob({ broker, filled, orders, ...stage }: Stage, out: string): Promise<Said[]> {
  const { python, jars } = ensureSpark(() => {});
  const work = stage.subdirectory('spark');
  const said: Said[] = [];
  const foreign = new ForeignLoad();
  let rest = '';
  const { PATH, HOME, JAVA_HOME } = process.env;
  const job = startProcess(
    python,
    [
      ...[
        join(import.meta.dirname, '../spark/job.py'),
        '--brokers',
        broker.plaintext,
        '--topic',
        filled.topic,
      ],
      ...['--size', orders.size, '--out', out, '--work', work, '--jars', jars],
      ...['--memory', MEMORY, '--batch', String(BATCH_RECORDS[orders.size])],
    ],
    {
      env: { PATH, HOME, TMPDIR: work, ...(JAVA_HOME === undefined ? {} : { JAVA_HOME }) },
      onOutput(text) {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        const usage = { ...usageNow(job.child.pid ?? 0), foreignCpuShare: foreign.share() };
        for (const line of lines)
          if (line.startsWith('{"event"')) said.push({ ...(JSON.parse(line) as Said), ...usage });
      },
    },
  );
  const code = await job.ended;
  if (code !== 0) throw new Error(`the Spark job ended with ${code}\n${job.tail()}`);
  return said;
}

function usageNow(root: number) {
  const peak = processTree(root).reduce((sum, pid) => sum + peakRssBytes(pid), 0);
  return { atMs: performance.now(), cpuSeconds: treeCpuSeconds(root), peakRssBytes: peak };
}
