// A statement that never ends: it is told to end after a time that it had, takes its window with it and
// nobody else, and what cannot be ended is left behind, a few of them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { SlowTables } from '@sluice/collector/transform/slow-tables.ts';
import { StatementWatches } from '@sluice/collector/transform/statement-watch.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { isForgotten } from '../../support/forgotten.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const timedOut = { code: 'TRANSFORM_TIMED_OUT' };

/** Statements that run until they are ended, on a machine that gives them `share` of its time. */
function watched(share = 1) {
  const clock = manualClock();
  const watches = new StatementWatches({ clock, cpuMs: () => clock.monotonicMs() * share });
  function begin(table: string, { heeds = true, watch = watches.of(table, 60_000) } = {}) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let interrupts = 0;
    const connection = {
      interrupt() {
        interrupts++;
        if (heeds) reject(new Error('INTERRUPT Error: Interrupted!'));
      },
    };
    const run = watch.run(connection, () => promise);
    run.catch(() => {});
    return { watch, run, end: resolve, interrupts: () => interrupts };
  }
  return { clock, watches, begin };
}

test('a statement is ended at its time, and none of its window begins behind it', async () => {
  const { clock, begin } = watched();
  const { watch, run, interrupts } = begin('claims');
  await clock.advance(59_000);
  assert.equal(interrupts(), 0);
  await clock.advance(2_000);
  await assert.rejects(run, timedOut);
  let begun = false;
  const next = async () => {
    begun = true;
  };
  await assert.rejects(watch.run({ interrupt() {} }, next), timedOut);
  assert.equal(begun, false);
});

test('time that the machine did not give does not count', async () => {
  const { clock, begin } = watched(0.1);
  const { run, end, interrupts } = begin('claims');
  await clock.advance(500_000);
  assert.equal(interrupts(), 0);
  end();
  await run;
});

test('each statement has the whole time, and one that has ended costs no timer', async () => {
  const { clock, watches, begin } = watched();
  const watch = watches.of('claims', 60_000);
  for (let i = 0; i < 5; i++) {
    const { run, end } = begin('claims', { watch });
    await clock.advance(50_000);
    end();
    await run;
  }
  await settle();
  assert.equal(clock.timers, 0);
});

test('what a statement answered is not kept until its window is over', async () => {
  const { watches } = watched();
  const watch = watches.of('claims');
  const answered = async () => new WeakRef(await watch.run({ interrupt() {} }, async () => ({ rows: 1 })));
  assert.ok(await isForgotten(await answered()));
  watch.whenEnded(() => {});
});

test('what does not heed is left behind with its database open, and its table waits until it has ended', async () => {
  const { clock, watches, begin } = watched();
  const { watch, run, end } = begin('claims', { heeds: false });
  await clock.advance(89_000);
  const over = await Promise.race([run.catch(() => 'over'), settle().then(() => 'runs')]);
  assert.equal(over, 'runs');
  await clock.advance(2_000);
  await assert.rejects(run, timedOut);
  let isClosed = false;
  watch.whenEnded(() => {
    isClosed = true;
  });
  assert.equal(isClosed, false);
  assert.throws(() => watches.of('claims'), timedOut);
  assert.ok(watches.of('orders'));
  end();
  await settle();
  assert.equal(isClosed, true);
  assert.ok(watches.of('claims'));
});

test('two are left behind and no more: each holds a thread', async () => {
  const { clock, begin } = watched();
  const all = ['a', 'b', 'c'].map((table) => begin(table, { heeds: false }));
  await clock.advance(200_000);
  const said = all.map(({ run }) => Promise.race([run.catch(() => 'left'), settle().then(() => 'holds')]));
  assert.deepEqual(await Promise.all(said), ['left', 'left', 'holds']);
});

test('tables whose statements were ended take turns, until a window of theirs is whole', async () => {
  const slow = new SlowTables();
  const fail = async () => {
    throw new SluiceError('TRANSFORM_TIMED_OUT', 'a statement ran for 60 s');
  };
  for (const table of ['a', 'b']) await assert.rejects(slow.run(table, fail), timedOut);
  const running = new Set<string>();
  const ends = new Map<string, () => void>();
  const begin = (table: string, name: string) =>
    slow.run(table, async () => {
      running.add(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
      running.delete(name);
    });
  const windows = [begin('a', 'a1'), begin('b', 'b1'), begin('a', 'a2'), begin('c', 'c1'), begin('c', 'c2')];
  await settle();
  assert.deepEqual([...running].sort(), ['a1', 'c1', 'c2']);
  for (const name of ['c1', 'c2', 'a1', 'b1', 'a2']) {
    ends.get(name)?.();
    await settle();
  }
  await Promise.all(windows);
  assert.equal(running.size, 0);
});

const home = temporaryDirectory();
const transformer = createTransformer({ memoryBytesMax: 128e6, threads: 2 });
after(() => transformer.close());
const columns = [{ name: 'n', type: 'bigint' }] as const;
const endless = (query: string): Partial<TableConfig> => ({
  name: 'endless',
  provenance: 'none',
  steps: [{ kind: 'sql', query, columns: [{ column: 'n', type: 'bigint' }] }],
});
const NO_END =
  'SELECT count(*) AS n FROM rows, range(10000000) a, range(10000000) b WHERE a.range + b.range < n';
let windows = 0;

function run(change: Partial<TableConfig>, by = transformer) {
  const segments = [{ segment: segmentOf(['{"n":1}', '{"n":2}']), fromOffset: 0 }];
  const table = { ...plainTable, columns, ...change };
  const directory = join(home, `w${windows++}`);
  return by.run({ table, windowId: 'w', segments, openedMs: 0, directory });
}

test('SQL that never ends parks its table by name, and windows of others go by', async () => {
  let isOver = false;
  const hanging = run({ ...endless(NO_END), transformTimeoutMs: 1_500 });
  hanging
    .catch(() => {})
    .finally(() => {
      isOver = true;
    });
  assert.equal((await run({})).classes.emitted, 2);
  assert.equal(isOver, false);
  await assert.rejects(hanging, { ...timedOut, place: 'endless', message: 'a statement ran for 1.5 s' });
  assert.equal((await run(endless('SELECT n FROM rows'))).classes.merged, 2);
});

test('an expression that is slow in every row is ended in whichever form it runs', async () => {
  const slow = 'len(list_transform(range(20000000), lambda x: x * n)) > 0';
  const steps = [{ kind: 'filter', expression: slow }] as const;
  await assert.rejects(run({ name: 'filtered', steps, transformTimeoutMs: 250 }), timedOut);
});

test('a table whose statements were ended takes no turns of others when it is tried again', async () => {
  const own = createTransformer({ memoryBytesMax: 128e6, threads: 1 });
  // DuckDB ends it between two vectors, and there is one: it runs for seconds.
  const slow = 'len(list_transform(range(20000000), lambda x: x * n)) > 0';
  const table = {
    name: 'slow',
    steps: [{ kind: 'filter', expression: slow }],
    transformTimeoutMs: 250,
  } as const;
  await assert.rejects(run(table, own), timedOut);
  let isOver = false;
  const again = run(table, own)
    .catch(() => {})
    .finally(() => {
      isOver = true;
    });
  for (let i = 0; i < 3; i++) assert.equal((await run({}, own)).classes.emitted, 2);
  assert.equal(isOver, false);
  await again;
  await own.close();
});

test('a query without an end is refused by a check, which has no rows', async () => {
  const query = 'SELECT count(*) AS n FROM range(10000000) a, range(10000000) b WHERE a.range + b.range < 0';
  const table = { ...plainTable, columns, ...endless(query), transformTimeoutMs: 500 };
  const [problem] = await transformer.validate(table, home);
  assert.match(problem ?? '', /a statement ran for 0.5 s/);
});

test('a transformer that closes does not wait for what would run for ever', async () => {
  const own = createTransformer({ memoryBytesMax: 128e6, threads: 1 });
  const hanging = run(endless(NO_END), own);
  const refused = assert.rejects(hanging, { code: 'TRANSFORM_FAILED', message: 'the collector stops' });
  await run({ name: 'begun later' }, own);
  await own.close();
  await refused;
});

test('nothing begins in a transformer that is closed: no thread would end it', async () => {
  const own = createTransformer({ memoryBytesMax: 128e6, threads: 1 });
  await own.close();
  await assert.rejects(run({}, own), { code: 'TRANSFORM_FAILED', message: 'the transform is closed' });
});

test('a table whose statements were ended has its place, as others see it, when it asks', async () => {
  const own = createTransformer({ memoryBytesMax: 128e6, threads: 1 });
  const table = { ...endless(NO_END), transformTimeoutMs: 250 };
  await assert.rejects(run(table, own), timedOut);
  assert.equal(own.hasRoom(), true);
  const again = run(table, own);
  assert.equal(own.hasRoom(), false);
  await assert.rejects(again, timedOut);
  assert.equal(own.hasRoom(), true);
  await own.close();
});
