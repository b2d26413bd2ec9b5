// Numbers that others wrote their own way, against readers that take one text at a time and know no SQL.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import fc from 'fast-check';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';
import { Bad, behaves, maybe } from './step-cases.ts';

const { transformer } = oneWindows();

/** A whole number in two's complement, as Java's BigInteger.toByteArray gives it, or with bytes to spare. */
function bytesOf(number: bigint, spare = 0): Buffer {
  let length = 1 + spare;
  while (BigInt.asIntN(8 * length, number) !== number) length++;
  return Buffer.from(
    BigInt.asUintN(8 * length, number)
      .toString(16)
      .padStart(2 * length, '0'),
    'hex',
  );
}

const withPoint = (number: bigint, scale: number) => {
  const digits = String(number < 0n ? -number : number).padStart(scale + 1, '0');
  return `${number < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
};

const edges = [0n, -1n, 127n, 128n, -128n, -129n, 2n ** 63n, -(2n ** 63n), 2n ** 64n, -(2n ** 64n) - 1n];
const numbers = fc.oneof(
  fc.constantFrom(...edges, 10n ** 38n - 1n, 1n - 10n ** 38n, 10n ** 38n, -(10n ** 38n), -(2n ** 127n)),
  fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
  fc.bigInt({ min: -(2n ** 130n), max: 2n ** 130n }),
);
behaves('decode_decimal gives the number that the bytes are, and quarantines what its column does not hold', {
  columns: { s: 'string' },
  steps: [{ decode_decimal: { field: 's', column: 'd', type: 'decimal(38,2)' } }, { drop_fields: ['s'] }],
  record: fc.record({
    s: maybe(
      fc.oneof(
        fc.tuple(numbers, fc.nat(2)).map(([number, spare]) => bytesOf(number, spare).toString('base64')),
        fc.constantFrom('', 'x', 'AQ', '12.50', 'AfQ=='),
      ),
    ),
  }),
  reference({ s }) {
    if (s === null) return { d: null };
    const text = String(s);
    const bytes = Buffer.from(text, 'base64');
    const number = BigInt.asIntN(8 * bytes.length, BigInt(`0x0${bytes.toString('hex')}`));
    const isWhole = bytes.length > 0 && bytes.length <= 16 && bytes.toString('base64') === text;
    if (!isWhole || number >= 10n ** 38n || number <= -(10n ** 38n)) return new Bad('CAST_FAILED', 's');
    return { d: withPoint(number, 2) };
  },
});

const piece = fc.constantFrom(
  '1',
  '12',
  '345',
  '6789',
  '.',
  ',',
  '.345',
  ',5',
  '-',
  '+',
  ' ',
  '\u00a0345',
  'x',
  '',
);
const spelled = fc.oneof(
  fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join('')),
  fc.constantFrom(
    '1.234.567,89',
    '-1.234,5',
    '1234,50-',
    '1.5',
    '1.23,5',
    ' 7 ',
    ',5',
    '5,',
    '12345678901,00',
  ),
);
behaves('parse_number takes a decimal comma, whole groups and one sign, and nothing that is another number', {
  columns: { s: 'string' },
  steps: [
    { parse_number: { field: 's', column: 'n', type: 'decimal(12,2)', point: ',', group: '.' } },
    { drop_fields: ['s'] },
  ],
  record: fc.record({ s: maybe(spelled) }),
  reference({ s }) {
    if (s === null) return { n: null };
    const text = String(s).replace(/^\s+|\s+$/g, '');
    const unsigned = text.replace(/^[+-]|[+-]$/, '');
    const [whole = '', fraction = '', ...more] = unsigned.split(',');
    const groups = whole.split('.');
    const isGrouped = groups.every((group, i) => (i === 0 ? /^\d{1,3}$/ : /^\d{3}$/).test(group));
    const isNumber =
      more.length === 0 && (/^\d+$/.test(whole) || isGrouped || (whole === '' && fraction !== ''));
    const digits = fraction.replace(/0+$/, '');
    const wide = groups.join('').replace(/^0+/, '').length > 10;
    const isSpaced = /^[ -~]*$/.test(String(s));
    if (!isSpaced || !isNumber || !/^\d*$/.test(fraction) || digits.length > 2 || wide)
      return new Bad('CAST_FAILED', 's');
    const cents = BigInt(groups.join('') + digits.padEnd(2, '0'));
    return { n: withPoint(text.includes('-') ? -cents : cents, 2) };
  },
});

behaves('a group that is a space is any that people write between digits', {
  columns: { s: 'string' },
  steps: [{ parse_number: { field: 's', type: 'bigint', group: ' ' } }],
  record: fc.record({ s: fc.constantFrom('1 234', '1\u00a0234\u202f567', '12 34', '1234', '1,234') }),
  reference: ({ s }) =>
    ['12 34', '1,234'].includes(String(s))
      ? new Bad('CAST_FAILED', 's')
      : { s: String(s).replaceAll(/\s/g, '') },
});

const REFUSED: readonly (readonly [object, RegExp])[] = [
  [{ parse_number: { field: 's', type: 'date' } }, /'date' is no type of numbers/],
  [{ parse_number: { field: 's', type: 'array<int>' } }, /'array<int>' is no type of numbers/],
  [{ parse_number: { field: 's', type: 'int', group: '.' } }, /'\.' is both point and group/],
  [{ decode_decimal: { field: 's', type: 'bigint' } }, /'bigint' is no decimal/],
];
test('types that are no numbers, and a point that is a group as well, are refused before any data', async () => {
  const directory = temporaryDirectory();
  for (const [step, message] of REFUSED) {
    const table = {
      ...plainTable,
      columns: [{ name: 's', type: 'string' }],
      steps: [stepSchema.parse(step)],
    };
    assert.match((await transformer.validate(table, directory)).join(), message);
  }
  assert.throws(() => stepSchema.parse({ parse_number: { field: 's', type: 'int', point: '5' } }));
});
