// What is wrong with certificates is said with the file's name and never with its content.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '@sluice/shared/errors.ts';
import { createAuthority, createRevocationList, issueCertificate } from '@sluice/shared/pki.ts';
import { daysToExpiry, readTlsMaterial } from '@sluice/shared/tls-material.ts';
import { temporaryDirectory } from '../support/temp.ts';

const nowMs = Date.UTC(2026, 5, 1);
const ca = await createAuthority({ commonName: 'Test CA', nowMs, days: 30 });
const issue = () => issueCertificate(ca, { commonName: 'a', usages: ['clientAuth'], nowMs, days: 10 });
const [one, two] = [await issue(), await issue()];

function filesOf(contents: { ca?: string; cert?: string; key?: string; crl?: string }) {
  const directory = temporaryDirectory();
  const path = (name: string) => join(directory, `${name}.pem`);
  for (const [name, text] of Object.entries(contents)) writeFileSync(path(name), text);
  const crl = contents.crl === undefined ? {} : { crl: path('crl') };
  return { ca: path('ca'), cert: path('cert'), key: path('key'), ...crl };
}

test('a revocation list is read beside the pair', async () => {
  const crl = await createRevocationList(ca, { revokedPem: [two.certPem], nowMs, days: 1 });
  const files = filesOf({ ca: ca.certPem, cert: one.certPem, key: one.keyPem, crl });
  assert.equal(readTlsMaterial(files).crl, crl);
});

test('a pair that belongs together is read again at every use', () => {
  const files = filesOf({ ca: ca.certPem, cert: one.certPem, key: one.keyPem });
  assert.deepEqual(readTlsMaterial(files), { ca: ca.certPem, cert: one.certPem, key: one.keyPem });
  writeFileSync(files.cert, two.certPem);
  assert.throws(() => readTlsMaterial(files), { place: files.cert }, 'a torn pair');
  writeFileSync(files.key, two.keyPem);
  assert.equal(readTlsMaterial(files).cert, two.certPem);
});

const good = { ca: ca.certPem, cert: one.certPem, key: one.keyPem };
const { key: _key, ...withoutKey } = good;
const WRONG: readonly (readonly [
  string,
  Parameters<typeof filesOf>[0],
  'ca' | 'cert' | 'key' | 'crl',
  RegExp,
])[] = [
  [
    'a key of another certificate',
    { ...good, key: two.keyPem },
    'cert',
    /does not belong to the key in .*key\.pem/,
  ],
  ['a certificate that is none', { ...good, cert: 'secret text' }, 'cert', /no PEM certificate/],
  ['a key that is none', { ...good, key: 'secret text' }, 'cert', /no PEM certificate with its private key/],
  ['an authority that is none', { ...good, ca: 'secret text' }, 'ca', /no PEM certificate/],
  ['a revocation list that is none', { ...good, crl: 'secret text' }, 'crl', /no PEM revocation list/],
  ['a key that is missing', withoutKey, 'key', /ENOENT/],
];

for (const [what, contents, place, message] of WRONG) {
  test(`${what} is refused by name`, () => {
    const files = filesOf(contents);
    assert.throws(
      () => readTlsMaterial(files),
      (error: unknown) => {
        assert.ok(error instanceof SluiceError);
        assert.equal(error.code, 'TLS_FILES_UNUSABLE');
        assert.equal(error.place, (files as Record<string, string>)[place]);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret text|BEGIN/);
        return true;
      },
    );
  });
}

test('days to expiry count down and go below zero', () => {
  const dayMs = 86_400_000;
  assert.equal(daysToExpiry(one.certPem, nowMs), 10);
  assert.equal(daysToExpiry(one.certPem, nowMs + 10.5 * dayMs), -0.5);
});
