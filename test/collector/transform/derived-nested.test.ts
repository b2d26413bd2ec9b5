// What derive and fill_missing compute of nested types, against a reference: taken where each inner value
// fits exactly, however DuckDB prints it, and quarantined where one does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import fc from 'fast-check';
import { oneWindows } from './one-window.ts';
import { Bad, behaves, maybe } from './step-cases.ts';

const { transform } = oneWindows();

const LARGEST = 2n ** 53n;
const whole = fc.oneof(
  fc.integer({ min: -3, max: 120 }).map(BigInt),
  fc.constantFrom(LARGEST, LARGEST + 1n, LARGEST + 2n, -LARGEST - 1n, 100_000n, 10n),
);
const cents = fc.constantFrom('0', '1', '1.5', '1.50', '10', '2.05', '-0.25');
const text = fc.constantFrom('1.0', '1.00 and 2.50', "it's", '', '10');
interface Values {
  readonly n: bigint | null;
  readonly d: string | null;
  readonly s: string | null;
}
const record = fc.record({ n: maybe(whole), d: maybe(cents), s: maybe(text) }) as fc.Arbitrary<never>;
const write = ({ n, d, s }: Values) => `{"n":${n},"d":${d},"s":${JSON.stringify(s)}}`;
const isDouble = (n: bigint | null) => n === null || BigInt(Number(n)) === n;
const isWhole = (d: string | null) => d === null || Number.isInteger(Number(d));
const number = (value: bigint | string | null) => (value === null ? null : Number(value));

behaves('whole numbers and decimals in nested values are taken for types that hold them', {
  columns: { n: 'bigint', d: 'decimal(6,2)', s: 'string', filled: 'array<double>' },
  steps: [
    {
      derive: [
        { column: 'doubles', type: 'array<double>', expression: '[n, 7]' },
        { column: 'wholes', type: 'array<int>', expression: '[d]' },
        { column: 'both', type: 'struct<d:double,s:string>', expression: "{'d': d, 's': s}" },
        { column: 'texts', type: 'map<string,string>', expression: "MAP {'t': s}" },
      ],
    },
    { fill_missing: [{ column: 'filled', expression: '[d]' }] },
  ],
  record,
  write: write as never,
  reference: (one) => {
    const { n, d, s } = one as unknown as Values;
    if (!isDouble(n)) return new Bad('CAST_FAILED', 'doubles');
    if (!isWhole(d)) return new Bad('CAST_FAILED', 'wholes');
    return {
      n: n === null ? null : String(n),
      d: d === null ? null : Number(d).toFixed(2),
      s,
      filled: [number(d)],
      doubles: [number(n), 7],
      wholes: [number(d)],
      both: { d: number(d), s },
      texts: [{ key: 't', value: s }],
    };
  },
});

test('a whole number beside a fraction is no other number in an array of doubles', async () => {
  const derive = { column: 'both', type: 'array<double>', expression: '[n, 0.5]' };
  const { rows, quarantine } = await transform(
    { columns: [{ name: 'n', type: 'bigint' }], steps: [stepSchema.parse({ derive: [derive] })] },
    ['{"n":1}'],
  );
  assert.deepEqual(quarantine, []);
  assert.deepEqual(
    rows.map(({ both }) => both),
    [[1, 0.5]],
  );
});
