// A table that hides columns says what its quarantine keeps of bad records: nobody finds out later that
// what was masked lies beside the table in the clear.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { stringify } from 'yaml';
import { temporaryDirectory } from '../support/temp.ts';

const file = join(temporaryDirectory(), 'collector.yaml');

function load(steps: readonly object[], quarantine?: object) {
  const table = { name: 'claims', topic: 'claims', format: 'json', columns: { s: 'string' }, steps };
  const config = {
    listen: { address: '0.0.0.0:8443', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'c-key.pem' } },
    agents: [{ id: 'plant-7', topics: ['claims'] }],
    lake: { store: './lake', catalog: 'file' },
    tables: [quarantine === undefined ? table : { ...table, quarantine }],
  };
  writeFileSync(file, stringify(config));
  return loadCollectorConfig(file).tables[0];
}

const HIDING: readonly (readonly [string, object])[] = [
  ['mask', { mask: { fields: ['s'] } }],
  ['partial_mask', { partial_mask: { fields: ['s'], keep_last: 4 } }],
  ['redact', { redact: { fields: ['s'] } }],
  ['hash', { hash: { fields: ['s'], key: 'pii.key' } }],
  ['detect_pii', { detect_pii: { fields: ['s'] } }],
];
for (const [kind, step] of HIDING)
  test(`${kind} without a word about the quarantine is refused, wherever it stands`, () => {
    const inside = { split_rows: [{ output: 'other', when: 'true', steps: [step] }] };
    for (const steps of [[step], [{ filter: 'true' }, inside]]) {
      assert.throws(() => load(steps), {
        message: new RegExp(`quarantine.raw: is missing: ${kind} hides columns[^]*quarantine: \\{ raw: hash`),
      });
      assert.throws(() => load(steps, { ratioMax: 0.1 }), { message: /quarantine.raw: is missing/ });
      for (const raw of ['keep', 'hash', 'drop']) assert.equal(load(steps, { raw })?.quarantineRaw, raw);
    }
  });

test('where nothing is hidden bad records are kept as they came', () => {
  const report = { detect_pii: { fields: ['s'], action: 'report', column: 'found' } };
  for (const steps of [[], [report]]) assert.equal(load(steps)?.quarantineRaw, 'keep');
});
