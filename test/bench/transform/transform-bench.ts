// `npm run bench -- transform`: the collector's transform beside plain DuckDB's `read_json → COPY` of the
// same bytes, with one thread and with two, in one run; with one thread in turns, of which the middle one is
// told. No Kafka, no link: record batches lie in memory, JSON lines in a file.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ZSTD_LEVEL } from '@sluice/collector/tables.ts';
import { stringify } from 'yaml';
import { ForeignLoad } from '../measure/foreign-load.ts';
import { middleOf } from '../measure/middle.ts';
import { type Measured, type Row, row } from '../measure/row.ts';
import { readOrders, writeOrders } from '../orders/order-file.ts';
import type { OrderOptions } from '../orders/orders.ts';
import type { DecodeTransformAnswer, DecodeTransformArguments } from '../programs/decode-transform.ts';
import type { DuckdbFileArguments } from '../programs/duckdb-file.ts';
import { runProgram, type Usage } from '../programs/run-program.ts';
import { CASES, type TransformCase } from './cases.ts';

/** How many records of 1 KB for each small one: as many bytes. */
const BIG_SHARE = 1 / 6;

/** With so many threads, how often: one after the other, ours and the plain one in turns. */
const ROUNDS = [
  { threads: 1, rounds: 3 },
  { threads: 2, rounds: 1 },
];

interface Figures {
  readonly recordsPerSecond: number;
  /** Ours as a share of plain DuckDB's rate with as many threads. */
  readonly shareOfPlain: number;
  /** Where it is told to pack at the level that we pack at, and not at its own. */
  readonly shareOfPlainAtOurLevel: number;
  readonly twoThreads: { readonly recordsPerSecond: number; readonly shareOfPlain: number };
}

export interface TransformResult {
  readonly transform: Readonly<Record<string, Figures>>;
  /** Plain DuckDB, one thread, the records of `applyMapping`. */
  readonly duckdb: { readonly recordsPerSecond: number };
  readonly rows: readonly Row[];
}

export async function benchTransform(
  directory: string,
  orders: { readonly records: number },
  say: (line: string) => void,
): Promise<TransformResult> {
  const rows: Row[] = [];
  const transform: Record<string, Figures> = {};
  let plainRate = 0;
  for (const one of CASES) {
    const records = one.size === 'big' ? Math.ceil(orders.records * BIG_SHARE) : orders.records;
    const options = { records, size: one.size };
    const file = join(directory, `${one.size}.ndjson`);
    writeOrders(file, options);
    const shares: { recordsPerSecond: number; shareOfPlain: number }[] = [];
    const atOurLevel: Row[] = [];
    for (const { threads, rounds } of ROUNDS) {
      const name = `${one.name}, ${threads} thread${threads === 1 ? '' : 's'}`;
      const [allPlain, allOurs]: [Row[], Row[]] = [[], []];
      for (let round = 1; round <= rounds; round++) {
        say(rounds === 1 ? name : `${name}, round ${round} of ${rounds}`);
        allPlain.push(await plainRow(`plain: ${name}`, { one, options, threads, file, directory }));
        allOurs.push(await ourRow(`sluice: ${name}`, { one, options, threads, directory }));
        if (threads > 1) continue;
        const level = ZSTD_LEVEL;
        const named = `plain at level ${level}: ${name}`;
        atOurLevel.push(await plainRow(named, { one, options, threads, file, directory, level }));
      }
      const [plain, ours] = [middle(allPlain), middle(allOurs)];
      rows.push(plain, ours);
      shares.push({ recordsPerSecond: ours.recordsPerSecond, shareOfPlain: share(ours, plain) });
      if (one.name === 'applyMapping' && threads === 1) plainRate = plain.recordsPerSecond;
    }
    rmSync(file);
    const [single, double] = shares;
    const same = middle(atOurLevel);
    rows.push(same);
    if (single === undefined || double === undefined) continue;
    transform[one.name] = { ...single, shareOfPlainAtOurLevel: share(single, same), twoThreads: double };
  }
  return { transform, duckdb: { recordsPerSecond: plainRate }, rows };
}

type Rate = Pick<Row, 'recordsPerSecond'>;
const share = (ours: Rate, plain: Rate) =>
  Math.round((ours.recordsPerSecond / plain.recordsPerSecond) * 1_000) / 1_000;

const middle = (rows: readonly Row[]) => middleOf(rows, ({ recordsPerSecond }) => recordsPerSecond);

interface Run {
  readonly one: TransformCase;
  readonly options: OrderOptions;
  readonly threads: number;
  readonly directory: string;
}

interface PlainRun extends Run {
  readonly file: string;
  /** Of zstd; else DuckDB's own. */
  readonly level?: number;
}

async function plainRow(name: string, run: PlainRun): Promise<Row> {
  const { one, options, threads, file, directory, level } = run;
  const packed = level === undefined ? '' : `, COMPRESSION_LEVEL ${level}`;
  const to = join(directory, 'plain.parquet');
  const select = one.plain.replace('FROM orders', `FROM ${readOrders(file, options.size)}`);
  const copy = `COPY (${select}) TO '${to}' (FORMAT parquet, COMPRESSION zstd${packed})`;
  const result = await measured(() =>
    runProgram<Usage>('duckdb-file', { copy, threads, warmUp: true } satisfies DuckdbFileArguments).answer(),
  );
  rmSync(to);
  return row(name, options.records, { ...result, details: { threads } });
}

async function ourRow(name: string, { one, options, threads, directory }: Run): Promise<Row> {
  const home = join(directory, 'ours');
  mkdirSync(home, { recursive: true });
  const collectorConfig = join(home, 'collector.yaml');
  writeFileSync(collectorConfig, stringify(configOf(one.table, threads)));
  const result = await measured(() =>
    runProgram<DecodeTransformAnswer>('decode-transform', {
      collectorConfig,
      directory: join(home, 'files'),
      orders: options,
    } satisfies DecodeTransformArguments).answer(),
  );
  rmSync(home, { recursive: true });
  const { windows, decodeSeconds, sqlSeconds, ...usage } = result;
  return row(name, options.records, { ...usage, details: { threads, windows, decodeSeconds, sqlSeconds } });
}

async function measured<T extends Usage>(run: () => Promise<T>): Promise<T & Omit<Measured, 'details'>> {
  const foreign = new ForeignLoad();
  const usage = await run();
  return { ...usage, foreignCpuShare: foreign.share() };
}

function configOf(table: object, threads: number): object {
  return {
    listen: { address: '127.0.0.1:8443', tls: { ca: 'ca.pem', cert: 'collector.pem', key: 'collector.key' } },
    agents: [{ id: 'bench', topics: ['*'] }],
    lake: { store: './lake', catalog: 'file' },
    tables: [table],
    limits: { transformThreads: threads },
  };
}
