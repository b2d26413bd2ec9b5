// Two tables on one real transform, of which one has SQL that never ends: it is parked by name, the other
// goes on, and what it waited with is committed once, whole, when it is corrected.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTransformer } from '@sluice/collector/transform/transformer.ts';
import { createTableLane } from '@sluice/collector/window/table-lane.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { eventually } from '../../support/eventually.ts';
import { rangeSegment } from '../../support/fake-spool.ts';
import { writerDouble } from '../../support/lane-doubles.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { segmentOf } from '../../support/segments.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';

const transformer = createTransformer({ memoryBytesMax: 128e6, threads: 2 });
after(() => transformer.close());
const events = createEvents(silentLogger, createMetrics());
const columns = [{ name: 'n', type: 'bigint' }];

function withQuery(query: string): TableConfig {
  const steps: TableConfig['steps'] = [{ kind: 'sql', query, columns: [{ column: 'n', type: 'bigint' }] }];
  return { ...plainTable, columns, name: 'endless', provenance: 'none', steps, transformTimeoutMs: 500 };
}

function laneOf(table: TableConfig) {
  const writer = writerDouble();
  writer.place(rangeSegment(0, 1), 0);
  const parts = { writer, transformer, events, clock: manualClock(), random: systemRandom };
  const lane = createTableLane({ ...parts, table, workDir: temporaryDirectory() });
  lane.stage({ segment: segmentOf(['{"n":1}', '{"n":2}']), fromOffset: 0 }, { release: () => {} });
  lane.close('drain');
  return { writer, lane };
}

test('SQL that never ends parks its table by name, others go on, and nothing of it is lost', async () => {
  const noEnd =
    'SELECT a.range AS n FROM rows, range(10000000) a, range(10000000) b WHERE a.range + b.range < n';
  const endless = laneOf(withQuery(noEnd));
  const other = laneOf({ ...plainTable, columns });
  await eventually('the other is committed', () => other.writer.log.length === 1);
  await eventually('it is parked', () => endless.writer.state === 'parked');
  assert.match(endless.writer.reason ?? '', /^transform: TRANSFORM_TIMED_OUT: .* \(endless\)$/);
  assert.deepEqual(endless.writer.log, []);
  endless.lane.configure(withQuery('SELECT n FROM rows'));
  endless.writer.retryNow();
  await endless.lane.drained();
  assert.deepEqual(endless.writer.log, other.writer.log);
  assert.equal(endless.writer.commits[0]?.classes.in, 2);
  assert.equal(endless.writer.state, 'ready');
});
