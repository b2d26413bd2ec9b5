// What is wrong with a certificate file is said before anybody connects, with the file's name.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRevocationList } from '@sluice/shared/pki.ts';
import { daysToExpiry, readTlsMaterial, type TlsFiles } from '@sluice/shared/tls-material.ts';
import { createLinkPki } from '../support/link-pki.ts';

const pki = await createLinkPki();
const files = await pki.collector();
const other = await pki.agent('site-1');
const crl = join(pki.directory, 'crl.pem');
writeFileSync(
  crl,
  await createRevocationList(pki.authority, {
    revokedPem: [readFileSync(other.cert, 'utf8')],
    nowMs: Date.now(),
    days: 1,
  }),
);
const garbage = join(pki.directory, 'garbage.pem');
writeFileSync(garbage, '-----BEGIN CERTIFICATE-----\nnot base64 of anything\n-----END CERTIFICATE-----\n');

test('a certificate, its key, its authority and a revocation list are read as they are', () => {
  const material = readTlsMaterial({ ...files, crl });
  assert.equal(material.cert, readFileSync(files.cert, 'utf8'));
  assert.equal(material.crl, readFileSync(crl, 'utf8'));
  assert.ok(Math.abs(daysToExpiry(material.cert, Date.now()) - 30) < 0.1);
});

const unusable: readonly [string, Partial<TlsFiles>, string, RegExp][] = [
  ['a file that is not there', { key: '/nonexistent.pem' }, '/nonexistent.pem', /ENOENT/],
  ['a key that is another certificate’s', { key: other.key }, files.cert, /does not belong to the key in/],
  ['a certificate that is none', { cert: garbage }, garbage, /no PEM certificate with its private key/],
  ['a key that is none', { key: garbage }, files.cert, /no PEM certificate with its private key/],
  ['an authority that is none', { ca: garbage }, garbage, /no PEM certificate/],
  ['a revocation list that is none', { crl: garbage }, garbage, /no PEM revocation list/],
];

for (const [what, change, place, message] of unusable) {
  test(`${what} is refused by the name of its file`, () => {
    const bad = { ...files, ...change };
    assert.throws(() => readTlsMaterial(bad), { code: 'TLS_FILES_UNUSABLE', place, message });
  });
}
