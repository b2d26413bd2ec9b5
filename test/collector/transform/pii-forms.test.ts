// Each kind of personal data by itself: what has its form is found wherever it stands in a text, and what
// only looks like it stays as it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import fc from 'fast-check';
import { transform } from './step-cases.ts';

const columns = [{ name: 's', type: 'string' }];

async function redacted(entity: string, texts: readonly string[]): Promise<unknown[]> {
  const steps = [stepSchema.parse({ detect_pii: { fields: ['s'], entities: [entity] } })];
  const { rows } = await transform(
    { columns, steps },
    texts.map((s) => JSON.stringify({ s })),
  );
  return rows.map(({ s }) => s);
}

/** By kind: texts that are one, and texts that are none. */
const FORMS: Readonly<Record<string, { readonly yes: readonly string[]; readonly no: readonly string[] }>> = {
  email: {
    yes: [
      'a@b.co',
      'first.last+tag@sub.example.co.uk',
      '_x@example.com',
      "o'neil@example.com",
      'ü@example.com',
      'x@münchen.de',
      'user@xn--mnchen-3ya.de',
      'a@b.xn--p1ai',
      'почта@пример.рф',
    ],
    no: ['a@b', '@b.com', 'a@b..com', 'a@b.c', 'a b.com', 'a@.com'],
  },
  phone: {
    yes: [
      '+49 30 1234567',
      '+1-212-555-0123',
      '+442071838750',
      '(212) 555-0123',
      '212-555-0123',
      '212.555.0123',
    ],
    no: ['+4930', '2026-01-02 10:11', '2125550123', '12345', '+0 30 1234567'],
  },
  credit_card: {
    yes: [
      '4111-1111-1111-1111',
      '4111 1111 1111 1111',
      '378282246310005',
      '3782 822463 10005',
      '4222222222222',
    ],
    no: [
      '4111 1111 1111 1112',
      '4111111111111112',
      '1234567890123456',
      '411111111111111111111',
      '1700000000001',
    ],
  },
  ssn: {
    yes: ['123-45-6789', '219-09-9999', '773-45-6789', '665-01-0001', '001-01-0001'],
    no: [
      '900-12-3456',
      '666-12-3456',
      '000-12-3456',
      '123-00-6789',
      '123-45-0000',
      '1123-45-6789',
      '123-45-67890',
    ],
  },
  ip: {
    yes: [
      '1.2.3.4',
      '255.255.255.255',
      '::1',
      'fe80::1',
      '2001:db8::',
      '2001:0db8:0000:0000:0000:ff00:0042:8329',
      '1:2:3:4:5:6:7:8',
      '::ffff:1.2.3.4',
      '64:ff9b::192.0.2.33',
    ],
    no: [
      '256.1.1.1',
      '1.2.3',
      '01.02.03.04',
      '12:34:56',
      '2026-01-02T12:34:56',
      'std::vector',
      'face::book',
      'add::',
    ],
  },
  iban: {
    yes: [
      'DE89370400440532013000',
      'DE89 3704 0044 0532 0130 00',
      'BE68 5390 0754 7034',
      'be68 5390 0754 7034',
      'ES91 2100 0418 4502 0005 1332',
      'GB82 WEST 1234 5698 7654 32',
      'NO93 8601 1117 947',
      'MT84 MALT 0110 0001 2345 MTLC AST0 01S',
    ],
    no: [
      'DE88 3704 0044 0532 0130 00',
      'BE69539007547034',
      'BE685390075470',
      'XX00 1234',
      'DE8937040044053201300',
    ],
  },
};

for (const [entity, { yes, no }] of Object.entries(FORMS)) {
  const mark = `[${entity.toUpperCase()}]`;
  test(`${entity}: what is one is found, alone, behind words, before words and twice`, async () => {
    const placed: readonly ((one: string) => string)[] = [
      (one) => one,
      (one) => `sent to ${one}`,
      (one) => `<${one}>`,
      (one) => `${one}, BANK says`,
      (one) => `${one} BANK`,
      (one) => `${one} and ${one}.`,
    ];
    const texts = yes.flatMap((one) => placed.map((place) => place(one)));
    const expected = yes.flatMap(() => placed.map((place) => place(mark)));
    assert.deepEqual(await redacted(entity, texts), expected);
  });

  test(`${entity}: what only looks like one stays`, async () => {
    const texts = no.flatMap((one) => [one, `see ${one} there`]);
    assert.deepEqual(await redacted(entity, texts), texts);
  });
}

test('an IBAN behind words that look like the beginning of one is found', async () => {
  const one = 'DE89 3704 0044 0532 0130 00';
  const texts = ['PO12 3456 ', 'id12 code ', 'order XY99 ABCD '].map((words) => words + one);
  const expected = texts.map((text) => text.replace(one, '[IBAN]'));
  assert.deepEqual(await redacted('iban', texts), expected);
});

test('an IBAN is found behind words that are like the beginning of another country’s, however many', async () => {
  const one = 'DE89 3704 0044 0532 0130 00';
  const behind = [
    'BE12 ',
    'BE12 BE34 ',
    'NO12 3456 BE12 ',
    'DE12 3456 7890 12 ',
    'BE12 '.repeat(8),
    'GB82 DE12 LC55 ',
  ];
  const texts = behind.flatMap((words) => [words + one, `${words}${one}, BE12 ${one}`]);
  const expected = texts.map((text) => text.replaceAll(one, '[IBAN]'));
  assert.deepEqual(await redacted('iban', texts), expected);
});

const digits = (length: number) => fc.stringMatching(new RegExp(`^[1-9][0-9]{${length - 1}}$`));

/** As banks do it by hand: from the right, every second digit twice. */
function luhn(number: string): boolean {
  const sum = [...number].reverse().reduce((total, digit, i) => {
    const twice = Number(digit) * (i % 2 === 0 ? 1 : 2);
    return total + (twice > 9 ? twice - 9 : twice);
  }, 0);
  return sum % 10 === 0;
}

test('a number of 13 to 19 digits is a card exactly where Luhn says so', async () => {
  const numbers = fc.sample(fc.integer({ min: 13, max: 19 }).chain(digits), { numRuns: 400, seed: 271 });
  const found = await redacted('credit_card', numbers);
  const expected = numbers.map((number) => (luhn(number) ? '[CREDIT_CARD]' : number));
  assert.deepEqual(found, expected);
  assert.ok(expected.includes('[CREDIT_CARD]'));
});

function mod97(iban: string): number {
  const letters = (iban.slice(4) + iban.slice(0, 4)).replace(/[A-Z]/g, (c) => String(c.charCodeAt(0) - 55));
  return Number(BigInt(letters) % 97n);
}

test('an IBAN is one exactly where its check digits are right', async () => {
  const account = fc.stringMatching(/^[0-9A-Z]{18}$/);
  const wrong = fc.integer({ min: 0, max: 3 });
  const ibans = fc.sample(fc.tuple(account, wrong), { numRuns: 300, seed: 314 }).map(([rest, off]) => {
    const check = (98 - mod97(`GB00${rest}`) + off) % 97;
    return `GB${String(check).padStart(2, '0')}${rest}`;
  });
  const expected = ibans.map((iban) => (mod97(iban) === 1 ? '[IBAN]' : iban));
  assert.deepEqual(await redacted('iban', ibans), expected);
  assert.ok(new Set(expected).size > 100 && expected.includes('[IBAN]'));
});
