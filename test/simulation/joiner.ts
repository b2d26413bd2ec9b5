// Objects as rows of larger ones, in memory: what stands under their keys is held to the ledger and put one
// behind the other. Same contract as DuckDB's.
import { createHash } from 'node:crypto';
import type { ObjectStore } from '@sluice/collector/contracts.ts';
import { type JoinedFile, type OpenJoiner, Unjoinable } from '@sluice/collector/ops/compact/joiner.ts';
import type { SmallObject } from '@sluice/collector/ops/compact/plan.ts';
import type { LakeRow } from '../support/lake-oracle.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** Reading and writing of one object. */
const JOIN_MS = 100;
/** How often objects of a partition have other columns than each other: it stays as it is. */
const UNJOINABLE_SHARE = 0.03;

export interface SimJoinerOptions {
  readonly world: World;
  readonly process: SimProcess;
  readonly store: ObjectStore;
  /** Local files, by path. */
  readonly files: Map<string, Buffer>;
}

export function simJoiner({ world, process, store, files }: SimJoinerOptions): OpenJoiner {
  const chance = world.chance.stream(`${process.name} joins ${world.time.nowMs}`);
  let made = 0;

  async function rowsOf({ from, sha256, rows }: SmallObject): Promise<LakeRow[]> {
    const bytes = await store.read(from);
    if (bytes === undefined) throw new Unjoinable(`${from} is not there`);
    if (createHash('sha256').update(bytes).digest('hex') !== sha256)
      throw new Unjoinable(`${from} was replaced`);
    const read = JSON.parse(Buffer.from(bytes).toString()) as LakeRow[];
    if (read.length !== rows) world.violated(`${from} holds ${read.length} rows and the ledger says ${rows}`);
    return read;
  }

  async function* join(parts: readonly SmallObject[]): AsyncGenerator<JoinedFile> {
    const rows: LakeRow[] = [];
    for (const part of parts) rows.push(...(await rowsOf(part)));
    await process.clock.sleep(chance.spread(JOIN_MS));
    if (world.faulty && chance.happens(UNJOINABLE_SHARE)) throw new Unjoinable('they have other columns');
    const counted = rows.length;
    // A fault that tests must see caught.
    if (world.sabotage === 'joined objects lack a row') rows.pop();
    const path = `joined/${made++}.parquet`;
    const bytes = Buffer.from(JSON.stringify(rows));
    files.set(path, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    yield { path, rows: counted, bytes: bytes.length, sha256, parts };
    files.delete(path);
  }

  return ({ objectBytes }) =>
    Promise.resolve({
      async *join(parts) {
        for (const some of filled(parts, objectBytes)) if (some.length > 1) yield* join(some);
      },
      close: () => Promise.resolve(),
    });
}

/** In their order, as many as make an object of so many bytes. */
function* filled(parts: readonly SmallObject[], objectBytes: number): Generator<readonly SmallObject[]> {
  let some: SmallObject[] = [];
  let bytes = 0;
  for (const part of parts) {
    if (some.length > 0 && bytes + part.bytes > objectBytes) {
      yield some;
      [some, bytes] = [[], 0];
    }
    some.push(part);
    bytes += part.bytes;
  }
  yield some;
}
