// The command as it is called: of several tables each is told that is done, whatever becomes of a later one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Rebuilt } from '@sluice/collector/ops/rebuild/report.ts';
import { temporaryDirectory } from '../../../support/temp.ts';

const program = join(import.meta.dirname, '../../../../collector/bin/sluice-collector.mjs');
const table = (name: string, more: object) => ({ name, topic: 'claims', ...more });
const tables = [
  table('first', { format: 'json', columns: { n: 'int' }, partitionBy: [{ ingest: 'day' }] }),
  table('second', { format: 'json', columns: { n: 'int' } }),
  table('third', { format: 'json', columns: { n: 'int' }, partitionBy: [{ ingest: 'day' }] }),
  table('raw', { format: 'bytes', provenance: 'full' }),
];

test('with --json the tables that are done are told, though a later one is refused', () => {
  const directory = temporaryDirectory();
  const config = join(directory, 'collector.yaml');
  const document = {
    listen: { address: '127.0.0.1:0', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'k.pem' } },
    agents: [{ id: 'plant-7', topics: ['claims'] }],
    lake: { store: './lake', catalog: 'file' },
    tables,
  };
  writeFileSync(config, JSON.stringify(document));
  const call = ['rebuild', 'first', 'second', 'third', '--all', '--json', '--config', config];
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...call], { encoding: 'utf8' });
  assert.equal(status, 70, stderr);
  const told = (JSON.parse(stdout) as Rebuilt[]).map(({ table: name, entry }) => [name, entry]);
  assert.deepEqual(told, [['first', undefined]]);
  assert.match(stderr, /REBUILD_REFUSED: second has no partitions.*`partitionBy: \[\{ ingest: day \}\]`/);
});
