// A replay runs what was asked for: a choice that could be misread is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSelection } from '@sluice/collector/ops/replay/selection.ts';
import { UsageError } from '@sluice/shared/command-line.ts';

const nothing = { code: undefined, from: undefined, to: undefined, offset: undefined };

test('nothing chosen is refused, and --all with a choice', () => {
  assert.throws(() => parseSelection(nothing, false), UsageError);
  assert.throws(() => parseSelection({ ...nothing, code: 'TOMBSTONE' }, true), UsageError);
  assert.deepEqual(parseSelection(nothing, true).codes, []);
});

for (const [option, text] of [
  ['from', '2026-01-31T08:00'],
  ['from', 'yesterday'],
  ['to', '2026-13-01'],
  ['offset', 'claims:0'],
  ['offset', 'claims:0:9-3'],
  ['offset', 'claims:0:99999999999999999999'],
  ['code', "x' OR 1=1"],
  ['code', 'CAST_FAILED,'],
] as const)
  test(`--${option} ${text} is refused`, () => {
    assert.throws(() => parseSelection({ ...nothing, [option]: text }, false), UsageError);
  });

test('a time is a moment whatever the machine, and --to lies behind --from', () => {
  const { fromMs, toMs } = parseSelection(
    { ...nothing, from: '2026-01-31', to: '2026-01-31T10:00+02:00' },
    false,
  );
  assert.deepEqual([fromMs, toMs], [Date.UTC(2026, 0, 31), Date.UTC(2026, 0, 31, 8)]);
  assert.throws(
    () => parseSelection({ ...nothing, from: '2026-01-31', to: '2026-01-31' }, false),
    UsageError,
  );
});

test('one offset, or a run of them with both ends', () => {
  const at = (offset: string) => parseSelection({ ...nothing, offset }, false).offsets;
  assert.deepEqual(at('a.b:2:7'), { topic: 'a.b', partition: 2, first: 7, last: 7 });
  assert.deepEqual(at('a.b:2:7-9'), { topic: 'a.b', partition: 2, first: 7, last: 9 });
});
