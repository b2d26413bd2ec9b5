// `sluice-collector detect`: what it prints is a table that the collector takes, and that takes the file.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { linesOf } from '@sluice/collector/ops/detect.ts';
import { encodeSample } from '@sluice/shared/sample-lines.ts';
import { parse } from 'yaml';
import { runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const directory = temporaryDirectory();
const main = join(import.meta.dirname, '../../../collector/bin/sluice-collector.mjs');

function detect(args: readonly string[], input?: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'detect', ...args], {
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
  });
  return { status, stdout, stderr };
}

/** The table as it was printed, fed with these records. */
async function rowsOf(printed: string, records: readonly (string | null)[], expected: object) {
  const { tables } = parse(printed) as { tables: readonly object[] };
  const examples = [{ name: 'the sample', records, ...expected }];
  const results = await runTableExamples(directory, [{ ...tables[0], examples }]);
  assert.deepEqual(results[0]?.differences, []);
}

const lines = [
  '{"accountId":9223372036854775808,"policy":{"holderName":"Ada"},"at":"2026-01-02T03:04:05Z","tags":["a"]}',
  '{"accountId":2,"policy":null,"note":null}',
  '{"broken":',
];

test('a file of JSON lines becomes a table to paste, which takes those lines', async () => {
  const file = join(directory, 'Claims.v1.jsonl');
  writeFileSync(file, `${lines.slice(0, 2).join('\n')}\n`.repeat(5));
  const { status, stdout, stderr } = detect(['--file', file]);
  assert.equal(status, 0, stderr);
  assert.equal(
    stdout,
    [
      '# 10 values were looked at',
      '# note: no value yet; left out until one comes',
      'tables:',
      '  - name: claims_v1',
      '    topic: Claims.v1',
      '    format: json',
      '    window: { every: 100s }',
      '    columns:',
      '      accountId: decimal(38,0)',
      '      policy: struct<holderName:string>',
      '      at: timestamp',
      '      tags: array<string>',
      '    steps:',
      '      - rename_field:',
      '          accountId: account_id',
      '',
    ].join('\n'),
  );
  await rowsOf(stdout, lines, {
    rows: [
      {
        account_id: '9223372036854775808',
        policy: { holdername: 'Ada' },
        at: '2026-01-02T03:04:05Z',
        tags: ['a'],
      },
      { account_id: '2', policy: null },
    ],
    quarantine: [{ offset: 2, code: 'JSON_INVALID' }],
  });
});

test('what the agent samples is taken from a pipe, tombstones and all', () => {
  const values = [null, ...Array.from({ length: 20 }, (_, i) => Buffer.from(`{"n":${i},\n"s":"x"}`))];
  const { status, stdout } = detect(['--file', '-', '--topic', 'orders'], encodeSample(values));
  assert.equal(status, 0);
  assert.match(stdout, /^# 21 values were looked at\n# 1 of 21 values looked at have no value/);
  assert.deepEqual(parse(stdout), {
    tables: [
      {
        name: 'orders',
        topic: 'orders',
        format: 'json',
        window: { every: '100s' },
        columns: { n: 'bigint', s: 'string' },
      },
    ],
  });
});

test('a CSV file has its own delimiter, and with --header its own names', async () => {
  const file = join(directory, 'sales.csv');
  writeFileSync(file, 'Shop Id;amount\r\n1;2.5\r\n007;1\r\n');
  const { stdout } = detect(['--file', file, '--header']);
  await rowsOf(stdout, ['Shop Id;amount', '1;2.5'], { rows: [{ shop_id: '1', amount: 2.5 }], filtered: 1 });
  assert.match(detect(['--file', file]).stdout, /c0: string\n {6}c1: string\n/);
});

test('a call that says too little is refused with the way out; no file is a plain error', () => {
  const without = detect([]);
  assert.equal(without.status, 64);
  assert.match(without.stderr, /sluice-agent sample <topic> \| sluice-collector detect --file -/);
  assert.equal(detect(['--file', '-'], '{}').status, 64);
  assert.equal(detect(['--file', join(directory, 'x.json'), '--format', 'xml']).status, 64);
  const gone = detect(['--file', join(directory, 'gone.json')]);
  assert.equal(gone.status, 64);
  assert.match(gone.stderr, /^sluice-collector detect: the file cannot be read: ENOENT.*gone\.json'\n/);
  assert.ok(!gone.stderr.includes(' at '), gone.stderr);
});

test('a sample without a value proposes no table', () => {
  const file = join(directory, 'empty.json');
  for (const bytes of ['', '\n\r\n']) {
    writeFileSync(file, bytes);
    const { status, stdout, stderr } = detect(['--file', file]);
    assert.deepEqual([status, stdout], [64, '']);
    assert.match(stderr, /empty\.json has no value: columns are told from values/);
  }
});

test('a line that the end of a long sample cuts off is no value', () => {
  const told = linesOf(Buffer.from('{"a":1}\r\n\n{"a":2}\n{"a'), true);
  assert.deepEqual(told.values.map(String), ['{"a":1}', '{"a":2}']);
  assert.equal(told.isCut, true);
  assert.equal(linesOf(Buffer.from('1\n2'), false).values.length, 2);
});
