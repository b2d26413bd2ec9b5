// A replay takes what the present config can read, once, whoever else writes or replays meanwhile and
// wherever it dies; what it cannot take is told by name and number.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplayEntry, TableConfig } from '@sluice/collector/contracts.ts';
import { PART_RECORDS_MAX } from '@sluice/collector/ops/replay/parts.ts';
import { formatReplayed } from '@sluice/collector/ops/replay/report.ts';
import type { Selection } from '@sluice/collector/ops/replay/selection.ts';
import { CrashError, type Operation } from '../../../support/fake-object-store.ts';
import {
  corrected,
  everything,
  type QuarantinedLake,
  quarantinedLake,
  replayOn,
  rowsOf,
  wrong,
} from '../../../support/replayed-lake.ts';
import { transformer } from '../../../support/verified-lake.ts';

const GOOD = [
  ['0', '0'],
  ['3', '3'],
  ['5', '5'],
];
const ALL = [
  ['0', '0'],
  ['1', '1.5'],
  ['2', '2.5'],
  ['3', '3'],
  ['5', '5'],
  ['6', '6.5'],
];

const replays = ({ store }: QuarantinedLake): ReplayEntry[] =>
  [...store.objects]
    .filter(([key]) => key.startsWith('_sluice/ledger/'))
    .map(([, bytes]) => JSON.parse(bytes.toString()) as ReplayEntry)
    .filter(({ kind }) => kind === 'replay');

const chosen = (what: Partial<Selection>): Selection => ({ ...everything, ...what });

test('what the corrected config can read comes to the table, and the rest stays in quarantine, once', async () => {
  const lake = await quarantinedLake();
  assert.deepEqual(await rowsOf(lake), GOOD);
  const replayed = await replayOn(lake);
  assert.deepEqual(replayed.taken, { emitted: 3, merged: 0, filtered: 0 });
  assert.deepEqual([replayed.run, replayed.failed, replayed.rows], [4, { JSON_INVALID: 1 }, { rows: 3 }]);
  assert.deepEqual(await rowsOf(lake), ALL);
  const select = 'SELECT _offset, code FROM claims_quarantine ORDER BY _offset';
  const quarantine = await rowsOf(lake, corrected, select);
  assert.deepEqual(
    quarantine.map(([offset]) => offset),
    ['1', '2', '4', '6'],
  );
  assert.equal([...lake.store.objects.keys()].filter((key) => key.includes('/staged/')).length, 0);
});

test('the entry names exactly the records that were taken, by object', async () => {
  const lake = await quarantinedLake();
  await replayOn(lake);
  const [entry] = replays(lake);
  const named = entry?.replayed.map(({ entry: from, ranges }) => [
    from,
    ...ranges.map(({ partition, start, next, records }) => [partition, start, next, records]),
  ]);
  assert.deepEqual(named, [
    [1, [0, 1, 3, 2]],
    [2, [0, 6, 7, 1]],
  ]);
  assert.deepEqual([entry?.configVersion, entry?.after, entry?.classes.in], ['v2', -1, 3]);
});

test('what a replay makes NULL, and the rules that its rows break, is told for all of its parts', async () => {
  const lake = await quarantinedLake();
  await lake.lake.write(
    'claims',
    Array.from({ length: PART_RECORDS_MAX }, () => '{"n":7.5}'),
  );
  const lenient: TableConfig = {
    ...corrected,
    columns: [{ name: 'n', type: 'int', onError: 'null' }],
    steps: [...wrong.steps, { kind: 'evaluate_data_quality', rules: [{ complete: 'n' }], action: 'report' }],
  };
  const replayed = await replayOn(lake, lenient);
  assert.deepEqual(replayed.nulled, { n: PART_RECORDS_MAX + 3 });
  const rows = PART_RECORDS_MAX + 3;
  assert.deepEqual(replayed.brokenRules, [{ output: 'rows', rule: 'n is complete', rows }]);
  assert.equal(replayed.entries.length, 2);
  const told = formatReplayed(replayed);
  assert.match(told, /20,003 values of n failed and are NULL/);
  assert.match(told, /20,003 rows in claims break the rule: n is complete/);
  const { nulled, brokenRules } = await replayOn(lake, lenient);
  assert.deepEqual([nulled, brokenRules], [{}, []], 'nothing was run');
});

test('a second replay of the same records takes nothing, and one of others takes those', async () => {
  const lake = await quarantinedLake();
  const offsets = { topic: 'claims', partition: 0, first: 2, last: 2 };
  const one = await replayOn(lake, corrected, { selection: chosen({ offsets }) });
  assert.deepEqual([one.run, one.taken.emitted], [1, 1]);
  const two = await replayOn(lake, corrected);
  assert.deepEqual([two.run, two.taken.emitted, two.earlier], [3, 2, 1]);
  const three = await replayOn(lake, corrected);
  assert.deepEqual([three.run, three.taken.emitted, three.earlier], [1, 0, 3]);
  assert.deepEqual(await rowsOf(lake), ALL);
  assert.deepEqual(
    replays(lake).map(({ classes }) => classes.in),
    [1, 2],
  );
});

for (const [what, selection, offsets] of [
  ['code', { codes: ['CAST_FAILED'] }, ['1', '2', '6']],
  ['several codes', { codes: ['TOMBSTONE', 'CAST_FAILED'] }, ['1', '2', '6']],
  ['a code that no record has', { codes: ['TOMBSTONE'] }, []],
  ['the time of the records', { fromMs: 1_780_000_000_000 }, ['1', '2', '6']],
  ['a time after them', { fromMs: 1_780_000_000_001 }, []],
  ['a time before them', { toMs: 1_780_000_000_000 }, []],
  ['offsets', { offsets: { topic: 'claims', partition: 0, first: 2, last: 6 } }, ['2', '6']],
  ['offsets of another partition', { offsets: { topic: 'claims', partition: 1, first: 0, last: 9 } }, []],
] as const)
  test(`only records chosen by ${what} are run again`, async () => {
    const lake = await quarantinedLake();
    await replayOn(lake, corrected, { selection: chosen(selection) });
    const before = GOOD.map(([offset]) => offset);
    const came = (await rowsOf(lake)).map(([offset]) => offset).filter((o) => !before.includes(o ?? ''));
    assert.deepEqual(came, offsets);
  });

test('a dry run says what would become of the records, and writes nothing', async () => {
  const lake = await quarantinedLake();
  const before = [...lake.store.objects.keys()];
  const told = await replayOn(lake, corrected, { dryRun: true });
  assert.deepEqual(
    [told.run, told.taken.emitted, told.failed, told.entries],
    [4, 3, { JSON_INVALID: 1 }, []],
  );
  assert.deepEqual([...lake.store.objects.keys()], before);
  const { dryRun, entries, ...did } = await replayOn(lake);
  assert.deepEqual({ ...did, dryRun: true, entries: [] }, told);
});

const STEPS: readonly (readonly [string, Operation, RegExp])[] = [
  ['uploading', 'stage', /staged/],
  ['the append', 'createIfAbsent', /ledger/],
  ['publishing the object', 'publish', /^claims\//],
  ['tidying up', 'remove', /staged/],
];

for (const [step, operation, key] of STEPS)
  for (const when of ['crash', 'crash after'] as const)
    test(`a replay that dies ${when === 'crash' ? 'before' : 'after'} ${step} is finished by the next one, once`, async () => {
      const lake = await quarantinedLake();
      lake.store.faults = (op, at) => (op === operation && key.test(at) ? when : undefined);
      await replayOn(lake).catch((error: unknown) => assert.ok(error instanceof CrashError));
      lake.store.faults = () => undefined;
      await replayOn(lake);
      assert.deepEqual(await rowsOf(lake), ALL);
      assert.equal(replays(lake).length, 1);
      const objects = lake.store.created.filter((at) => at.startsWith('claims/'));
      assert.equal(objects.length, new Set(objects).size);
    });

test('of two replays at the same time each record goes to one', async () => {
  const lake = await quarantinedLake();
  const both = await Promise.all([replayOn(lake), replayOn(lake)]);
  assert.equal(
    both.reduce((sum, { taken }) => sum + taken.emitted, 0),
    3,
  );
  assert.deepEqual(await rowsOf(lake), ALL);
});

test('a replay that was overtaken leaves out what the other one took, and takes the rest', async () => {
  const lake = await quarantinedLake();
  const offsets = { topic: 'claims', partition: 0, first: 2, last: 2 };
  let first = true;
  const slow = {
    async run(request: Parameters<typeof transformer.run>[0]) {
      if (first) {
        first = false;
        await lake.lake.write('claims', ['{"n":7.5}']);
        await replayOn(lake, corrected, { selection: chosen({ offsets }) });
      }
      return transformer.run(request);
    },
  };
  const { taken, earlier } = await replayOn(lake, corrected, { transformer: slow });
  assert.deepEqual([taken.emitted, earlier], [2, 1]);
  assert.deepEqual(await rowsOf(lake), ALL);
  const left = await replayOn(lake);
  assert.equal(left.taken.emitted, 1, 'what came meanwhile is the next one’s');
});

test('a window committed meanwhile costs a number and nothing else', async () => {
  const lake = await quarantinedLake();
  const beside = {
    async run(request: Parameters<typeof transformer.run>[0]) {
      await lake.lake.write('claims', ['{"n":7}', '{"n":8.5}']);
      return transformer.run(request);
    },
  };
  await replayOn(lake, corrected, { transformer: beside });
  assert.deepEqual(await rowsOf(lake), [...ALL, ['7', '7']]);
  const left = await replayOn(lake);
  assert.deepEqual([left.taken.emitted, left.earlier], [1, 3], 'what came meanwhile is the next one’s');
});

for (const raw of ['hash', 'drop'] as const)
  test(`with raw: ${raw} nothing can be run again, and the reason is told`, async () => {
    const lake = await quarantinedLake({ quarantineRaw: raw });
    const { run, impossible } = await replayOn(lake, { ...corrected, quarantineRaw: raw });
    assert.deepEqual([run, impossible], [0, { RAW_NOT_KEPT: 4 }]);
    assert.equal(replays(lake).length, 0);
  });

test('a table that reads keys now is not given records without theirs', async () => {
  const lake = await quarantinedLake();
  const reads = { ...corrected, provenance: 'full' as const };
  const { run, impossible } = await replayOn(lake, reads, { dryRun: true });
  assert.deepEqual([run, impossible], [0, { KEY_NOT_KEPT: 4 }]);
});

test('a quarantine object that was deleted or replaced keeps only its own records from being run', async () => {
  for (const [change, reason] of [
    [undefined, 'OBJECT_NOT_THERE'],
    [Buffer.from('other'), 'OBJECT_REPLACED'],
  ] as const) {
    const lake = await quarantinedLake();
    const [key = ''] = lake.store.created.filter((at) => at.startsWith('claims_quarantine/'));
    if (change === undefined) lake.store.objects.delete(key);
    else lake.store.objects.set(key, change);
    const { impossible, taken } = await replayOn(lake);
    assert.deepEqual([impossible, taken.emitted], [{ [reason]: 3 }, 1]);
  }
});

test('what is filtered now is taken as well: it is not run a third time', async () => {
  const lake = await quarantinedLake();
  const filtering: TableConfig = {
    ...corrected,
    steps: [...corrected.steps, { kind: 'filter', expression: 'n > 2' }],
  };
  const { taken } = await replayOn(lake, filtering);
  assert.deepEqual(taken, { emitted: 2, merged: 0, filtered: 1 });
  assert.deepEqual([(await replayOn(lake)).run], [1]);
});

test('a replay with the config that made the quarantine takes nothing and writes no entry', async () => {
  const lake = await quarantinedLake();
  const { run, failed } = await replayOn(lake, wrong);
  assert.deepEqual([run, failed], [4, { CAST_FAILED: 3, JSON_INVALID: 1 }]);
  assert.equal(replays(lake).length, 0);
});

test('records of more partition values than a window may have are replayed as well', async () => {
  const mapped = (type: string): TableConfig['steps'] => [
    {
      kind: 'apply_mapping',
      mappings: [
        { source: 'n', sourceType: type, target: 'n', targetType: 'double' },
        { source: 'n', sourceType: type, target: 'text', targetType: 'string' },
      ],
    },
  ];
  const partitionBy = [{ kind: 'value', field: 'text', column: 'text' }] as const;
  const lake = await quarantinedLake({ partitionBy, steps: mapped('int') });
  const capped = { ...corrected, partitionBy, steps: mapped('double'), windowPartitionsMax: 2 };
  const { taken, failed } = await replayOn(lake, capped);
  assert.deepEqual([taken.emitted, failed], [3, { JSON_INVALID: 1 }]);
  assert.deepEqual(await rowsOf(lake, capped), ALL);
});
