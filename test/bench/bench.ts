// `npm run bench -- [transform|levels] [--json] [--records N] [--size small|big] [--rows a,b] [--profile DIR]
// [--spark]`: how fast, for how much CPU and memory. stdout is one JSON object (one line with --json); what
// happens meanwhile and a table for people go to stderr. Each row proves its result before it counts; a row
// that cannot ends the bench with 1.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureKafkaJars } from '@sluice/deploy/local/kafka-jars.mjs';
import { messageOf } from '@sluice/shared/errors.ts';
import { machine, versions } from './measure/machine.ts';
import { type Row, rowsTable } from './measure/row.ts';
import { PARTITIONS, RUN_RECORDS } from './orders/order-batches.ts';
import type { OrderOptions } from './orders/orders.ts';
import { WINDOW } from './orders/orders-table.ts';
import { decodeTransform } from './rows/decode-transform.ts';
import { duckdb } from './rows/duckdb.ts';
import { javaConsumer } from './rows/java-consumer.ts';
import { journey, journeyTls } from './rows/journey.ts';
import { kafkaToSpool } from './rows/kafka-to-spool.ts';
import { link } from './rows/link.ts';
import { spark } from './rows/spark.ts';
import { ensureSpark } from './spark/spark-install.ts';
import { type Stage, setStage } from './stage.ts';
import { benchTransform } from './transform/transform-bench.ts';
import { benchLevels } from './transform/zstd-levels.ts';

const RECORDS = 3_000_000;
/** In shorter runs opening and closing windows is a twentieth. */
const TRANSFORM_RECORDS = 6_000_000;
const FOREIGN_SHARE_MAX = 0.1;

const ROWS: Readonly<Record<string, (stage: Stage) => Promise<Row>>> = {
  javaConsumer,
  kafkaToSpool,
  link,
  duckdb,
  decodeTransform,
  journey,
  journeyTls,
};
/** Not among those that run by themselves: it is half a gigabyte to set up. */
const ALL_ROWS: typeof ROWS = { ...ROWS, spark };

interface Wish {
  /** The transform alone, levels of zstd alone, or everything else. */
  readonly only: 'transform' | 'levels' | undefined;
  readonly orders: OrderOptions;
  readonly rows: readonly string[];
  readonly profileDirectory: string | undefined;
  readonly oneLine: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  let wish: Wish;
  try {
    wish = readWish();
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return 64;
  }
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
  try {
    const run =
      wish.only === undefined ? bench : { transform: transformAlone, levels: levelsAlone }[wish.only];
    const result = await run(wish, directory);
    process.stdout.write(`${JSON.stringify(result, null, wish.oneLine ? 0 : 2)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`\nbench failed: ${explain(error)}\n`);
    return 1;
  }
}

function readWish(): Wish {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      records: { type: 'string' },
      size: { type: 'string', default: 'small' },
      rows: { type: 'string', default: Object.keys(ROWS).join(',') },
      profile: { type: 'string' },
      spark: { type: 'boolean', default: false },
    },
  });
  const [only, ...more] = positionals;
  const records = Number(values.records ?? (only === 'transform' ? TRANSFORM_RECORDS : RECORDS));
  if (!Number.isSafeInteger(records) || records < 1) throw new Error('--records takes a positive number');
  if (values.size !== 'small' && values.size !== 'big') throw new Error('--size is small or big');
  const rows = values.rows.split(',');
  const unknown = rows.filter((name) => !(name in ROWS));
  if (unknown.length > 0)
    throw new Error(`--rows takes ${Object.keys(ROWS).join(', ')}; not ${unknown.join(', ')}`);
  if (more.length > 0 || (only !== undefined && only !== 'transform' && only !== 'levels'))
    throw new Error(`it takes transform, levels, or nothing; not ${positionals.join(' ')}`);
  return {
    only,
    orders: { records, size: values.size },
    rows: values.spark ? [...rows, 'spark'] : rows,
    profileDirectory: values.profile === undefined ? undefined : resolve(values.profile),
    oneLine: values.json,
  };
}

async function transformAlone({ orders }: Wish, directory: string) {
  const result = await benchTransform(directory, orders, say);
  process.stderr.write(`\n${rowsTable(result.rows)}`);
  return { machine: machine(directory), versions: versions(), ...result };
}

async function levelsAlone(_wish: Wish, directory: string) {
  const { levels } = await benchLevels(directory, say);
  return { machine: machine(directory), versions: versions(), levels };
}

async function bench({ orders, rows: names, profileDirectory }: Wish, directory: string) {
  await ensureKafkaJars();
  if (names.includes('spark')) ensureSpark(say);
  const stage = await setStage({ directory, orders, profileDirectory }, say);
  const rows: Row[] = [];
  for (const name of names) {
    say(name);
    const row = await ALL_ROWS[name]?.(stage);
    if (row !== undefined) rows.push(row);
    rmSync(stage.subdirectory(name), { recursive: true, force: true });
  }
  await stage.broker.stop();
  process.stderr.write(`\n${rowsTable(rows)}`);
  if (rows.some(({ foreignCpuShare }) => foreignCpuShare > FOREIGN_SHARE_MAX))
    process.stderr.write(
      'others used more than a tenth of the machine meanwhile: trust CPU-s/M, not records/s\n',
    );
  return { machine: machine(directory), versions: versions(), settings: settings(stage), rows };
}

function settings({ orders, filled }: Stage) {
  const { logBytes, valueBytes } = filled;
  return {
    ...orders,
    bytesPerValue: Math.round((valueBytes / orders.records) * 10) / 10,
    topic: { partitions: PARTITIONS, codec: 'lz4', recordsPerBatch: RUN_RECORDS, logBytes, valueBytes },
    table: 'rename, cast, filter, zstd Parquet by date, position of each record kept',
    window: WINDOW,
    filledInSeconds: filled.seconds,
  };
}

function say(line: string): void {
  process.stderr.write(`${line} ...\n`);
}

/** With the causes: a row wraps what went wrong inside it. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by: ${explain(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
