// The command as it is called: of several tables each is told that is done, whatever becomes of a later one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Compacted } from '@sluice/collector/ops/compact/report.ts';
import { calledOnThree } from '../../../support/rerun-command.ts';

test('with --json the tables that are done are told, though a later one is refused', () => {
  const { status, stdout, stderr } = calledOnThree('compact', 'first', 'second', 'third', '--json');
  assert.equal(status, 70, stderr);
  const told = (JSON.parse(stdout) as Compacted[]).map(({ table: name, entries }) => [name, entries]);
  assert.deepEqual(told, [['first', []]]);
  assert.match(stderr, /first: no partition has small objects enough: nothing to join/);
  assert.match(stderr, /COMPACT_REFUSED: second has no partitions, and a compaction moves partitions/);
});

test('an age that is none is a wrong call, and says how one is written', () => {
  const { status, stderr } = calledOnThree('compact', 'first', '--older-than', 'soon');
  assert.equal(status, 64);
  assert.match(stderr, /--older-than: 'soon' is not a duration/);
});
