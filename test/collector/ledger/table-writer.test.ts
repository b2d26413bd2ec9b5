// Exactly once through every crash: a window is in the lake whole, once, and acknowledged only then, wherever the
// collector died and whoever goes on.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import type { TableConfig, TableWriter, WindowCommit } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import {
  CrashError,
  type FakeObjectStore,
  fakeObjectStore,
  type Operation,
} from '../../support/fake-object-store.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const directory = temporaryDirectory();
const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const table = {
  name: 'claims',
  topic: 'claims',
  location: 'claims',
  configVersion: 'v1',
  output: { kind: 'parquet', compression: 'zstd' },
} as TableConfig;
const schemas = {
  rows: [{ name: 'n', type: 'int' }],
  quarantine: [{ name: 'code', type: 'string' }],
  partitionColumns: [{ name: 'day', type: 'string' }],
  quarantinePartitionColumns: [{ name: 'ingest_day', type: 'string' }],
};

let writers = 0;
function writerOn(store: FakeObjectStore, clock = manualClock()): TableWriter {
  return createTableWriter({
    table,
    schemas,
    store,
    catalog: createFileCatalog('sluice', store),
    clock,
    random: seededRandom(writers++),
    events: createEvents(silentLogger, createMetrics()),
    writerId: `collector-${writers}`,
  });
}

/** A window of records [start, next); its file's bytes are its offsets. */
function windowOf(start: number, next: number, id = `w${start}`): WindowCommit {
  const path = join(directory, `${id}-${start}-${next}`);
  const body = Array.from({ length: next - start }, (_, i) => start + i).join(',');
  writeFileSync(path, body);
  const records = next - start;
  return {
    windowId: id,
    openedMs: 0,
    ranges: [
      { ...claims, leaderEpoch: 0, start, next, counts: { records, control: 0, aborted: 0, absent: 0 } },
    ],
    classes: { in: records, emitted: records, merged: 0, filtered: 0, quarantined: 0 },
    files: [
      {
        output: 'rows',
        path,
        index: 0,
        rows: records,
        bytes: body.length,
        sha256: createHash('sha256').update(body).digest('hex'),
        partition: [{ column: 'day', value: '2026-01-01' }],
        extension: 'parquet',
      },
    ],
  };
}

/** Offsets that a reader of the table sees, in order. */
function visible(store: FakeObjectStore): number[] {
  return [...store.objects]
    .filter(([key]) => key.startsWith('claims/'))
    .flatMap(([, bytes]) => bytes.toString().split(',').map(Number))
    .sort((a, b) => a - b);
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

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
      for (;;) {
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
