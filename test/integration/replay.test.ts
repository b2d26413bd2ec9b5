// A mapping that was wrong, corrected, and its quarantine replayed, with real programs over an emulated S3
// and Glue: while records flow, by two replays at the same time, each record comes to the table once.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Replayed } from '@sluice/collector/ops/replay/replay.ts';
import { type Ministack, startMinistack } from '@sluice/deploy/local/ministack.ts';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import type { Site } from '@sluice/deploy/local/site.ts';
import { parse, stringify } from 'yaml';
import { assertExactlyOnce } from '../support/oracles.ts';
import { type Journey, query, startJourney, untilAcknowledged, verified } from './journey-fixture.ts';

const TOPIC = 'claims';
const REGION = 'us-east-1';
const BEFORE = 600;
const MEANWHILE = 300;
let journey: Journey;
let aws: Ministack;
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
  await ensureMinistack();
  [journey, aws] = await Promise.all([startJourney(), startMinistack()]);
  await fetch(`${aws.endpoint}/lake`, { method: 'PUT' });
  await journey.createTopics(3, TOPIC);
  const endpoints = { s3Endpoint: aws.endpoint, glueEndpoint: aws.endpoint };
  const lake = { store: 's3://lake/acme', catalog: 'glue', database: 'acme', region: REGION, ...endpoints };
  const tables = [table('int')];
  site = await journey.site('replay', { topics: [TOPIC], tables, lake, environment: aws.environment });
  await site.collector.start();
  await site.agent.start();
});

after(async () => {
  await site?.agent.stop();
  await site?.collector.stop();
  await Promise.all([journey?.stop(), aws?.stop()]);
});

function produce(from: number, to: number): Promise<void> {
  const messages = Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    const value = JSON.stringify({ n, amount: n % 2 === 0 ? n : n + 0.5 });
    return { key: `key-${n}`, value, headers: { n: String(n) }, partition: n % 3 };
  });
  return journey.produce(TOPIC, messages);
}

async function replay(...args: string[]): Promise<Replayed> {
  const { code, output } = await site.collector.command(['replay', 'claims', '--json', ...args]);
  assert.equal(code, 0, output);
  return JSON.parse(output.slice(output.indexOf('{\n'))) as Replayed;
}

test('a wrong mapping is corrected, and its quarantine comes to the table once, while records flow', async () => {
  await produce(0, BEFORE);
  await untilAcknowledged(site, 'claims', BEFORE);
  const bad = BEFORE / 2;
  assert.equal((await query(site, 'select n from claims')).length, BEFORE - bad);
  assert.deepEqual((await replay('--all', '--dry-run')).failed, { CAST_FAILED: bad });

  const config = parse(readFileSync(site.collector.configFile, 'utf8')) as { tables: object[] };
  writeFileSync(site.collector.configFile, stringify({ ...config, tables: [table('double')] }));
  await site.collector.stop();
  await site.collector.start();
  const [one, two] = await Promise.all([
    replay('--all'),
    replay('--code', 'CAST_FAILED'),
    produce(BEFORE, BEFORE + MEANWHILE),
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
