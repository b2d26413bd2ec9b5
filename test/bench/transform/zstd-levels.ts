// `npm run bench -- levels`: how large Parquet files of several kinds of columns become, and how long they
// take, by the level of zstd. Beside zstd's own level 3; one thread, the middle one of several turns.
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { middleOf } from '../measure/middle.ts';
import { readOrders, writeOrders } from '../orders/order-file.ts';
import type { RecordSize } from '../orders/orders.ts';

/** The first is what the others are held against. */
const LEVELS = [3, 1, 2, 6];
const TURNS = 5;
/** About a row group. */
const ROWS = 81_920;

interface Level {
  readonly level: number;
  readonly bytes: number;
  readonly milliseconds: number;
}

export interface LevelsResult {
  readonly levels: Readonly<Record<string, readonly Level[]>>;
}

const REPOSITORY = resolve(import.meta.dirname, '../../..');

/** Each is a SELECT; what is drawn is drawn by a hash, so that every run has the same values. */
function tables(orders: (size: RecordSize) => string, lines: (glob: string) => string) {
  const drawn = (salt: number, below: number) => `(hash(i * ${salt}) % ${below})::INTEGER`;
  const range = `FROM range(${ROWS}) t(i)`;
  const even = 'make_timestamp(1760000000000000 + i * 137011)';
  const uneven = `make_timestamp(1760000000000000 + i * 1000000 + ${drawn(17, 1_000)} * 1000)`;
  const readings = (at: string) =>
    `SELECT i AS id, ${drawn(3, 500)} AS sensor, 20 + ${drawn(5, 1_000_000)} / 7e5 AS temperature, ` +
    `${drawn(9, 2_000)} / 1e2 AS humidity, ${at} AS at ${range}`;
  return {
    'orders, 8 columns': `SELECT * FROM ${orders('small')}`,
    'orders of 1 KB, nested': `SELECT * FROM ${orders('big')}`,
    'their items, exploded':
      'SELECT order_id, ts, customer.name, item.* ' +
      `FROM (SELECT *, unnest(items) AS item FROM ${orders('big')})`,
    'orders of 1 KB as they came': `SELECT to_json(o)::VARCHAR AS value FROM ${orders('big')} o LIMIT ${ROWS / 2}`,
    'lines of a log':
      `SELECT ${even}::VARCHAR || ' INFO [worker-' || ${drawn(7, 16)} || '] request ' || md5(i::VARCHAR) || ` +
      `' took ' || ${drawn(11, 4_000)} || ' ms for user ' || ${drawn(13, 200_000)} AS line ${range}`,
    'readings of sensors': readings(uneven),
    'the same, at even steps': readings(even),
    'keys like UUIDs': `SELECT md5(i::VARCHAR)::UUID::VARCHAR AS id, ${drawn(3, 100_000)}::VARCHAR AS customer ${range}`,
    'lines of source and prose': `${lines('{agent,collector,shared}/src/**/*.ts')} UNION ALL ${lines('docs/**/*.md')} LIMIT ${ROWS}`,
  };
}

export async function benchLevels(directory: string, say: (line: string) => void): Promise<LevelsResult> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  const orders = (size: RecordSize) => {
    const file = join(directory, `${size}.ndjson`);
    writeOrders(file, { records: ROWS, size });
    return readOrders(file, size);
  };
  const lines = (glob: string) =>
    `(SELECT unnest(string_split(content, chr(10))) AS line FROM read_text('${join(REPOSITORY, glob)}'))`;
  const levels: Record<string, readonly Level[]> = {};
  for (const [name, select] of Object.entries(tables(orders, lines))) {
    await connection.run(`CREATE OR REPLACE TABLE rows AS ${select}`);
    const measured: Level[] = [];
    for (const level of LEVELS)
      measured.push(await writeAt(connection, level, join(directory, 'rows.parquet')));
    levels[name] = measured;
    say(`${name}: ${told(measured)}`);
  }
  connection.closeSync();
  instance.closeSync();
  return { levels };
}

async function writeAt(connection: DuckDBConnection, level: number, path: string): Promise<Level> {
  const times: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const started = performance.now();
    await connection.run(
      `COPY rows TO '${path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL ${level})`,
    );
    times.push(performance.now() - started);
  }
  const middle = middleOf(times, (time) => time);
  return { level, bytes: statSync(path).size, milliseconds: Math.round(middle) };
}

function told([first, ...others]: readonly Level[]): string {
  if (first === undefined) return '';
  const change = (now: number, before: number) => `${Math.round((now / before - 1) * 1_000) / 10} %`;
  return [
    `${first.bytes} bytes`,
    ...others.map(
      (other) =>
        `level ${other.level} ${change(other.bytes, first.bytes)} bytes, ${change(other.milliseconds, first.milliseconds)} time`,
    ),
  ].join('; ');
}
