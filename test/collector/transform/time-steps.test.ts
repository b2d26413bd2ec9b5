// Points in time out of texts and numbers, and back, against the calendar of JavaScript.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bad, behaves, maybe, parseSteps, transform } from './step-cases.ts';

const spelled = (at: Date) => at.toISOString().replace('T', ' ').replace('.000Z', '').replace('Z', '');
const times = fc.constantFrom(
  '31.12.2025 23:59',
  '29.02.2024 00:00',
  '30.02.2026 10:00',
  '1.2.2026 10:00',
  '',
);
behaves('parse_timestamp takes a pattern literally, in its zone, and quarantines what does not fit', {
  columns: { s: 'string' },
  steps: [
    {
      parse_timestamp: {
        field: 's',
        column: 'at',
        patterns: ['dd.MM.yyyy HH:mm', "yyyy-MM-dd'T'HH:mmXXX"],
        zone: 'Asia/Kolkata',
      },
    },
  ],
  record: fc.record({
    s: maybe(fc.oneof(times, fc.constantFrom('2026-01-02T03:04+02:00', '2026-01-02T03:04Z', 'infinity'))),
  }),
  reference({ s }) {
    if (s === null) return { s, at: null };
    const text = String(s);
    const iso = /^\d{4}-/.test(text) ? text.replace('T', 'T') : undefined;
    if (iso !== undefined) return { s, at: spelled(new Date(iso)) };
    const [, day, month, year, hour, minute] = /^(\d\d)\.(\d\d)\.(\d{4}) (\d\d):(\d\d)$/.exec(text) ?? [];
    const at = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute));
    if (day === undefined || new Date(at).getUTCDate() !== Number(day)) return new Bad('CAST_FAILED', 's');
    return { s, at: spelled(new Date(at - 330 * 60_000)) };
  },
});

test('a local time that its zone skips is quarantined, and one that comes twice is the later', async () => {
  const steps = parseSteps([
    { parse_timestamp: { field: 's', patterns: ['%Y-%m-%d %H:%M'], zone: 'Europe/Berlin' } },
  ]);
  const { rows, quarantine } = await transform({ columns: [{ name: 's', type: 'string' }], steps }, [
    '{"s":"2026-03-29 02:30"}',
    '{"s":"2026-03-29 03:30"}',
    '{"s":"2026-10-25 02:30"}',
  ]);
  assert.deepEqual(
    rows.map(({ s }) => s),
    ['2026-03-29 01:30:00', '2026-10-25 01:30:00'],
  );
  assert.equal(quarantine[0]?.['reason'], "s '2026-03-29 02:30' is not timestamp");
});

const seconds = fc.integer({ min: -4_000_000_000, max: 4_000_000_000 });
behaves('from_epoch, to_epoch, format_timestamp and truncate_timestamp agree with a calendar', {
  columns: { n: 'bigint' },
  steps: [
    { from_epoch: { field: 'n', column: 'at', unit: 's' } },
    { to_epoch: { field: 'at', column: 'ms', unit: 'ms' } },
    { format_timestamp: { field: 'at', column: 'day_text', pattern: 'dd/MM/yyyy' } },
    { truncate_timestamp: { field: 'at', column: 'hour_start', to: 'hour' } },
    { drop_fields: ['n'] },
  ],
  record: fc.record({ n: maybe(seconds) }),
  reference({ n }) {
    if (n === null) return { at: null, ms: null, day_text: null, hour_start: null };
    const at = new Date(Number(n) * 1000);
    const [year, month, day] = at.toISOString().slice(0, 10).split('-');
    const hour = new Date(Math.floor(at.getTime() / 3_600_000) * 3_600_000);
    return {
      at: spelled(at),
      ms: String(Number(n) * 1000),
      day_text: `${day}/${month}/${year}`,
      hour_start: spelled(hour),
    };
  },
});

test('to_epoch in seconds cuts towards the past before 1970 as well', async () => {
  const steps = parseSteps([{ to_epoch: { field: 't', unit: 's' } }]);
  const { rows } = await transform({ columns: [{ name: 't', type: 'timestamp' }], steps }, [
    '{"t":"1969-12-31T23:59:58.5Z"}',
    '{"t":"1970-01-01T00:00:01.9Z"}',
  ]);
  assert.deepEqual(
    rows.map(({ t }) => t),
    ['-2', '1'],
  );
});
