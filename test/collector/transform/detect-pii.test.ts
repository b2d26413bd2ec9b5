// Personal data in texts: what is found is changed where it stands, and what only looks like it stays.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stepSchema } from '@sluice/collector/step-config.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { oneWindows } from './one-window.ts';

const { transform } = oneWindows();
const columns = [{ name: 's', type: 'string' }];

async function looked(texts: readonly string[], detect_pii: object) {
  const steps = [stepSchema.parse({ detect_pii: { fields: ['s'], ...detect_pii } })];
  const { rows } = await transform(
    { columns, steps },
    texts.map((s) => JSON.stringify({ s })),
  );
  return rows;
}

/** Text, what redact makes of it. */
const REDACTED: readonly (readonly [string, string])[] = [
  ['mail ada.l+x@example.co.uk now', 'mail [EMAIL] now'],
  ['nobody@localhost, a@b', 'nobody@localhost, a@b'],
  ['card 4111 1111 1111 1111.', 'card [CREDIT_CARD].'],
  ['card 4111111111111111', 'card [CREDIT_CARD]'],
  ['amex 3782-822463-10005', 'amex [CREDIT_CARD]'],
  ['order 4111 1111 1111 1112', 'order 4111 1111 1111 1112'],
  ['order 411111111111111111111', 'order 411111111111111111111'],
  [
    'ssn 536-22-1234, not 000-12-1234 or 666-12-1234 or 536-00-1234',
    'ssn [SSN], not 000-12-1234 or 666-12-1234 or 536-00-1234',
  ],
  ['from 10.0.0.255 to 10.0.0.256', 'from [IP] to 10.0.0.256'],
  ['2001:db8::1 and 2001:0db8:0000:0000:0000:ff00:0042:8329', '[IP] and [IP]'],
  ['IBAN DE89 3704 0044 0532 0130 00, GB82WEST12345698765432', 'IBAN [IBAN], [IBAN]'],
  ['IBAN DE88 3704 0044 0532 0130 00', 'IBAN DE88 3704 0044 0532 0130 00'],
  ['call +49 30 1234567 or (212) 555-0123', 'call [PHONE] or [PHONE]'],
  ['2026-01-02 and 12345', '2026-01-02 and 12345'],
  ['1.1.1.1 and 11.1.1.11', '[IP] and [IP]'],
  ['', ''],
];

test('what is personal is redacted by its kind, and what only looks like it stays', async () => {
  const rows = await looked(
    REDACTED.map(([text]) => text),
    {},
  );
  assert.deepEqual(
    rows.map(({ s }) => s),
    REDACTED.map(([, becomes]) => becomes),
  );
});

test('finds are masked to their length, hashed with the key, or reported and left', async () => {
  const text = 'ada@example.com and 10.1.2.3 and ada@example.com';
  const [masked] = await looked([text], { entities: ['email'], action: 'mask' });
  assert.equal(masked?.['s'], `${'*'.repeat(15)} and 10.1.2.3 and ${'*'.repeat(15)}`);
  const key = join(temporaryDirectory(), 'key');
  writeFileSync(key, 'k'.repeat(70));
  const [hashed] = await looked([text], { entities: ['email'], action: 'hash', key });
  const hmac = createHmac('sha256', 'k'.repeat(70)).update('ada@example.com').digest('hex');
  assert.equal(hashed?.['s'], `${hmac} and 10.1.2.3 and ${hmac}`);
  const reported = await looked([text, 'nothing'], { action: 'report', column: 'found' });
  assert.deepEqual(
    reported.map(({ s, found }) => [s, found]),
    [
      [text, ['email', 'ip']],
      ['nothing', []],
    ],
  );
});

/** By kind: the nth of many that differ. */
const NTH: Readonly<Record<string, (n: number) => string>> = {
  email: (n) => `user${n}@example.com`,
  ip: (n) => `10.${n >> 12}.${(n >> 6) & 63}.${n & 63}`,
  ssn: (n) =>
    `123-${String((n % 99) + 1).padStart(2, '0')}-${String(Math.floor(n / 99) + 1).padStart(4, '0')}`,
};

for (const [entity, nth] of Object.entries(NTH))
  test(`${entity}: thirty thousand in one text are each hidden, in no pass for each`, {
    timeout: 15_000,
  }, async () => {
    const words = ['and\u0004', '\u0004\u0004', 'ü', ''];
    const told = (one: (n: number) => string) =>
      Array.from({ length: 30_000 }, (_, n) => `${words[n % words.length]} ${one(n)},\u0004`).join('');
    const [row] = await looked([told(nth)], { entities: [entity] });
    assert.ok(row?.['s'] === told(() => `[${entity.toUpperCase()}]`));
  });

test('of very many finds those whose check sum is wrong stay, and each is masked to its own length', async () => {
  const both = Array.from({ length: 4_000 }, (_, n) => String(4_000_000_000_000 + n * 7)).join(' \u0004');
  const [few, many] = [both.slice(0, 8_000), both];
  for (const text of [few, many]) {
    const [row] = await looked([text], { entities: ['credit_card'], action: 'mask' });
    const expected = text.replace(/[0-9]{13}/g, (one) => (isCard(one) ? '*'.repeat(13) : one));
    assert.ok(row?.['s'] === expected && expected.includes('*') && /[0-9]{13}/.test(expected));
  }
});

function isCard(number: string): boolean {
  const values = [...number].reverse().map((digit, i) => Number(digit) * (i % 2 === 0 ? 1 : 2));
  return values.reduce((sum, value) => sum + (value > 9 ? value - 9 : value), 0) % 10 === 0;
}

test('of very many IBANs each is hidden, those behind words like one among them', async () => {
  const ibans = Array.from({ length: 2_000 }, (_, n) => n).flatMap((n) => {
    const account = String(n).padStart(18, '0');
    const check = 98n - (BigInt(`${account}131400`) % 97n);
    // Behind the words below its beginning may be the end of another one.
    if (BigInt(`1314${String(check).padStart(2, '0')}00000000111412`) % 97n === 1n) return [];
    return `DE${String(check).padStart(2, '0')}${account}`.replace(/....(?=.)/g, '$& ');
  });
  const between = '\u0004\u0005_\u0005';
  const [row] = await looked([ibans.map((one) => `PO12 3456 BE12 ${one};`).join(between)], {
    entities: ['iban'],
  });
  assert.ok(row?.['s'] === ibans.map(() => 'PO12 3456 BE12 [IBAN];').join(between));
});
