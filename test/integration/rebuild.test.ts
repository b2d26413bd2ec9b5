// A mapping that wrote wrong rows, corrected, and its windows made again from a raw table that was added only
// then and has read what Kafka still had, with real programs over an emulated S3 and Glue: while records
// flow, each is in the table once, in the partition that the catalog has, as Glue's and S3's own answers say.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Rebuilt } from '@sluice/collector/ops/rebuild/report.ts';
import type { Site } from '@sluice/deploy/local/site.ts';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import { query, untilAcknowledged, verified } from './journey-fixture.ts';
import { type MappedSite, startMappedSite, TOPIC } from './mapped-site.ts';

const BEFORE = 300;
const MEANWHILE = 150;
let mapped: MappedSite;
let site: Site;

const raw = {
  name: 'claims_raw',
  topic: TOPIC,
  format: 'bytes',
  provenance: 'full',
  backfill: 'earliest',
  window: { every: '1s' },
};

/** Rows are partitioned by the field that is read as `kind`. */
const table = (kind: string) => ({
  name: 'claims',
  topic: TOPIC,
  format: 'json',
  provenance: 'full',
  window: { every: '1s' },
  columns: { n: 'int', wrong: 'string', right: 'string' },
  steps: [
    {
      apply_mapping: [
        ['n', 'int', 'n', 'int'],
        [kind, 'string', 'kind', 'string'],
      ],
    },
  ],
  partitionBy: [{ field: 'kind' }],
});

before(async () => {
  const fieldsOf = (n: number) => ({ wrong: `w${n % 2}`, right: `r${n % 3}` });
  mapped = await startMappedSite('rebuild', { tables: [table('wrong')], fieldsOf });
  ({ site } = mapped);
});

after(() => mapped?.stop());

test('a wrong mapping is corrected, and its windows are made again of what Kafka has, while records flow', async () => {
  await mapped.produce(0, BEFORE);
  await untilAcknowledged(site, 'claims', BEFORE);
  const kinds = 'select distinct kind from claims order by 1';
  assert.deepEqual(
    (await query(site, kinds)).map(({ kind }) => kind),
    ['w0', 'w1'],
  );

  await mapped.correct([table('right'), raw]);
  await eventually('the raw table has what Kafka had', async () => {
    const [counted] = await query(site, 'select count(*) as n from claims_raw').catch(() => []);
    return Number(counted?.['n']) === BEFORE;
  });
  const rebuild = () => site.collector.command(['rebuild', 'claims', '--all', '--json']);
  const [{ code, output }] = await Promise.all([rebuild(), mapped.produce(BEFORE, BEFORE + MEANWHILE)]);
  assert.equal(code, 0, output);
  const [rebuilt] = JSON.parse(output.slice(output.indexOf('[\n'))) as [Rebuilt];
  assert.ok(rebuilt.entry !== undefined && rebuilt.before.in >= BEFORE, output);
  await untilAcknowledged(site, 'claims', BEFORE + MEANWHILE);

  const rows = await query(site, 'select n, kind, _key, _headers from claims');
  assertExactlyOnce(
    Array.from({ length: BEFORE + MEANWHILE }, (_, n) => String(n)),
    rows.map(({ n }) => String(n)),
  );
  for (const { n, kind, _key, _headers } of rows) {
    assert.equal(kind, `r${Number(n) % 3}`);
    assert.deepEqual([_key, _headers], [`key-${n}`, `[["n","${n}"]]`]);
  }
  assert.match(await verified(site), /rebuilt by entry \d+: [\d,]+ windows made again from the raw table/);
});
