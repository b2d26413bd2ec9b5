// The command as it is called: of several tables each is told that is done, whatever becomes of a later one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Compacted } from '@sluice/collector/ops/compact/report.ts';
import { temporaryDirectory } from '../../../support/temp.ts';

const program = join(import.meta.dirname, '../../../../collector/bin/sluice-collector.mjs');
const table = (name: string, more: object) => ({ name, topic: 'claims', ...more });
const tables = [
  table('first', { format: 'json', columns: { n: 'int' }, partitionBy: [{ ingest: 'day' }] }),
  table('second', { format: 'json', columns: { n: 'int' } }),
  table('third', { format: 'json', columns: { n: 'int' }, partitionBy: [{ ingest: 'day' }] }),
];

function called(...call: readonly string[]) {
  const config = join(temporaryDirectory(), 'collector.yaml');
  const document = {
    listen: { address: '127.0.0.1:0', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'k.pem' } },
    agents: [{ id: 'plant-7', topics: ['claims'] }],
    lake: { store: './lake', catalog: 'file' },
    tables,
  };
  writeFileSync(config, JSON.stringify(document));
  const line = [program, 'compact', ...call, '--config', config];
  return spawnSync(process.execPath, line, { encoding: 'utf8' });
}

test('with --json the tables that are done are told, though a later one is refused', () => {
  const { status, stdout, stderr } = called('first', 'second', 'third', '--json');
  assert.equal(status, 70, stderr);
  const told = (JSON.parse(stdout) as Compacted[]).map(({ table: name, entries }) => [name, entries]);
  assert.deepEqual(told, [['first', []]]);
  assert.match(stderr, /first: no partition has small objects enough: nothing to join/);
  assert.match(stderr, /COMPACT_REFUSED: second has no partitions, and a compaction moves partitions/);
});

test('an age that is none is a wrong call, and says how one is written', () => {
  const { status, stderr } = called('first', '--older-than', 'soon');
  assert.equal(status, 64);
  assert.match(stderr, /--older-than: 'soon' is not a duration/);
});
