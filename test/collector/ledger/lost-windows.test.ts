// A window that lost its append: whatever it had made, under whatever names, no reader ever sees; and a store
// that is slow for everybody keeps nobody from going on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutputFile, TableWriter, WindowCommit } from '@sluice/collector/contracts.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, twoWriters, upTo, visible, windowOf } from '../../support/lake-fixture.ts';
import { type ManualClock, manualClock } from '../../support/manual-clock.ts';

const SLOW_MS = 45_000;

/** A window whose records are of two days, and of which one cannot be read. */
function ofTwoDays(start: number, id: string): WindowCommit {
  const [late, today, wrong] = [start, start + 1, start + 2].map((at) => windowOf(at, at + 1, `${id}-${at}`));
  const whole = windowOf(start, start + 3, id);
  const [a] = late?.files ?? [];
  const [b] = today?.files ?? [];
  const [c] = wrong?.files ?? [];
  assert.ok(a && b && c);
  const lateDay: OutputFile = { ...a, partition: [{ column: 'day', value: '2025-12-31' }] };
  const quarantine: OutputFile = {
    ...{ ...c, output: 'quarantine' },
    partition: [{ column: 'ingest_day', value: '2026-01-01' }],
  };
  const classes = { ...whole.classes, emitted: 2, quarantined: 1 };
  return { ...whole, classes, files: [lateDay, { ...b, index: 1 }, quarantine] };
}

test('of a window that lost its append no object is ever visible, in whatever partition or in quarantine', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const [one, other] = await twoWriters(store, clock);
  await one.commitWindow(windowOf(0, 2, 'first'));
  const lost = other.commitWindow(ofTwoDays(0, 'lost'));
  await assert.rejects(lost, { code: 'LEDGER_RANGE_CONFLICT' });
  await other.commitWindow(ofTwoDays(2, 'again'));
  await clock.advance(60_000);
  const seen = [...store.objects.keys()].filter((key) => /^claims/.test(key));
  assert.deepEqual(
    seen.filter((key) => key.includes('lost')),
    [],
  );
  assert.equal(seen.filter((key) => key.includes('again')).length, 3);
  assert.ok(seen.some((key) => key.includes('day=2025-12-31')));
  const left = [...store.objects.keys()].filter((key) => key.includes('/staged/'));
  assert.deepEqual(left, []);
});

/** Every request takes effect after a while, longer than anybody is polite. */
function slowed(store: FakeObjectStore, clock: ManualClock): void {
  for (const name of ['createIfAbsent', 'read', 'stage', 'publish', 'remove', 'put'] as const) {
    const call = store[name] as (...asked: never[]) => Promise<unknown>;
    Object.assign(store, {
      [name]: async (...asked: never[]) => {
        await clock.sleep(SLOW_MS);
        return call(...asked);
      },
    });
  }
}

test('where each request takes longer than others are waited for, two collectors with the same records both go on', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const writers = await twoWriters(store, clock);
  slowed(store, clock);
  const END = 12;
  /** Commits what is next until all is committed: whoever is second takes what comes behind. */
  async function run(writer: TableWriter, name: string, step: number): Promise<number> {
    let lost = 0;
    for (let at = 0; at < END; at = writer.position(claims) ?? 0)
      await writer
        .commitWindow(windowOf(at, Math.min(at + step, END), `${name}${at}-${lost}`))
        .catch((error: unknown) => {
          assert.equal(error instanceof SluiceError && error.code, 'LEDGER_RANGE_CONFLICT');
          lost++;
        });
    return lost;
  }
  let over = false;
  const both = Promise.all([run(writers[0], 'a', 3), run(writers[1], 'b', 2)]).finally(() => {
    over = true;
  });
  for (let waited = 0; !over && waited < 400; waited++) await clock.advance(SLOW_MS);
  assert.ok(over, `stuck at ${writers.map((writer) => writer.position(claims)).join()}`);
  await both;
  assert.deepEqual(visible(store), upTo(END));
  const rows = store.created.filter((key) => key.startsWith('claims/'));
  assert.equal(rows.length, new Set(rows).size);
});
