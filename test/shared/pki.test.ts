// Certificates that we issue do what they are for and nothing else: each side is asked by Node's own TLS.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { agentIdentity } from '@sluice/collector/ingest/identity.ts';
import { agentRequest, collectorRequest } from '@sluice/collector/ops/pki.ts';
import {
  type Authority,
  type CertificateFiles,
  createAuthority,
  issueCertificate,
  type LeafRequest,
  loadAuthority,
  writeCertificate,
} from '@sluice/shared/pki.ts';
import { temporaryDirectory } from '../support/temp.ts';

const nowMs = Date.now();
const at = { nowMs, days: 30 };
const ca = await createAuthority({ commonName: 'Test CA', ...at });
const agent = await issueCertificate(ca, agentRequest('plant-7', at));
const collector = await issueCertificate(ca, collectorRequest(['collector.test', '127.0.0.1'], at));

interface Shaken {
  /** What each side thinks of the other; undefined where it is content. */
  readonly server: string | undefined;
  readonly client: string | undefined;
  readonly peer: Buffer | undefined;
}

/** One handshake over loopback; both sides trust `authority` alone. */
async function shake(parts: {
  server: CertificateFiles;
  client: CertificateFiles;
  servername?: string;
  authority?: Authority;
}): Promise<Shaken> {
  const { server, client, servername = 'collector.test', authority = ca } = parts;
  const files = (own: CertificateFiles) => ({ ca: authority.certPem, cert: own.certPem, key: own.keyPem });
  const listener = tls.createServer({
    ...files(server),
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: false,
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'secureConnection') as Promise<[tls.TLSSocket]>;
  const socket = tls.connect({
    port: (listener.address() as AddressInfo).port,
    host: '127.0.0.1',
    servername,
    ...files(client),
    rejectUnauthorized: false,
  });
  await once(socket, 'secureConnect');
  const [remote] = await accepted;
  const told = (side: tls.TLSSocket) => (side.authorized ? undefined : String(side.authorizationError));
  const result = { server: told(remote), client: told(socket), peer: remote.getPeerCertificate().raw };
  socket.destroy();
  remote.destroy();
  listener.close();
  return result;
}

test('agent and collector know each other, and the agent is who its certificate says', async () => {
  const { server, client, peer } = await shake({ server: collector, client: agent });
  assert.deepEqual([server, client], [undefined, undefined]);
  assert.equal(agentIdentity(peer ?? Buffer.alloc(0), false), 'plant-7');
});

test('a collector named by its address is known under it, and under no other name', async () => {
  const wrong = await shake({ server: collector, client: agent, servername: 'other.test' });
  assert.match(wrong.client ?? '', /ERR_TLS_CERT_ALTNAME_INVALID|altname/i);
  const peer = { subject: {}, subjectaltname: new X509Certificate(collector.certPem).subjectAltName };
  const named = (host: string) => tls.checkServerIdentity(host, peer as unknown as tls.PeerCertificate);
  assert.equal(named('127.0.0.1'), undefined);
  assert.equal(named('collector.test'), undefined);
  assert.ok(named('127.0.0.2') instanceof Error);
});

const issued = (request: Partial<LeafRequest>) =>
  issueCertificate(ca, { ...agentRequest('plant-7', at), ...request });

test('a certificate for the other purpose, from another authority, too old or too young is refused by its reason', async () => {
  const other = await createAuthority({ commonName: 'Test CA', ...at });
  const day = 86_400_000;
  const cases: readonly (readonly [string, CertificateFiles, RegExp])[] = [
    ['the collector’s as an agent’s', collector, /INVALID_PURPOSE|purpose/i],
    [
      'of another authority',
      await issueCertificate(other, agentRequest('plant-7', at)),
      /UNABLE_TO|SIGNATURE/,
    ],
    ['expired', await issued({ notBeforeMs: nowMs - 2 * day, days: 1 }), /CERT_HAS_EXPIRED/],
    ['not valid yet', await issued({ notBeforeMs: nowMs + day }), /CERT_NOT_YET_VALID/],
  ];
  for (const [what, client, reason] of cases) {
    const { server } = await shake({ server: collector, client });
    assert.match(server ?? 'accepted', reason, what);
  }
  const { client } = await shake({ server: agent, client: agent });
  assert.match(client ?? 'accepted', /INVALID_PURPOSE|purpose|ALTNAME/i);
});

test('a leaf signs nothing: what it would issue has no chain', async () => {
  const leaf = await loadAuthority(agent.certPem, agent.keyPem);
  const forged = await issueCertificate(leaf, agentRequest('plant-8', at));
  const { server } = await shake({
    server: collector,
    client: { ...forged, certPem: forged.certPem + agent.certPem },
  });
  assert.notEqual(server, undefined);
});

test('names with signs of their own stay names, and serial numbers differ', async () => {
  const odd = await issued({ commonName: 'a,O=Evil+b"<>;' });
  const subject = new X509Certificate(odd.certPem).subject;
  assert.equal(subject.split('\n').length, 1, subject);
  assert.match(subject, /^CN=/);
  const serials = [agent, collector, odd, ca].map(({ certPem }) => new X509Certificate(certPem).serialNumber);
  assert.equal(new Set(serials).size, 4);
  for (const serial of serials) assert.ok(BigInt(`0x${serial}`) > 0n);
});

test('an authority loaded from its files issues what the old one would accept', async () => {
  const loaded = await loadAuthority(ca.certPem, ca.keyPem);
  const client = await issueCertificate(loaded, agentRequest('plant-9', at));
  assert.equal((await shake({ server: collector, client })).server, undefined);
});

test('keys are readable by their owner alone', () => {
  const directory = temporaryDirectory();
  const paths = { cert: join(directory, 'new', 'a.pem'), key: join(directory, 'new', 'a-key.pem') };
  writeCertificate(paths, agent);
  assert.equal(statSync(paths.key).mode & 0o777, 0o600);
  writeCertificate(paths, collector);
  assert.equal(statSync(paths.key).mode & 0o777, 0o600);
});
