// Records out of the raw table of a simulation: rows of the objects that the ledger names, range by range,
// each counted against what the window says of it. Same contract as DuckDB's.
import { createHash } from 'node:crypto';
import type { LedgerRange, ObjectStore, StagedSegment } from '@sluice/collector/contracts.ts';
import type { StandingOutput } from '@sluice/collector/ledger/standing-objects.ts';
import type { OpenRecords, RawSources } from '@sluice/collector/ops/rebuild/raw-table.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { segmentOfRecords } from '@sluice/shared/record-segment.ts';
import type { RawRow } from './transformer.ts';
import type { World } from './world.ts';

export function simRecords(world: World, store: ObjectStore): OpenRecords {
  return (sources) => {
    const held = new Map<string, readonly RawRow[]>();
    return Promise.resolve({
      segments: (ranges) => segments({ world, store, sources, held }, ranges),
      keepFor: () => Promise.resolve(),
      close: () => held.clear(),
    });
  };
}

interface Reading {
  readonly world: World;
  readonly store: ObjectStore;
  readonly sources: RawSources;
  /** By key. */
  readonly held: Map<string, readonly RawRow[]>;
}

async function* segments(reading: Reading, ranges: readonly LedgerRange[]): AsyncGenerator<StagedSegment> {
  for (const range of ranges) {
    const { topic, partition, start, next, counts, leaderEpoch } = range;
    if (counts.records === 0) continue;
    const rows: RawRow[] = [];
    for (const output of reading.sources.holding(range)) rows.push(...(await rowsOf(reading, output)));
    const records = rows
      .filter((row) => row.topic === topic && row.partition === partition)
      .filter(({ offset }) => start <= offset && offset < next)
      .sort((a, b) => a.offset - b.offset)
      .map(({ offset, value = null }) => ({ offset, ...NOTHING_BESIDE, value: bytesOf(value) }));
    if (records.length !== counts.records) {
      const message = `${partitionName(range)} [${start}, ${next}) has ${records.length} of its ${counts.records} records`;
      // Its ledger says that all of the range is there.
      reading.world.violated(`a rebuild: ${message}`);
      throw new SluiceError('REBUILD_SOURCE_INCOMPLETE', message);
    }
    const segment = segmentOfRecords(range, records, { codec: 'none', leaderEpoch });
    yield { segment, fromOffset: segment.startOffset };
  }
}

const NOTHING_BESIDE = { timestamp: -1, key: null, headers: [] };
const bytesOf = (value: string | null) => (value === null ? null : Buffer.from(value, 'base64'));

async function rowsOf({ store, held }: Reading, output: StandingOutput): Promise<readonly RawRow[]> {
  const { finalKey: key, sha256, rows, joined } = output;
  const known = held.get(key) ?? (await rowsAt(store, key, sha256));
  held.set(key, known);
  return joined === undefined ? known : known.slice(joined.first, joined.first + rows);
}

async function rowsAt(store: ObjectStore, key: string, sha256: string): Promise<readonly RawRow[]> {
  const bytes = await store.read(key);
  if (bytes === undefined || createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new SluiceError('REBUILD_SOURCE_INCOMPLETE', `${key} is not what the ledger says`);
  return JSON.parse(Buffer.from(bytes).toString()) as RawRow[];
}
