// Certificates and keys from PEM files, read again at every use so that a renewal needs no restart. What is
// wrong with them is said here, with the file's name and never with its content.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf, SluiceError } from './errors.ts';

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl?: string;
}

export interface TlsMaterial {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl?: string;
}

/** Throws TLS_FILES_UNUSABLE where a file cannot be read or used, or the key is not the certificate's. */
export function readTlsMaterial(files: TlsFiles): TlsMaterial {
  const material = { ca: readPem(files.ca), cert: readPem(files.cert), key: readPem(files.key) };
  checkUsable(files.ca, 'it holds no PEM certificate', () => new X509Certificate(material.ca));
  checkPair(material, files);
  if (files.crl === undefined) return material;
  const crl = readPem(files.crl);
  checkUsable(files.crl, 'it holds no PEM revocation list', () => createSecureContext({ crl }));
  return { ...material, crl };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unusable(path, messageOf(error));
  }
}

function checkPair(material: TlsMaterial, files: TlsFiles): void {
  let matches = false;
  checkUsable(files.cert, 'it is no PEM certificate with its private key', () => {
    matches = new X509Certificate(material.cert).checkPrivateKey(createPrivateKey(material.key));
  });
  if (!matches) throw unusable(files.cert, `it does not belong to the key in ${files.key}`);
}

function checkUsable(path: string, otherwise: string, use: () => unknown): void {
  try {
    use();
  } catch (cause) {
    throw unusable(path, otherwise, cause);
  }
}

function unusable(place: string, message: string, cause?: unknown): SluiceError {
  return new SluiceError('TLS_FILES_UNUSABLE', message, { place, cause });
}

/** Days until a certificate ends; negative when it has. */
export function daysToExpiry(certPem: string, nowMs: number): number {
  return (new X509Certificate(certPem).validToDate.getTime() - nowMs) / 86_400_000;
}
