// A number without its unit, or with one that means something else, is never guessed at.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bitRate, byteSize, duration, formatBytes, formatDuration, hostPort } from '@sluice/shared/units.ts';
import fc from 'fast-check';

const kinds = { duration, byteSize, bitRate, hostPort };

const GOOD: readonly (readonly [keyof typeof kinds, string, unknown])[] = [
  ['duration', '100s', 100_000],
  ['duration', '200ms', 200],
  ['duration', ' 1.5 h ', 5_400_000],
  ['duration', '7d', 604_800_000],
  ['byteSize', '64MiB', 67_108_864],
  ['byteSize', '1kB', 1_000],
  ['byteSize', '0.5GiB', 536_870_912],
  ['byteSize', '10B', 10],
  ['bitRate', '200Mbit/s', 200e6],
  ['bitRate', '1.5 Gbit/s', 1.5e9],
  ['hostPort', 'collector.example:8443', { host: 'collector.example', port: 8443 }],
  ['hostPort', '[::1]:0', { host: '::1', port: 0 }],
];

for (const [kind, text, value] of GOOD)
  test(`'${text}' is a ${kind}`, () => assert.deepEqual(kinds[kind]().parse(text), value));

const BAD: readonly (readonly [keyof typeof kinds, string])[] = [
  ['duration', '100'],
  ['duration', '5 minutes'],
  ['duration', '-5s'],
  ['duration', '1e3s'],
  ['duration', '5S'],
  ['duration', ''],
  ['duration', '1h 5m'],
  ['duration', '5toString'],
  ['byteSize', '64'],
  ['byteSize', '64M'],
  ['byteSize', '64mib'],
  ['byteSize', '64Mbit/s'],
  ['bitRate', '200MB/s'],
  ['bitRate', '200mbit/s'],
  ['hostPort', 'collector'],
  ['hostPort', ':80'],
  ['hostPort', 'a:65536'],
  ['hostPort', '::1:80'],
  ['hostPort', 'a b:80'],
  ['hostPort', 'http://a:80'],
];

for (const [kind, text] of BAD)
  test(`'${text}' is no ${kind}, and the message shows one`, () => {
    const result = kinds[kind]().safeParse(text);
    assert.ok(!result.success);
    assert.match(result.error.issues[0]?.message ?? '', /^'.*' is not .*e\.g\. "/);
  });

test('sizes and times are written for people', () => {
  const sizes = [0, 1_023, 1_024, 1_536, 1_288_490_189, 5 * 2 ** 40].map(formatBytes);
  assert.deepEqual(sizes, ['0 B', '1023 B', '1 KiB', '1.5 KiB', '1.2 GiB', '5 TiB']);
  const times = [0, 240, 9_960, 98_000, 840_000, 7_260_000, 594_000_000].map(formatDuration);
  assert.deepEqual(times, ['0 s', '0.2 s', '10 s', '98 s', '14 m', '2 h 1 m', '6 d 21 h']);
});

test('whatever is written for people, no number of it is a fraction of 60 or more', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (ms) => {
      const [, minutes] = / (\d+) m$/.exec(formatDuration(ms)) ?? [];
      assert.ok(minutes === undefined || Number(minutes) < 60, formatDuration(ms));
    }),
  );
});
