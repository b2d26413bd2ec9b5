// Collectors with different configs on one table, as in a rolling deployment: each entry is of one config,
// says which and how it partitions, and is published as that config has it, whoever publishes it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import type { LedgerEntry, TableConfig, TableSchemas, WindowCommit } from '@sluice/collector/contracts.ts';
import { createEvents } from '@sluice/collector/events.ts';
import { createTableWriter } from '@sluice/collector/ledger/table-writer.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, windowOf } from '../../support/lake-fixture.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const base = {
  ...{ name: 'claims', topic: 'claims', location: 'claims', configVersion: 'old' },
  partitionBy: [{ kind: 'ingest', by: 'day', column: 'day' }],
  output: { kind: 'parquet', compression: 'zstd' },
} as unknown as TableConfig;
const schemas: TableSchemas = {
  rows: [{ name: 'n', type: 'int' }],
  quarantine: [{ name: 'code', type: 'string' }],
  partitionColumns: [{ name: 'day', type: 'string' }],
  quarantinePartitionColumns: [{ name: 'ingest_day', type: 'string' }],
};
const partitioned = (by: 'day' | 'month', version: string): TableConfig => ({
  ...base,
  configVersion: version,
  partitionBy: [{ kind: 'ingest', by, column: 'day' }],
});

function writerOf(store: FakeObjectStore, table: TableConfig, with_: TableSchemas = schemas) {
  const clock = manualClock();
  const writer = createTableWriter({
    ...{ table, schemas: with_, store, clock, catalog: createFileCatalog('sluice', store) },
    ...{ random: seededRandom(table.configVersion.length), writerId: table.configVersion },
    events: createEvents(silentLogger, createMetrics()),
  });
  return { writer, clock };
}

/** A window whose file lies in the partition that its config makes. */
function made(table: TableConfig, start: number, value: string): WindowCommit {
  const window = windowOf(start, start + 5, `${table.configVersion}${start}`);
  const partition = [{ column: table.partitionBy[0]?.column ?? '', value }];
  return { ...window, table, files: window.files.map((file) => ({ ...file, partition })) };
}

function windowsIn(store: FakeObjectStore) {
  const keys = [...store.objects.keys()].filter((key) => key.startsWith('_sluice/ledger/')).sort();
  const entries = keys.map((key) => JSON.parse(String(store.objects.get(key))) as LedgerEntry);
  return entries.flatMap((entry) => (entry.kind === 'commit' ? [entry] : []));
}

test('each entry has the version and the scheme of the config that its window opened with', async () => {
  const store = fakeObjectStore();
  const { writer } = writerOf(store, partitioned('day', 'old'));
  const other = writerOf(store, partitioned('month', 'new')).writer;
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await other.load();
  await writer.commitWindow(made(partitioned('day', 'old'), 0, '2026-01-01'));
  await other.refresh();
  await other.commitWindow(made(partitioned('month', 'new'), 5, '2026-01'));
  await writer.refresh();
  // It was told of the new config: the window that had opened before keeps its own.
  writer.configure(partitioned('month', 'new'), schemas);
  await writer.commitWindow(made(partitioned('day', 'old'), 10, '2026-01-01'));
  await writer.commitWindow(made(partitioned('month', 'new'), 15, '2026-01'));
  assert.deepEqual(
    windowsIn(store).map(({ configVersion, partitionedBy, outputs }) => [
      configVersion,
      partitionedBy,
      outputs[0]?.finalKey.split('/')[1],
    ]),
    [
      ['old', ['day = day(ingest time) in UTC'], 'day=2026-01-01'],
      ['new', ['day = month(ingest time) in UTC'], 'day=2026-01'],
      ['old', ['day = day(ingest time) in UTC'], 'day=2026-01-01'],
      ['new', ['day = month(ingest time) in UTC'], 'day=2026-01'],
    ],
  );
});

test('what the old config alone makes is published after the new one is taken', async () => {
  const store = fakeObjectStore();
  const named = { large: { columns: schemas.rows, partitionColumns: schemas.partitionColumns } };
  const { writer } = writerOf(store, base, { ...schemas, named });
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  writer.configure({ ...base, configVersion: 'new' }, schemas);
  const window = made(base, 0, '2026-01-01');
  const files = window.files.map((file) => ({ ...file, output: 'large' }));
  const classes = { ...window.classes };
  await writer.commitWindow({ ...window, classes, files });
  assert.equal(writer.acked(claims), 5);
  assert.ok([...store.objects.keys()].some((key) => key.startsWith('claims_large/day=2026-01-01/')));
});

test('values of one scheme are never registered under the columns of another', async () => {
  const store = fakeObjectStore();
  const { writer } = writerOf(store, base);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  const foreign = {
    ...base,
    configVersion: 'foreign',
    partitionBy: [{ kind: 'value', field: 'n', column: 'n' }],
  };
  const commit = writer.commitWindow(made(foreign as TableConfig, 0, '7'));
  commit.catch(() => {});
  for (let i = 0; i < 50 && writer.status().state !== 'parked'; i++) await new Promise(setImmediate);
  assert.equal(writer.status().state, 'parked');
  assert.match(
    writer.status().reason ?? '',
    /CATALOG_INCOMPATIBLE: an entry is partitioned by \(n\), the config by \(day\)/,
  );
  assert.equal(writer.acked(claims), 0, 'what is not published is not acknowledged');
  writer.close();
});
