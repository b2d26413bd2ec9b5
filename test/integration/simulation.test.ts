// Exactly once by seed: a thousand different lives of a site and a lake, in which every kind of fault
// happens, and nothing is lost, doubled, shown too early, taken back or acknowledged too soon, and all comes
// through once the faults are over.
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { FAULT_EVERY_MS, type FaultKind } from '../simulation/profile.ts';
import { describeSeeds, runSeeds } from '../simulation/seeds.ts';

const SEEDS = 1_000;
/** Without the faults below, so that one log of a topic lives longer. */
const SEEDS_OF_ONE_LOG = 200;
/** Kafka's log is not the one that was read before: another topic of the same name, or one that was cut. */
const ANOTHER_LOG: readonly FaultKind[] = ['log cut by an unclean election', 'topic created again'];

const missing = (counts: Readonly<Record<string, number>>, kinds: readonly string[]) =>
  kinds.filter((kind) => (counts[kind] ?? 0) === 0);

/** Beside the faults that come at an instant: those of single requests, and what they must have led to. */
const MUST_HAPPEN = [
  ...Object.keys(FAULT_EVERY_MS),
  'fork recorded',
  'spool cut off',
  's3 503',
  's3 409',
  's3 denied',
  's3 hangs',
  's3 reply lost',
  's3 request arrived late',
  's3 request outlived its sender',
  's3 repeated by the client',
  'glue 503',
  'glue reply lost',
  'glue request arrived late',
  'kafka reply lost',
  'kafka client crashed',
  'group member expelled',
  'partitions shared by agents',
  'peer vanished without a word',
  'link given up by keepalive',
  'transaction aborted',
  'transaction committed',
  'malformed record',
  'hole of a compaction',
  'batch emptied by compaction',
  'slow disk',
  'transform failed',
  'gap recorded',
  'gap filled',
  'rewind asked',
  'table detached',
  'table taken back',
  'table added',
  'topics united',
  'topics moved',
  'topic taken in',
  'topic removed',
  'topic refused',
  'table removed',
  'config refused',
  'backfill ended',
  'lake made anew',
  'opened by a spool alone',
  'spool full',
  'topic held',
  'stream handed on',
  ...['compact done', 'compact void', 'compact killed', 'compact slept', 'compact refused'],
  ...['rebuild done', 'rebuild void', 'rebuild killed', 'rebuild slept', 'rebuild refused'],
  'swap published by a collector',
  'partition set back by a late move',
  'partitions put back',
];

async function live(count: number, without: readonly FaultKind[]) {
  const result = await runSeeds({ from: 1, count, processes: availableParallelism(), without });
  process.stdout.write(describeSeeds(result));
  assert.deepEqual(
    result.failed.map(({ seed }) => seed),
    [],
    describeSeeds(result),
  );
  assert.equal(result.seeds, count);
  return result.counts;
}

test(`${SEEDS} seeds: every record has its fate once, whatever fails, and each fault did happen`, async () => {
  assert.deepEqual(missing(await live(SEEDS, []), MUST_HAPPEN), []);
});

test(`${SEEDS_OF_ONE_LOG} seeds: the same where no log is cut and no topic is created again`, async () => {
  const counts = await live(SEEDS_OF_ONE_LOG, ANOTHER_LOG);
  assert.deepEqual(missing(counts, ANOTHER_LOG), ANOTHER_LOG);
});
