// The command as it is called: of several tables each is told that is done, whatever becomes of a later one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rebuilt } from '@sluice/collector/ops/rebuild/report.ts';
import { calledOnThree } from '../../../support/rerun-command.ts';

test('with --json the tables that are done are told, though a later one is refused', () => {
  const call = ['rebuild', 'first', 'second', 'third', '--all', '--json'];
  const { status, stdout, stderr } = calledOnThree(...call);
  assert.equal(status, 70, stderr);
  const told = (JSON.parse(stdout) as Rebuilt[]).map(({ table: name, entry }) => [name, entry]);
  assert.deepEqual(told, [['first', undefined]]);
  assert.match(stderr, /REBUILD_REFUSED: second has no partitions.*`partitionBy: \[\{ ingest: day \}\]`/);
});
