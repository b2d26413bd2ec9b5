// The command as it is called: of several tables each is told that is done, and the one that ended it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Compacted } from '@sluice/collector/ops/compact/report.ts';
import { calledOnThree } from '../../../support/rerun-command.ts';

test('with --json the tables that are done are told, and why a later one is refused', () => {
  const { status, stdout, stderr } = calledOnThree('compact', 'first', 'second', 'third', '--json');
  assert.equal(status, 70, stderr);
  const [first, ...rest] = JSON.parse(stdout) as [Compacted, ...unknown[]];
  assert.deepEqual([first.table, first.entries], ['first', []]);
  const message = 'second has no partitions, and a compaction moves partitions';
  assert.deepEqual(rest, [{ table: 'second', failure: { code: 'COMPACT_REFUSED', message } }]);
  assert.match(stderr, /first: no partition has small objects enough: nothing to join/);
  assert.match(stderr, /COMPACT_REFUSED: second has no partitions, and a compaction moves partitions/);
});

test('without --json the same is told in words, and what was not begun is named', () => {
  const { status, stdout } = calledOnThree('compact', 'first', 'second', 'third');
  assert.equal(status, 70);
  assert.equal(
    stdout,
    'first: nothing was written\n' +
      'second: ended by COMPACT_REFUSED: second has no partitions, and a compaction moves partitions\n' +
      'not begun: third\n',
  );
});

test('an age that is none is a wrong call, and says how one is written', () => {
  const { status, stderr } = calledOnThree('compact', 'first', '--older-than', 'soon');
  assert.equal(status, 64);
  assert.match(stderr, /--older-than: 'soon' is not a duration/);
});
