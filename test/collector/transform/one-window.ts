// One window through the real transform, read back: rows and quarantine as DuckDB prints them to JSON.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after } from 'node:test';
import type { SchemaSource, TableConfig, TransformResult } from '@sluice/collector/contracts.ts';
import type { ReferenceSource } from '@sluice/collector/reference-place.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import type { KafkaRecord } from '@sluice/shared/records.ts';
import { rowsOfSelect } from '../../support/parquet.ts';
import { segmentOfRecords } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

/** A value, or a record with what stands beside it. */
export type Given =
  | string
  | Buffer
  | null
  | {
      readonly value: string | Buffer | null;
      readonly key?: string | Buffer | null;
      readonly headers?: readonly (readonly [string, string | Buffer | null])[];
    };

export interface Written {
  readonly rows: Record<string, unknown>[];
  readonly quarantine: Record<string, unknown>[];
  /** Rows of any output. */
  readonly read: (output: string) => Promise<Record<string, unknown>[]>;
  readonly result: TransformResult;
}

/**
 * A transformer for the tests of one file, closed behind them, and what it makes of one window of `values`.
 */
export function oneWindows(schemas?: SchemaSource, references?: ReferenceSource) {
  const transformer = createTransformer({ memoryBytesMax: 256e6, threads: 1 }, { schemas, references });
  const home = temporaryDirectory();
  let windows = 0;
  after(() => transformer.close());
  const transform = async (table: Partial<TableConfig>, values: readonly Given[]): Promise<Written> => {
    const directory = join(home, `w${windows++}`);
    const segment = segmentOfRecords(values.map(recordOf), { codec: windows % 2 ? 'lz4' : 'none' });
    const result = await transformer.run({
      table: { ...plainTable, ...table },
      windowId: 'w',
      segments: [{ segment, fromOffset: 0 }],
      openedMs: Date.UTC(2026, 10, 23, 7),
      directory,
    });
    const { in: total, emitted, merged, filtered, quarantined } = result.classes;
    assert.equal(total, values.length);
    assert.equal(emitted + merged + filtered + quarantined, total);
    const read = async (output: string) => {
      const rows: Record<string, unknown>[] = [];
      for (const file of result.files.filter((f) => f.output === output))
        rows.push(...(await readFile(file.path)));
      return rows;
    };
    return { rows: await read('rows'), quarantine: await read('quarantine'), read, result };
  };

  return { transformer, transform };
}

const bytesOf = (value: string | Buffer | null) => (typeof value === 'string' ? Buffer.from(value) : value);

function recordOf(given: Given, offset: number): KafkaRecord {
  const {
    value,
    key = null,
    headers = [],
  } = given === null || typeof given === 'string' || Buffer.isBuffer(given) ? { value: given } : given;
  return {
    offset,
    timestamp: 1_780_000_000_000,
    key: bytesOf(key),
    value: bytesOf(value),
    headers: headers.map(([name, header]) => [name, bytesOf(header)] as const),
  };
}

async function readFile(path: string): Promise<Record<string, unknown>[]> {
  const reader = path.includes('.csv')
    ? `read_csv('${path}', header = false, all_varchar = true)`
    : path.includes('.json')
      ? `read_json('${path}')`
      : `read_parquet('${path}')`;
  return await rowsOfSelect(`SELECT * FROM ${reader}`);
}
