// Certificates for link tests: one authority, and leaves of every kind that a listener must tell apart, as
// PEM files.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Authority,
  agentUri,
  createAuthority,
  issueCertificate,
  type LeafRequest,
  writeCertificate,
} from '@sluice/shared/pki.ts';
import { temporaryDirectory } from './temp.ts';

export interface PemFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface LinkPki {
  readonly directory: string;
  readonly authority: Authority;
  /** A leaf of this authority, with the authority's own certificate as `ca`. */
  issue(request: Partial<LeafRequest> & Pick<LeafRequest, 'commonName' | 'usages'>): Promise<PemFiles>;
  agent(id: string, change?: Partial<LeafRequest>): Promise<PemFiles>;
  /** For localhost and 127.0.0.1, unless `change` says otherwise. */
  collector(change?: Partial<LeafRequest>): Promise<PemFiles>;
}

const DAYS = 30;
let made = 0;

export async function createLinkPki(commonName = 'Test CA'): Promise<LinkPki> {
  const directory = temporaryDirectory();
  const at = { nowMs: Date.now(), days: DAYS };
  const authority = await createAuthority({ commonName, ...at });
  const ca = join(directory, 'ca.pem');
  writeFileSync(ca, authority.certPem);
  const issue: LinkPki['issue'] = async (request) => {
    const name = `${++made}`;
    const files = { cert: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) };
    writeCertificate(files, await issueCertificate(authority, { ...at, ...request }));
    return { ca, ...files };
  };
  return {
    directory,
    authority,
    issue,
    agent: (id, change = {}) =>
      issue({ commonName: id, uris: [agentUri(id)], usages: ['clientAuth'], ...change }),
    collector: (change = {}) =>
      issue({
        commonName: 'collector',
        dnsNames: ['localhost'],
        ipAddresses: ['127.0.0.1'],
        usages: ['serverAuth'],
        ...change,
      }),
  };
}
