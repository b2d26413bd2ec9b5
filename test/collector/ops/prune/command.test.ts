// The command as it is called.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pruned } from '@sluice/collector/ops/prune/report.ts';
import { calledOnThree } from '../../../support/rerun-command.ts';

test('with --json each table is told, also one that was never swapped', () => {
  const { status, stdout, stderr } = calledOnThree('prune', 'first', 'second', '--json');
  assert.equal(status, 0, stderr);
  const told = (JSON.parse(stdout) as Pruned[]).map(({ table, deleted }) => [table, deleted.objects]);
  assert.deepEqual(told, [
    ['first', 0],
    ['second', 0],
  ]);
  assert.match(stderr, /first: nothing to delete/);
});

test('an age below an hour is a wrong call, and says why', () => {
  const { status, stderr } = calledOnThree('prune', 'first', '--older-than', '59m');
  assert.equal(status, 64);
  assert.match(stderr, /--older-than: at least 1h/);
});
