// Exactly once through every crash: a window is in the lake whole, once, and acknowledged only then, wherever
// the collector died and whoever goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableWriter } from '@sluice/collector/contracts.ts';
import {
  CrashError,
  type FakeObjectStore,
  fakeObjectStore,
  type Operation,
} from '../../support/fake-object-store.ts';
import { claims, upTo, visible, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';

async function opened(store: FakeObjectStore, clock = manualClock()): Promise<TableWriter> {
  const writer = writerOn(store, clock);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  return writer;
}

test('a committed window is visible, acknowledged and leaves nothing staged', async () => {
  const store = fakeObjectStore();
  const writer = await opened(store);
  const acked: number[] = [];
  writer.onAcked(() => {
    acked.push(writer.acked(claims) ?? -1);
    assert.deepEqual(visible(store), upTo(acked.at(-1) ?? 0));
  });
  await writer.commitWindow(windowOf(0, 5));
  await writer.commitWindow(windowOf(5, 8));
  assert.deepEqual(acked, [5, 8]);
  assert.deepEqual(
    [...store.objects.keys()].filter((key) => key.includes('/staged/')),
    [],
  );
});

const STEPS: readonly (readonly [string, Operation, RegExp])[] = [
  ['uploading', 'stage', /staged/],
  ['the append', 'createIfAbsent', /ledger/],
  ['publishing the object', 'publish', /^claims\//],
  ['registering the partition', 'createIfAbsent', /catalog\/sluice\/claims\//],
  ['tidying up', 'remove', /staged/],
];

for (const [step, operation, key] of STEPS) {
  for (const when of ['crash', 'crash after'] as const) {
    test(`a ${when === 'crash' ? 'crash before' : 'crash after'} ${step} loses nothing and doubles nothing`, async () => {
      const store = fakeObjectStore();
      const first = await opened(store);
      await first.commitWindow(windowOf(0, 5));
      let acked = 5;
      first.onAcked(() => {
        acked = first.acked(claims) ?? -1;
      });
      store.faults = (op, at) => (op === operation && key.test(at) ? when : undefined);
      await first
        .commitWindow(windowOf(5, 8))
        .catch((error: unknown) => assert.ok(error instanceof CrashError));
      first.close();
      store.faults = () => undefined;
      assert.ok(visible(store).length >= acked, 'acknowledged implies visible');

      const second = writerOn(store);
      await second.load();
      const next = second.position(claims);
      assert.equal(second.acked(claims), next, 'what was committed is published by the next one');
      if (next === 5) await second.commitWindow(windowOf(5, 8, 'again'));
      assert.deepEqual(visible(store), upTo(8));
      const rows = store.created.filter((at) => at.startsWith('claims/'));
      assert.equal(rows.length, new Set(rows).size);
    });
  }
}

test('a reply that was lost is recognised as one’s own append', async () => {
  const store = fakeObjectStore();
  const writer = await opened(store);
  let lost = 0;
  store.faults = (op, key) =>
    op === 'createIfAbsent' && key.includes('ledger') && lost++ === 0 ? 'reply lost' : undefined;
  await writer.commitWindow(windowOf(0, 5));
  await writer.commitWindow(windowOf(5, 8));
  assert.deepEqual(visible(store), upTo(8));
  assert.equal([...store.objects.keys()].filter((key) => key.includes('/ledger/')).length, 3);
});

test('of two collectors with the same records one commits and the other hears where to go on', async () => {
  const store = fakeObjectStore();
  const one = await opened(store);
  const two = writerOn(store);
  await two.load();
  await one.commitWindow(windowOf(0, 5, 'one'));
  await assert.rejects(two.commitWindow(windowOf(0, 4, 'two')), { code: 'LEDGER_RANGE_CONFLICT' });
  assert.equal(two.position(claims), 5);
  await two.commitWindow(windowOf(5, 8, 'two'));
  assert.deepEqual(visible(store), upTo(8));
});

test('a missing ledger entry halts the table and never starts again at 0', async () => {
  const store = fakeObjectStore();
  const writer = await opened(store);
  await writer.commitWindow(windowOf(0, 5));
  await writer.flushPublished();
  const keys = [...store.objects.keys()].filter((key) => key.includes('/ledger/'));
  for (const gone of [keys.slice(1, 2), keys.slice(-1), keys]) {
    const damaged = fakeObjectStore(new Map([...store.objects].filter(([key]) => !gone.includes(key))));
    const next = writerOn(damaged);
    await assert.rejects(next.load(), { code: 'LEDGER_MISSING_ENTRY' });
    assert.equal(next.status().state, 'halted');
    await assert.rejects(next.commitWindow(windowOf(0, 1)));
  }
});

test('a store that fails for a while is waited for, and says so meanwhile', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const writer = writerOn(store, clock);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  store.faults = () => 'fails';
  const commit = writer.commitWindow(windowOf(0, 5));
  await clock.advance(60_000);
  assert.equal(writer.status().state, 'waiting');
  assert.match(writer.status().reason ?? '', /uploading: STORE_UNAVAILABLE/);
  store.faults = () => undefined;
  await clock.advance(60_000);
  await commit;
  assert.equal(writer.status().state, 'ready');
  assert.deepEqual(visible(store), upTo(5));
});

test('faults by seed: whatever fails or is lost, every record is visible once', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed);
    const store = fakeObjectStore();
    const clock = manualClock();
    let writer = await opened(store, clock);
    store.faults = () => {
      const dice = random.fraction();
      if (dice < 0.06) return 'fails';
      if (dice < 0.12) return 'reply lost';
      if (dice < 0.125) return 'crash';
      return dice < 0.13 ? 'crash after' : undefined;
    };
    for (let attempt = 0; (writer.position(claims) ?? 0) < 30 && attempt < 400; attempt++) {
      const from = writer.position(claims) ?? 0;
      const work = writer.commitWindow(windowOf(from, from + 3, `s${seed}-${attempt}`));
      let crashed: unknown;
      let done = false;
      work.then(
        () => {
          done = true;
        },
        (error: unknown) => {
          crashed = error;
        },
      );
      while (!done && crashed === undefined) await clock.advance(30_000);
      if (crashed === undefined) continue;
      for (let loads = 0; ; loads++) {
        assert.ok(loads < 50, `seed ${seed}: the ledger cannot be loaded: ${writer.status().reason}`);
        writer.close();
        writer = writerOn(store, clock);
        let state: 'loading' | 'loaded' | 'crashed' = 'loading';
        writer.load().then(
          () => {
            state = 'loaded';
          },
          () => {
            state = 'crashed';
          },
        );
        while (state === 'loading') await clock.advance(30_000);
        if ((state as string) === 'loaded') break;
      }
    }
    store.faults = () => undefined;
    const last = writerOn(store);
    await last.load();
    assert.deepEqual(visible(store), upTo(last.position(claims) ?? 0), `seed ${seed}`);
    assert.ok(
      (last.position(claims) ?? 0) >= 30,
      `seed ${seed} got no further than ${last.position(claims)}`,
    );
  }
});

test('a lost reply and a failing read behind it do not make one’s own entry another’s', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const writer = await opened(store, clock);
  let lost = false;
  let unread = 0;
  store.faults = (op, key) => {
    if (!key.includes('/ledger/')) return undefined;
    if (op === 'createIfAbsent' && !lost) {
      lost = true;
      return 'reply lost';
    }
    return op === 'read' && lost && unread++ < 3 ? 'fails' : undefined;
  };
  const commit = writer.commitWindow(windowOf(0, 5));
  await clock.advance(60_000);
  await commit;
  assert.deepEqual(visible(store), upTo(5));
  assert.equal(writer.acked(claims), 5);
});

test('windows are appended in call order, however long the upload of the first one takes', async () => {
  const store = fakeObjectStore();
  const clock = manualClock();
  const writer = await opened(store, clock);
  let slow = true;
  store.faults = (op, key) => (slow && op === 'stage' && key.includes('/w0-') ? 'fails' : undefined);
  const both = Promise.all([writer.commitWindow(windowOf(0, 5)), writer.commitWindow(windowOf(5, 8))]);
  await clock.advance(10_000);
  assert.deepEqual(visible(store), []);
  assert.ok(
    [...store.objects.keys()].some((key) => key.includes('/staged/claims/w5-')),
    'the second one is uploaded meanwhile',
  );
  slow = false;
  await clock.advance(60_000);
  await both;
  assert.deepEqual(visible(store), upTo(8));
});

test('an unsound entry halts the table and is never written', async () => {
  const store = fakeObjectStore();
  const writer = await opened(store);
  const window = windowOf(0, 5);
  const unbalanced = { ...window, classes: { ...window.classes, emitted: 4 } };
  await assert.rejects(writer.commitWindow(unbalanced), { code: 'ASSERTION_FAILED' });
  assert.equal(writer.status().state, 'halted');
  const next = writerOn(store);
  await next.load();
  await next.commitWindow(windowOf(0, 5, 'again'));
  assert.deepEqual(visible(store), upTo(5));
});

test('a gap never swallows records before it that are not committed', async () => {
  const store = fakeObjectStore();
  const writer = await opened(store);
  const gap = { ...claims, leaderEpoch: 0, start: 10, next: 20, reason: 'retention' };
  await assert.rejects(writer.gap([gap]), { code: 'LEDGER_RANGE_CONFLICT' });
  await writer.commitWindow(windowOf(0, 10));
  await writer.gap([gap]);
  await writer.gap([gap]);
  assert.equal(writer.acked(claims), 20);
  assert.equal(writer.status().lastSequence, 2, 'the same gap is said once');
});

test('what another collector published is announced as acknowledged here', async () => {
  const store = fakeObjectStore();
  const one = await opened(store);
  const two = writerOn(store);
  await two.load();
  const heard: number[] = [];
  two.onAcked(() => heard.push(two.acked(claims) ?? -1));
  await one.commitWindow(windowOf(0, 5));
  await one.flushPublished();
  await assert.rejects(two.commitWindow(windowOf(0, 5, 'two')), { code: 'LEDGER_RANGE_CONFLICT' });
  assert.deepEqual(heard, [5]);
});

test('closing ends a wait at once', async () => {
  const store = fakeObjectStore();
  const writer = await opened(store);
  store.faults = () => 'fails';
  const commit = assert.rejects(writer.commitWindow(windowOf(0, 5)));
  await settle();
  writer.close();
  await commit;
});

/** Runs `work` on a clock that is moved for as long as it takes. */
async function outcomeOf(
  work: Promise<unknown>,
  clock: ReturnType<typeof manualClock>,
): Promise<'done' | 'failed'> {
  let outcome: 'running' | 'done' | 'failed' = 'running';
  const running = work.then(
    () => {
      outcome = 'done';
    },
    () => {
      outcome = 'failed';
    },
  );
  while ((outcome as string) === 'running') await clock.advance(30_000);
  await running;
  return outcome as 'done' | 'failed';
}

test('two collectors, crashes, failures and lost replies by seed: each record once, acked implies visible', async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = seededRandom(1_000 + seed);
    const store = fakeObjectStore();
    const clock = manualClock();
    const writers: [TableWriter, TableWriter] = [await opened(store, clock), writerOn(store, clock)];
    await writers[1].load();
    let faulty = true;
    store.faults = () => {
      const dice = faulty ? random.fraction() : 1;
      if (dice < 0.06) return 'fails';
      if (dice < 0.12) return 'reply lost';
      if (dice < 0.125) return 'crash';
      return dice < 0.13 ? 'crash after' : undefined;
    };
    const step = async (at: 0 | 1, name: string) => {
      const writer = writers[at];
      const from = writer.position(claims) ?? 0;
      const windows = [windowOf(from, from + 2, `${name}a`), windowOf(from + 2, from + 5, `${name}b`)];
      const work = Promise.all(windows.map((window) => writer.commitWindow(window)));
      const outcome = await outcomeOf(work, clock);
      assert.ok(visible(store).length >= (writer.acked(claims) ?? 0), `seed ${seed}: acked, not visible`);
      if (outcome === 'failed' && random.fraction() < 0.5) {
        writer.close();
        writers[at] = writerOn(store, clock);
        for (let loads = 0; (await outcomeOf(writers[at].load(), clock)) === 'failed'; loads++) {
          assert.ok(loads < 50, `seed ${seed}: the ledger cannot be loaded: ${writers[at].status().reason}`);
          writers[at].close();
          writers[at] = writerOn(store, clock);
        }
      }
    };
    for (let round = 0; round < 6; round++)
      await Promise.all([step(0, `s${seed}-${round}-0`), step(1, `s${seed}-${round}-1`)]);
    faulty = false;
    const last = writerOn(store, clock);
    assert.equal(await outcomeOf(last.load(), clock), 'done', `seed ${seed}`);
    assert.deepEqual(visible(store), upTo(last.position(claims) ?? 0), `seed ${seed}`);
    const rows = store.created.filter((key) => key.startsWith('claims/'));
    assert.equal(rows.length, new Set(rows).size, `seed ${seed}: an object appeared twice`);
    assert.ok((last.position(claims) ?? 0) >= 10, `seed ${seed} got to ${last.position(claims)}`);
  }
});
