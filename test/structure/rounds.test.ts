// How `npm test` lays its files out: each runs once, none that measures time has another beside it, none that
// changes its process shares it, and there are no more brokers at once than the machine carries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONGEST_FIRST, systemRounds, unitRounds } from '../run/rounds.ts';
import { testFiles } from '../run/test-files.ts';
import { textOf } from './source-tree.ts';

const files = testFiles('system', []);
const rounds = systemRounds(files, 2, textOf);
const hasBroker = (file: string) =>
  /startBroker|startBurstSite|startJourney|startMappedSite|startTestBroker/.test(textOf(file));

const unitFiles = testFiles('unit', []);
const unit = unitRounds(unitFiles, 2, textOf);

test('every file runs once', () => {
  for (const [laid, all] of [
    [rounds, files],
    [unit, unitFiles],
  ] as const) {
    const placed = laid.flatMap((round) => round.flatMap((lane) => lane.processes.flat()));
    assert.deepEqual([...placed].sort(), [...all].sort());
  }
});

test('a file that changes its process, or ends it, has one of its own', () => {
  const processesOf = (text: string) =>
    unitRounds(['a', 'b'], 2, (file) => (file === 'a' ? text : "import { test } from 'node:test';"))
      .flat()
      .flatMap((lane) => lane.processes);
  assert.deepEqual(processesOf('const pid = process.pid;'), [['a', 'b']]);
  for (const text of [
    "process.env['HOME'] = 'elsewhere';",
    "process.on('exit', () => {});",
    'Reflect.set(globalThis, "fetch", undefined);',
    'Connection.prototype.send = send;',
    'import { mock } from "node:test";\nmock.timers.enable();',
    'beforeEach(() => store.clear());',
    'after(() => server.close());',
    "import { DuckDBInstance } from '@duckdb/node-api';",
    "import { createWrittenLake } from '../../support/written-lake.ts';",
  ])
    assert.deepEqual(processesOf(text), [['a'], ['b']], text);
});

test('what measures time runs alone', () => {
  const timed = files.filter((file) => /simulation|throttled|frozen|systemd-notify/.test(file));
  assert.equal(timed.length, 4);
  for (const file of timed) {
    const round = rounds.find((lanes) => lanes.some((lane) => lane.processes.flat().includes(file))) ?? [];
    assert.deepEqual(
      round.map(({ concurrency }) => concurrency),
      [1],
    );
  }
});

test('beside as many brokers as cores one file computes, and however many cores there are, not all run at once', () => {
  for (const [cores, atOnce] of [
    [1, [1, 1]],
    [2, [1, 2]],
    [64, [2, 4]],
  ] as const) {
    const [lanes = []] = systemRounds(files, cores, textOf);
    assert.deepEqual(
      lanes.map(({ concurrency }) => concurrency),
      atOnce,
    );
    const [computing, waiting] = lanes.map(({ processes }) => processes.flat());
    assert.ok(waiting?.every(hasBroker) && !computing?.some(hasBroker));
  }
});

test('the longest start first, and each of them is still there', () => {
  for (const file of LONGEST_FIRST) assert.ok(files.includes(file), file);
  for (const lane of rounds[0] ?? []) {
    const named = LONGEST_FIRST.filter((file) => lane.processes.flat().includes(file));
    assert.deepEqual(lane.processes.flat().slice(0, named.length), named);
  }
});
