// Times in zones whose clocks jump, against the calendar of JavaScript's Intl, which takes one time after
// the other; and forms of times that DuckDB's own parser takes for what they are not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bad, behaves, maybe, parseSteps, type Row, transform } from './step-cases.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ZONES = ['Europe/Berlin', 'America/Havana', 'Asia/Kolkata', 'America/St_Johns'] as const;
type Zone = (typeof ZONES)[number];

/** Milliseconds that the clocks of a zone show, as if they were UTC. */
const shown = Object.fromEntries(ZONES.map((zone) => [zone, clock(zone)])) as Record<
  Zone,
  (at: number) => number
>;

function clock(timeZone: string) {
  const parts = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
  const format = new Intl.DateTimeFormat('en-US', { timeZone, ...parts, ...time });
  return (at: number) => {
    const told = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const of = (part: Intl.DateTimeFormatPartTypes) => told.get(part) ?? assert.fail(part);
    return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
  };
}

const spelled = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');

/** Whole minutes, most of them near one of the nights in which clocks jump. */
const minutes = fc
  .oneof(
    fc.constantFrom('2026-03-29', '2026-10-25', '2026-03-08', '2026-11-01', '2025-11-02', '2026-01-01'),
    fc.constantFrom('2024-02-29', '2026-12-31', '1971-06-30'),
  )
  .chain((day) => fc.integer({ min: -180, max: 420 }).map((n) => Date.parse(day) + n * 60_000));

/** The first moment at which the clocks show the beginning, or are past it. */
function firstOf(zone: Zone, wanted: number): number {
  for (let at = wanted - 15 * HOUR; ; at += 15 * 60_000) if (shown[zone](at) >= wanted) return at;
}

const dayOf = (local: number) => Math.floor(local / DAY) * DAY;
const monthOf = (local: number) =>
  Date.UTC(new Date(local).getUTCFullYear(), new Date(local).getUTCMonth(), 1);
const weekOf = (local: number) => dayOf(local) - ((new Date(local).getUTCDay() + 6) % 7) * DAY;

for (const zone of ZONES)
  behaves(`truncate_timestamp in ${zone} gives the moment at which what it names began, and none behind`, {
    columns: { t: 'timestamp' },
    steps: [
      { truncate_timestamp: { field: 't', column: 'hour_start', to: 'hour', zone } },
      { truncate_timestamp: { field: 't', column: 'day_start', to: 'day', zone } },
      { truncate_timestamp: { field: 't', column: 'week_start', to: 'week', zone } },
      { truncate_timestamp: { field: 't', column: 'month_start', to: 'month', zone } },
    ],
    record: fc.record({ t: maybe(minutes.map((at) => new Date(at).toISOString())) }),
    reference({ t }) {
      if (t === null) return { t, hour_start: null, day_start: null, week_start: null, month_start: null };
      const at = Date.parse(String(t));
      const local = shown[zone](at);
      const start = (cut: (local: number) => number) => spelled(firstOf(zone, cut(local)));
      const hour = at - (local % HOUR);
      return {
        t: spelled(at),
        hour_start: spelled(hour),
        day_start: start(dayOf),
        week_start: start(weekOf),
        month_start: start(monthOf),
      };
    },
  });

for (const zone of ZONES)
  behaves(`parse_timestamp reads what the clocks of ${zone} show, and format_timestamp shows it again`, {
    columns: { s: 'string' },
    steps: [
      { parse_timestamp: { field: 's', column: 'at', patterns: ['yyyy-MM-dd HH:mm'], zone } },
      { format_timestamp: { field: 'at', column: 'again', pattern: 'yyyy-MM-dd HH:mm', zone } },
      { parse_timestamp: { field: 's', column: 'day', patterns: ['yyyy-MM-dd HH:mm'], zone, type: 'date' } },
    ],
    record: fc.record({ s: maybe(minutes.map((at) => spelled(at).slice(0, 16))) }),
    reference({ s }) {
      if (s === null) return { s, at: null, again: null, day: null };
      const local = Date.parse(`${s}Z`);
      const candidates = [];
      for (let at = local - 15 * HOUR; at <= local + 15 * HOUR; at += 30 * 60_000)
        if (shown[zone](at) === local) candidates.push(at);
      const at = candidates.at(-1);
      if (at === undefined) return new Bad('CAST_FAILED', 's');
      return { s, at: spelled(at), again: s, day: String(s).slice(0, 10) };
    },
  });

const stamps = fc.integer({ min: -2_000_000_000, max: 4_000_000_000 });
behaves('format_timestamp prints one letter without a zero in front, as Java does', {
  columns: { n: 'bigint' },
  steps: [
    { from_epoch: { field: 'n', column: 't', unit: 's' } },
    { format_timestamp: { field: 't', column: 'short', pattern: "d/M/yy H:m:s 'o''clock'" } },
    { format_timestamp: { field: 't', column: 'long', pattern: 'dd/MM/yyyy HH:mm:ss' } },
    { format_timestamp: { field: 't', column: 'percent', pattern: '%d/%m/%Y %H:%M' } },
    { drop_fields: ['t'] },
  ],
  record: fc.record({ n: maybe(stamps) }),
  reference({ n }): Row {
    if (n === null) return { n, short: null, long: null, percent: null };
    const at = new Date(Number(n) * 1000);
    const parts = [at.getUTCDate(), at.getUTCMonth() + 1, at.getUTCFullYear()];
    const clock = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()];
    const two = (part: number) => String(part).padStart(2, '0');
    const [day, month, year] = [...parts.slice(0, 2).map(two), String(parts[2])];
    const [hour, minute, second] = clock.map(two);
    return {
      n: String(n),
      short: `${parts[0]}/${parts[1]}/${year?.slice(2)} ${clock.join(':')} o'clock`,
      long: `${day}/${month}/${year} ${hour}:${minute}:${second}`,
      percent: `${day}/${month}/${year} ${hour}:${minute}`,
    };
  },
});

/** A pattern, a text, and what it is: null for none. */
const FORMS: readonly (readonly [string, string, string | null])[] = [
  ['EEE yyyy-MM-dd', 'Fri 2026-01-02', '2026-01-02 00:00:00'],
  ['EEE yyyy-MM-dd', 'fri 2026-01-02', '2026-01-02 00:00:00'],
  ['EEE yyyy-MM-dd', 'Mon 2026-01-02', null],
  ['EEEE d MMM yyyy', 'Friday 2 Jan 2026', '2026-01-02 00:00:00'],
  ['EEEE d MMM yyyy', 'Monday 2 Jan 2026', null],
  ['yyyy-DDD', '2024-366', '2024-12-31 00:00:00'],
  ['yyyy-DDD', '2026-366', null],
  ['yyyy-DDD', '2026-000', null],
  ['%Y/%j', '2026/2', '2026-01-02 00:00:00'],
  ['%Y/%j', '2026/366', null],
  ["yyyy-MM-dd'T'HH:mmXXX", '2026-01-02T03:04+05:30', '2026-01-01 21:34:00'],
  ["yyyy-MM-dd'T'HH:mmXXX", '2026-01-02T03:04-2359', '2026-01-03 03:03:00'],
  ["yyyy-MM-dd'T'HH:mmXXX", '2026-01-02T03:04+99:99', null],
  ["yyyy-MM-dd'T'HH:mmXXX", '2026-01-02T03:04+24:00', null],
  ["yyyy-MM-dd'T'HH:mmXXX", '2026-01-02T03:04+01:60', null],
  ['yyyy-MM-dd hh:mm a', '2026-01-02 12:30 am', '2026-01-02 00:30:00'],
  ['yyyy-MM-dd hh:mm a', '2026-01-02 13:30 PM', null],
  ['yyyy-MM-dd', '2026-02-29', null],
];
for (const [pattern, text, expected] of FORMS)
  test(`'${text}' read by ${pattern} is ${expected ?? 'no time'}`, async () => {
    const steps = parseSteps([{ parse_timestamp: { field: 's', patterns: [pattern] } }]);
    const columns = [{ name: 's', type: 'string' }];
    const { rows, quarantine } = await transform({ columns, steps }, [JSON.stringify({ s: text })]);
    assert.deepEqual(
      rows.map(({ s }) => s),
      expected === null ? [] : [expected],
    );
    assert.equal(quarantine[0]?.['code'], expected === null ? 'CAST_FAILED' : undefined);
  });

test('a time with an offset that no clock has is none, in a column as well', async () => {
  const columns = [{ name: 't', type: 'timestamp' }];
  const given = ['+23:59', '-0000', '+14', '+24:00', '+99:99', '+01:60'].map(
    (z) => `2026-01-02T03:04:05${z}`,
  );
  const { rows, quarantine } = await transform(
    { columns },
    given.map((t) => JSON.stringify({ t })),
  );
  assert.deepEqual(
    rows.map(({ t }) => t),
    ['2026-01-01 03:05:05', '2026-01-02 03:04:05', '2026-01-01 13:04:05'],
  );
  assert.deepEqual(
    quarantine.map((row) => row['_offset']),
    ['3', '4', '5'],
  );
});

const fractions = fc.tuple(
  fc.bigInt({ min: -(10n ** 14n), max: 10n ** 14n }),
  fc.integer({ min: 0, max: 8 }),
);
for (const [unit, digits] of [
  ['s', 6],
  ['ms', 3],
  ['us', 0],
] as const)
  behaves(`from_epoch of a decimal in ${unit} is exact to the microsecond, and quarantines what is finer`, {
    columns: { d: 'decimal(38,8)' },
    steps: [{ from_epoch: { field: 'd', column: 't', unit } }, { to_epoch: { field: 't', unit: 'us' } }],
    record: fc.record({ d: maybe(fractions) }),
    reference({ d }) {
      if (d === null) return { d, t: null };
      const { text, value, scale } = decimalOf(d as [bigint, number]);
      const micros = value * 10n ** BigInt(digits);
      const isBeyond = (micros < 0n ? -micros : micros) / scale >= 8n * 10n ** 18n;
      if (isBeyond || micros % scale !== 0n) return new Bad('CAST_FAILED', 'd');
      return { d: text, t: String(micros / scale) };
    },
    write: ({ d }) => `{"d":${d === null ? 'null' : decimalOf(d as [bigint, number]).short}}`,
  });

function decimalOf([unscaled, behind]: readonly [bigint, number]) {
  const scale = 10n ** BigInt(behind);
  const sign = unscaled < 0n ? '-' : '';
  const whole = unscaled < 0n ? -unscaled : unscaled;
  const fraction = String(whole % scale).padStart(behind, '0');
  const of = (more: string) => `${sign}${whole / scale}${more === '' ? '' : `.${more}`}`;
  const short = of(behind === 0 ? '' : fraction);
  return { short, text: of((behind === 0 ? '' : fraction).padEnd(8, '0')), value: unscaled, scale };
}
