// The transform's thread: windows queue for it; one that fails takes its attempt and nothing else, a thread
// that dies the attempts under way.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { StagedSegment, TableConfig } from '@sluice/collector/contracts.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { rowsOfParquet } from '../../support/parquet.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const table: TableConfig = { ...plainTable, columns: [{ name: 'n', type: 'int' }] };
const home = temporaryDirectory();
let windows = 0;

const transformer = createTransformer({ memoryBytesMax: 64e6, threads: 1 });
after(() => transformer.close());

/** Emitted records of one window of `segments` segments of ten records. */
async function run(change: Partial<TableConfig> = {}, segments = 1): Promise<number> {
  const directory = join(home, `w${windows++}`);
  const staged = Array.from({ length: segments }, (_, i) => ({
    segment: segmentOf(
      Array.from({ length: 10 }, (_v, n) => `{"n":${n}}`),
      { baseOffset: i * 10 },
    ),
    fromOffset: i * 10,
  }));
  const request = { table: { ...table, ...change }, windowId: 'w', segments: staged, openedMs: 0, directory };
  return (await transformer.run(request)).classes.emitted;
}

const wrong: Partial<TableConfig> = { steps: [{ kind: 'filter', expression: 'n >< 5' }] };

test('windows that are asked for together do not mix, whichever is first', async () => {
  const asked = [1, 5, 2, 12].map((segments) => run({}, segments));
  assert.deepEqual(await Promise.all(asked), [10, 50, 20, 120]);
});

test('segments that lie on disk are read in their place, and again where the window is tried again', async () => {
  const directory = join(home, 'stored');
  const segments = Array.from({ length: 12 }, (_, i): StagedSegment => {
    const values = Array.from({ length: 1_000 }, (_v, n) => `{"n":${i * 1_000 + n}}`);
    const segment = segmentOf(values, { baseOffset: i * 1_000 });
    if (i % 3 === 0) return { segment, fromOffset: i * 1_000 };
    const stored = {
      byteLength: segment.payload.byteLength,
      read: async () => Uint8Array.from(segment.payload),
    };
    return { segment: { ...segment, payload: new Uint8Array() }, fromOffset: i * 1_000, stored };
  });
  for (const attempt of [1, 2]) {
    const request = { table, windowId: 'w', segments, openedMs: 0, directory };
    const { files } = await transformer.run(request);
    const rows = await rowsOfParquet(files.map(({ path }) => path));
    assert.deepEqual(
      rows.map(({ n }) => Number(n)),
      Array.from({ length: 12_000 }, (_, n) => n),
      `attempt ${attempt}`,
    );
  }
});

test('a segment that its disk does not give back fails the attempt, and the next window goes on', async () => {
  const read = () => Promise.reject(new SluiceError('STAGING_UNREADABLE', 'input/output error'));
  const segment = segmentOf(['{"n":1}']);
  const segments = [{ segment, fromOffset: 0, stored: { byteLength: 1, read } }];
  const request = { table, windowId: 'w', segments, openedMs: 0, directory: join(home, 'unread') };
  await assert.rejects(transformer.run(request), { code: 'STAGING_UNREADABLE' });
  assert.equal(await run(), 10);
});

test('a window that fails leaves nothing behind for the next', async () => {
  const [failed, next] = [run(wrong, 6), run({}, 6)];
  await assert.rejects(failed, { code: 'TRANSFORM_FAILED' });
  assert.equal(await next, 60);
});

test('a window whose last segment failed before it was closed says what failed, not that it is gone', async () => {
  const directory = join(home, `w${windows++}`);
  const segment = { ...segmentOf(['{"n":1}']), payload: null as unknown as Buffer };
  async function* grows() {
    yield { segment, fromOffset: 0 };
    // Its answer is here by the time that a job which came later is done.
    await transformer.validate(table, home);
  }
  const request = { table, windowId: 'w', segments: grows(), openedMs: 0, directory };
  await assert.rejects(transformer.run(request), { code: 'TRANSFORM_FAILED', message: /null/ });
});

test('of two windows that are open only one begins early: its place is taken when it asks', async () => {
  async function* none(): AsyncGenerator<never> {}
  const directory = join(home, `w${windows++}`);
  assert.equal(transformer.hasRoom(), true);
  const running = transformer.run({ table, windowId: 'w', segments: none(), openedMs: 0, directory });
  assert.equal(transformer.hasRoom(), false);
  await running;
});

test('a thread that dies takes the attempts under way with it; the next one gets a new thread', async (t) => {
  assert.equal(await run(), 10);
  const { postMessage } = Worker.prototype;
  for (const deadly of ['begin', 'segment', 'finish']) {
    let killed = false;
    const mock = t.mock.method(
      Worker.prototype,
      'postMessage',
      function (this: Worker, message: { kind: string }) {
        if (message.kind !== deadly || killed) return postMessage.call(this, message);
        killed = true;
        void this.terminate();
      },
    );
    await assert.rejects(run({}, 8), { code: 'TRANSFORM_FAILED', message: /thread ended/ });
    assert.equal(await run({}, 8), 80, `after a death at ${deadly}`);
    mock.mock.restore();
  }
});

test('a table is tried without data and said to be wrong or right; a window may wait behind it', async () => {
  const [problems, emitted, none] = await Promise.all([
    transformer.validate({ ...table, ...wrong }, home),
    run(),
    transformer.validate(table, home),
  ]);
  assert.match(problems.join(), /SQL is refused/);
  assert.equal(emitted, 10);
  assert.deepEqual(none, []);
});

test('what is explained is what runs: SQL with a placeholder where values are drawn', () => {
  const sql = transformer.explain({ ...table, partitionBy: [{ kind: 'value', field: 'n', column: 'n' }] });
  for (const part of [
    'CREATE OR REPLACE TEMP TABLE staged',
    'INSERT INTO staged',
    "'<separator>'",
    'COPY (SELECT',
  ])
    assert.ok(sql.includes(part), part);
});
