// Certificates and keys from PEM files, read again at every use so that a renewal needs no restart. What is wrong with
// them is said here, with the file's name and never with its content.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ErrorCode, SluiceError } from './errors.ts';

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

/** Throws `code` where a file cannot be read or the key is not the certificate's. */
export function readTlsMaterial(files: TlsFiles, code: ErrorCode = 'LINK_CERTIFICATE_REFUSED'): TlsMaterial {
  const read = (path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new SluiceError(code, error instanceof Error ? error.message : String(error), { place: path });
    }
  };
  const material = { ca: read(files.ca), cert: read(files.cert), key: read(files.key) };
  checkPair(material, { files, code });
  return files.crl === undefined ? material : { ...material, crl: read(files.crl) };
}

function checkPair(material: TlsMaterial, at: { files: TlsFiles; code: ErrorCode }): void {
  let matches: boolean;
  try {
    matches = new X509Certificate(material.cert).checkPrivateKey(createPrivateKey(material.key));
  } catch {
    throw new SluiceError(at.code, 'it is no PEM certificate with its private key', { place: at.files.cert });
  }
  if (!matches)
    throw new SluiceError(at.code, `it does not belong to the key in ${at.files.key}`, {
      place: at.files.cert,
    });
}

/** Days until a certificate ends; negative when it has. */
export function daysToExpiry(certPem: string, nowMs: number): number {
  return (new X509Certificate(certPem).validToDate.getTime() - nowMs) / 86_400_000;
}
