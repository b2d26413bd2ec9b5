// A mapping that was wrong, corrected, and its quarantine replayed, with real programs over an emulated S3
// and Glue: while records flow, by two replays at the same time, each record comes to the table once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Replayed } from '@sluice/collector/ops/replay/replay.ts';
import type { Site } from '@sluice/deploy/local/site.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import { query, untilAcknowledged, verified } from './journey-fixture.ts';
import { type MappedSite, startMappedSite, TOPIC } from './mapped-site.ts';

const BEFORE = 600;
const MEANWHILE = 300;
let mapped: MappedSite;
let site: Site;

/** Half of the amounts are whole numbers, which is all that the wrong mapping takes. */
const table = (type: string) => ({
  name: 'claims',
  topic: TOPIC,
  format: 'json',
  provenance: 'full',
  window: { every: '1s' },
  columns: { n: 'int', amount: type },
  steps: [
    {
      apply_mapping: [
        ['n', 'int', 'n', 'int'],
        ['amount', type, 'amount', 'double'],
      ],
    },
  ],
});

before(async () => {
  const fieldsOf = (n: number) => ({ amount: n % 2 === 0 ? n : n + 0.5 });
  mapped = await startMappedSite('replay', { tables: [table('int')], fieldsOf });
  ({ site } = mapped);
});

after(() => mapped?.stop());

async function replay(...args: string[]): Promise<Replayed> {
  const { code, output } = await site.collector.command(['replay', 'claims', '--json', ...args]);
  assert.equal(code, 0, output);
  return JSON.parse(output.slice(output.indexOf('{\n'))) as Replayed;
}

test('a wrong mapping is corrected, and its quarantine comes to the table once, while records flow', async () => {
  await mapped.produce(0, BEFORE);
  await untilAcknowledged(site, 'claims', BEFORE);
  const bad = BEFORE / 2;
  assert.equal((await query(site, 'select n from claims')).length, BEFORE - bad);
  assert.deepEqual((await replay('--all', '--dry-run')).failed, { CAST_FAILED: bad });

  await mapped.correct([table('double')]);
  const [one, two] = await Promise.all([
    replay('--all'),
    replay('--code', 'CAST_FAILED'),
    mapped.produce(BEFORE, BEFORE + MEANWHILE),
  ]);
  assert.equal(one.taken.emitted + two.taken.emitted, bad);
  await untilAcknowledged(site, 'claims', BEFORE + MEANWHILE);

  const rows = await query(site, 'select n, amount, _key, _headers, _timestamp, _offset from claims');
  assertExactlyOnce(
    Array.from({ length: BEFORE + MEANWHILE }, (_, n) => String(n)),
    rows.map(({ n }) => String(n)),
  );
  for (const { n, amount, _key, _headers, _timestamp } of rows) {
    assert.equal(Number(amount), Number(n) % 2 === 0 ? Number(n) : Number(n) + 0.5);
    assert.deepEqual([_key, _headers], [`key-${n}`, `[["n","${n}"]]`]);
    assert.match(String(_timestamp), /^20\d\d-/);
  }
  assert.match(await verified(site), new RegExp(`replayed ${bad} of ${bad} quarantined = emitted ${bad}`));
  const asked = await site.collector.command(['verify', '--offset', `${TOPIC}:1:0`]);
  assert.match(asked.output, /quarantined: a row of the quarantine: CAST_FAILED[\s\S]*emitted: run again/);
  assert.equal((await replay('--all')).run, 0);
});
