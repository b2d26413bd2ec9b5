// The command as it is called: of several tables each is told that is done, and the one that ended it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rebuilt } from '@sluice/collector/ops/rebuild/report.ts';
import type { Failed } from '@sluice/collector/ops/table-account.ts';
import { calledOnThree } from '../../../support/rerun-command.ts';

test('with --json the tables that are done are told, and why a later one is refused', () => {
  const call = ['rebuild', 'first', 'second', 'third', '--all', '--json'];
  const { status, stdout, stderr } = calledOnThree(...call);
  assert.equal(status, 70, stderr);
  const [first, second, ...rest] = JSON.parse(stdout) as [Rebuilt, Failed, ...unknown[]];
  assert.deepEqual([first.table, first.entry, rest], ['first', undefined, []]);
  assert.deepEqual([second.table, second.failure.code], ['second', 'REBUILD_REFUSED']);
  assert.match(stderr, /REBUILD_REFUSED: second has no partitions.*`partitionBy: \[\{ ingest: day \}\]`/);
});
