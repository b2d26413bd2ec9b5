// A small certificate authority: what `sluice-collector pki` gives to people who have none, and what demo and
// tests use. ECDSA P-256, random serials, extended key usage as gRPC and Kafka demand it. The only importer
// of @peculiar/x509.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as x509 from '@peculiar/x509';
import { systemRandom } from './random.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** Clocks of other machines may be behind. */
const BACKDATED_MS = 3_600_000;

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

export interface CertificateFiles {
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
}

export interface Authority extends CertificateFiles {
  readonly certificate: x509.X509Certificate;
  readonly signingKey: webcrypto.CryptoKey;
}

export interface LeafRequest {
  readonly commonName: string;
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages: readonly ('serverAuth' | 'clientAuth')[];
  readonly nowMs: number;
  readonly days: number;
  /** Before `nowMs` for a certificate that has expired already (tests). */
  readonly notBeforeMs?: number;
}

export async function createAuthority(request: {
  commonName: string;
  nowMs: number;
  days: number;
}): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: systemRandom.hex(16),
    name: `CN=${escapeName(request.commonName)}`,
    notBefore: new Date(request.nowMs - BACKDATED_MS),
    notAfter: new Date(request.nowMs + request.days * DAY_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const files = { certPem: pem(certificate), keyPem: await keyPem(keys.privateKey) };
  return { ...files, certificate, signingKey: keys.privateKey };
}

/** An authority from its files. Throws where they are no certificate and PKCS#8 key. */
export async function loadAuthority(certPem: string, keyText: string): Promise<Authority> {
  const der = x509.PemConverter.decodeFirst(keyText);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
  return { certPem, keyPem: keyText, certificate: new x509.X509Certificate(certPem), signingKey };
}

export async function issueCertificate(
  authority: Authority,
  request: LeafRequest,
): Promise<CertificateFiles> {
  const keys = await newKeys();
  const names = [
    ...(request.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(request.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(request.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const usages = {
    serverAuth: x509.ExtendedKeyUsage.serverAuth,
    clientAuth: x509.ExtendedKeyUsage.clientAuth,
  };
  const notBefore = request.notBeforeMs ?? request.nowMs - BACKDATED_MS;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: systemRandom.hex(16),
    subject: `CN=${escapeName(request.commonName)}`,
    issuer: authority.certificate.subject,
    notBefore: new Date(notBefore),
    notAfter: new Date((request.notBeforeMs ?? request.nowMs) + request.days * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: authority.signingKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(request.usages.map((usage) => usages[usage])),
      new x509.SubjectAlternativeNameExtension(
        names.length > 0 ? names : [{ type: 'dns', value: request.commonName }],
      ),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
    ],
  });
  return { certPem: pem(certificate), keyPem: await keyPem(keys.privateKey) };
}

/**
 * Certificates that are no longer good, as PEM for `listen.tls.crl`. Past `days` it refuses everybody: renew
 * it before.
 */
export async function createRevocationList(
  authority: Authority,
  request: { readonly revokedPem: readonly string[]; readonly nowMs: number; readonly days: number },
): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: authority.certificate.subject,
    thisUpdate: new Date(request.nowMs - BACKDATED_MS),
    nextUpdate: new Date(request.nowMs + request.days * DAY_MS),
    entries: request.revokedPem.map((text) => ({
      serialNumber: new x509.X509Certificate(text).serialNumber,
      revocationDate: new Date(request.nowMs - BACKDATED_MS),
    })),
    signingAlgorithm: ALGORITHM,
    signingKey: authority.signingKey,
  });
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}

/** The name in an agent's certificate that the collector reads. */
export function agentUri(agentId: string): string {
  return `sluice://agent/${agentId}`;
}

/** Writes a certificate and, readable by its owner alone, its key. */
export function writeCertificate(path: { cert: string; key: string }, files: CertificateFiles): void {
  for (const file of [path.cert, path.key]) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(path.key, files.keyPem, { mode: 0o600 });
  chmodSync(path.key, 0o600);
  writeFileSync(path.cert, files.certPem);
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`;
}

function escapeName(text: string): string {
  return text.replace(/[,+"\\<>;=]/g, (char) => `\\${char}`);
}
