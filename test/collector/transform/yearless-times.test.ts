// A time without a year, as syslog writes it, is of the year that brings it nearest to its record.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runTableExamples } from '../../support/table-examples.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const directory = temporaryDirectory();

function tableOf(patterns: readonly string[], also: object = {}) {
  const parse = { field: 's', column: 'at', patterns, ...also };
  return {
    name: 't',
    topic: 't',
    format: 'json',
    columns: { s: 'string' },
    steps: [{ parse_timestamp: parse }],
  };
}

type Case = readonly [recordTime: string, text: string, at: string | undefined];

async function reads(table: object, cases: readonly Case[]) {
  const records = cases.map(([timestamp, s]) => ({ json: { s }, timestamp }));
  const rows = cases.flatMap(([, s, at], _offset) => (at === undefined ? [] : [{ s, at, _offset }]));
  const quarantine = cases.flatMap(([, , at], offset) =>
    at === undefined ? [{ offset, code: 'CAST_FAILED', field: 's' }] : [],
  );
  const examples = [{ name: 'x', records, rows, quarantine }];
  const [result] = await runTableExamples(directory, [{ ...table, examples }]);
  assert.deepEqual(result?.differences, []);
}

test('a time without a year is of the year that is nearest to its record, over the turn of the year as well', async () => {
  await reads(tableOf(['MMM d HH:mm:ss', 'MMM  d HH:mm:ss']), [
    ['2026-06-30T12:00:00Z', 'Jun 30 11:59:58', '2026-06-30 11:59:58'],
    ['2026-01-01T00:00:03Z', 'Dec 31 23:59:59', '2025-12-31 23:59:59'],
    ['2025-12-31T23:59:59Z', 'Jan  1 00:00:01', '2026-01-01 00:00:01'],
    ['2028-03-01T00:00:00Z', 'Feb 29 03:04:05', '2028-02-29 03:04:05'],
    ['2026-03-01T00:00:00Z', 'Feb 29 03:04:05', undefined],
    ['2026-01-15T00:00:00Z', 'Jul 14 00:00:00', '2026-07-14 00:00:00'],
    ['2026-01-15T00:00:00Z', 'Jul 20 00:00:00', '2025-07-20 00:00:00'],
  ]);
});

test('without a year a zone, an offset and a weekday mean what they mean beside one', async () => {
  await reads(tableOf(['d.M. HH:mm'], { zone: 'Europe/Berlin' }), [
    ['2025-12-31T23:30:00Z', '1.1. 00:30', '2025-12-31 23:30:00'],
    ['2026-03-29T01:00:00Z', '29.3. 02:30', undefined],
  ]);
  await reads(tableOf(['dd/MM HH:mm X']), [
    ['2026-01-01T00:30:00Z', '31/12 23:00 -01:30', '2026-01-01 00:30:00'],
  ]);
  await reads(tableOf(['EEE d MMM'], { type: 'date' }), [
    ['2026-01-02T00:00:00Z', 'Tue 30 Dec', '2025-12-30'],
    ['2026-01-02T00:00:00Z', 'Wed 30 Dec', '2026-12-30'],
    ['2026-01-02T00:00:00Z', 'Fri 30 Dec', undefined],
  ]);
});

test('half a day is read where the pattern has it, and a year alone is its first moment', async () => {
  await reads(tableOf(['yyyy-MM-dd hh:mm a', 'yyyy']), [
    ['2026-01-01T00:00:00Z', '2025-07-08 12:30 AM', '2025-07-08 00:30:00'],
    ['2026-01-01T00:00:00Z', '2025', '2025-01-01 00:00:00'],
  ]);
});
