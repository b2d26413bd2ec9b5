// Where objects lie is for ever: a key that changes loses the ledger or shows rows twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  escapePartition,
  finalKey,
  ledgerKey,
  partitionPrefix,
  sequenceOf,
} from '@sluice/collector/lake/object-keys.ts';

test('ledger keys sort by number and say their number', () => {
  const keys = [0, 9, 10, 123_456_789].map((sequence) => ledgerKey('claims', sequence));
  assert.equal(keys[0], '_sluice/ledger/claims/00000000000000000000.json');
  assert.deepEqual([...keys].sort(), keys);
  assert.deepEqual(keys.map(sequenceOf), [0, 9, 10, 123_456_789]);
  assert.equal(sequenceOf('_sluice/ledger/claims/notes.txt'), undefined);
});

test('final keys spell partitions as Hive does', () => {
  const file = { windowId: 'w7', index: 2, extension: 'parquet' };
  const partition = [
    { column: 'day', value: '2026-01-01' },
    { column: 'city', value: 'a/b=c' },
  ];
  assert.equal(finalKey('claims', partition, file), 'claims/day=2026-01-01/city=a%2Fb%3Dc/w7-2.parquet');
  assert.equal(finalKey('claims', [], file), 'claims/w7-2.parquet');
  for (const value of [null, ''])
    assert.equal(
      partitionPrefix('claims', [{ column: 'day', value }]),
      'claims/day=__HIVE_DEFAULT_PARTITION__/',
    );
});

test('no partition value leaves its own path step, and two values never share one', () => {
  const values = ['a/b', 'a%2Fb', '../x', 'ä b', '\u0001', '\u007f', "it's", 'a:b', 'A', 'a'];
  const steps = values.map(escapePartition);
  for (const step of steps) assert.ok(!step.includes('/') && !step.includes('\\'));
  assert.equal(new Set(steps).size, values.length);
  for (const [i, step] of steps.entries()) assert.equal(decodeURIComponent(step), values[i]);
});
