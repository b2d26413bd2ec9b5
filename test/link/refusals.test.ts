// Whoever is refused is told why, and so is the other side: the same reason and remedy in the agent's status
// and log and in the collector's log. Real TLS, real gRPC.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS, type ErrorCode } from '@sluice/shared/errors.ts';
import { createRevocationList } from '@sluice/shared/pki.ts';
import { eventually } from '../support/eventually.ts';
import {
  type CollectorEndOptions,
  hurriedClock,
  startAgentEnd,
  startCollectorEnd,
} from '../support/link-ends.ts';
import { createLinkPki, type PemFiles } from '../support/link-pki.ts';

const DAY_MS = 86_400_000;
const pki = await createLinkPki();
const stranger = await createLinkPki('Other CA');
const collector = await pki.collector();
const agent = await pki.agent('site-1');
const past = { notBeforeMs: Date.now() - 40 * DAY_MS, days: 10 };
const elsewhere = { dnsNames: ['elsewhere.example'], ipAddresses: ['127.0.0.2'] };
const revoked = await pki.agent('site-1');

async function revocations(name: string, nowMs: number): Promise<string> {
  const path = join(pki.directory, name);
  const revokedPem = [readFileSync(revoked.cert, 'utf8')];
  writeFileSync(path, await createRevocationList(pki.authority, { revokedPem, nowMs, days: 1 }));
  return path;
}
const crl = await revocations('crl.pem', Date.now());
const staleCrl = await revocations('stale-crl.pem', Date.now() - 2 * DAY_MS);

/** As the collector describes a certificate that it refuses. */
function describe(files: PemFiles, issuer: string, why: string): string {
  const { validTo } = new X509Certificate(readFileSync(files.cert));
  return `CN=site-1, issuer CN=${issuer}, valid to ${validTo} [${why}]`;
}

interface Side {
  readonly code: ErrorCode;
  readonly text: string;
}

interface Refusal {
  readonly what: string;
  readonly collector?: Partial<CollectorEndOptions>;
  readonly agent?: PemFiles & { readonly serverName?: string };
  readonly host?: string;
  readonly agentSays: Side;
  /** The same as the agent says, if not given. */
  readonly collectorSays?: Side;
}

const hungUp: Side = {
  code: 'LINK_HANDSHAKE_FAILED',
  text: 'the peer hung up; it may not trust this collector [ECONNRESET]',
};
const untrusted = (text: string) => ({
  agentSays: { code: 'LINK_COLLECTOR_UNTRUSTED' as const, text },
  collectorSays: hungUp,
});
const refusedCertificate = (text: string) => ({
  agentSays: { code: 'LINK_CERTIFICATE_REFUSED' as const, text: `the client certificate ${text}` },
});
const refusedIdentity = (text: string) => ({ agentSays: { code: 'LINK_IDENTITY_REFUSED' as const, text } });
const altname = "Hostname/IP does not match certificate's altnames:";

const expiredAgent = await pki.agent('site-1', past);
const strangersAgent = { ...(await stranger.agent('site-1')), ca: agent.ca };
const serverAsClient = await pki.agent('site-1', { usages: ['serverAuth'] });

const refusals: readonly Refusal[] = [
  {
    what: 'an agent that trusts another authority',
    agent: { ...agent, ca: (await stranger.agent('site-1')).ca },
    ...untrusted('self-signed certificate in certificate chain'),
  },
  {
    what: 'a collector certificate of another authority',
    collector: { tls: { ...(await stranger.collector()), ca: collector.ca } },
    ...untrusted('unable to verify the first certificate'),
  },
  {
    what: 'an expired collector certificate',
    collector: { tls: await pki.collector(past) },
    ...untrusted('certificate has expired'),
  },
  {
    what: 'a collector certificate for another host name',
    collector: { tls: await pki.collector(elsewhere) },
    host: 'localhost',
    ...untrusted(
      `${altname} Host: localhost. is not in the cert's altnames: DNS:elsewhere.example, IP Address:127.0.0.2`,
    ),
  },
  {
    what: 'a collector certificate for another IP address',
    collector: { tls: await pki.collector(elsewhere) },
    ...untrusted(`${altname} IP: 127.0.0.1 is not in the cert's list: 127.0.0.2`),
  },
  {
    what: 'a collector certificate for another name than tls.serverName',
    agent: { ...agent, serverName: 'collector.acme' },
    ...untrusted(
      `${altname} Host: collector.acme. is not in the cert's altnames: DNS:localhost, IP Address:127.0.0.1`,
    ),
  },
  {
    what: 'a client certificate where the collector’s belongs',
    collector: { tls: await pki.collector({ usages: ['clientAuth'] }) },
    ...untrusted('unsuitable certificate purpose'),
  },
  {
    what: 'an agent certificate of another authority',
    agent: strangersAgent,
    ...refusedCertificate(
      `is of an authority that the collector does not trust: ${describe(strangersAgent, 'Other CA', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')}`,
    ),
  },
  {
    what: 'an expired agent certificate',
    agent: expiredAgent,
    ...refusedCertificate(`has expired: ${describe(expiredAgent, 'Test CA', 'CERT_HAS_EXPIRED')}`),
  },
  {
    what: 'a revoked agent certificate',
    collector: { tls: { ...collector, crl } },
    agent: revoked,
    ...refusedCertificate(`was revoked: ${describe(revoked, 'Test CA', 'CERT_REVOKED')}`),
  },
  {
    what: 'a collector certificate used by an agent',
    agent: serverAsClient,
    ...refusedCertificate(
      `is not one for clients (extended key usage): ${describe(serverAsClient, 'Test CA', 'INVALID_PURPOSE')}`,
    ),
  },
  {
    what: 'everybody, by a revocation list that has expired',
    collector: { tls: { ...collector, crl: staleCrl } },
    agentSays: {
      code: 'LINK_REVOCATIONS_EXPIRED',
      text: 'the collector’s revocation list has expired [CRL_HAS_EXPIRED]',
    },
  },
  {
    what: 'a certificate that names no agent',
    agent: await pki.agent('site-1', { uris: [] }),
    ...refusedIdentity('the certificate of site-1 has no URI sluice://agent/<id> among its names'),
  },
  {
    what: 'a certificate that names two agents',
    agent: await pki.agent('site-1', { uris: ['sluice://agent/site-1', 'sluice://agent/site-2'] }),
    ...refusedIdentity('the certificate of site-1 has more than one agent among its names'),
  },
  {
    what: 'another agent’s certificate',
    agent: await pki.agent('site-2'),
    ...refusedIdentity("the agent calls itself 'site-1' and its certificate says 'site-2'"),
  },
  {
    what: 'an agent that the collector does not know',
    collector: { agents: [{ id: 'site-9', topics: ['*'] }] },
    ...refusedIdentity("agent 'site-1' is not among the collector's agents"),
  },
];

for (const { what, host = '127.0.0.1', agentSays, collectorSays = agentSays, ...sides } of refusals) {
  test(`refused, with the reason on both sides: ${what}`, async (t) => {
    const there = await startCollectorEnd(t, { tls: collector, ...sides.collector });
    const here = startAgentEnd(t, {
      address: { host, port: there.port },
      tls: sides.agent ?? agent,
      clock: hurriedClock,
    });
    const lost = await eventually('the agent says why', () => here.log.said(/no collector/)[0]);
    const refused = await eventually('the collector says why', () => there.log.said(/connection refused/)[0]);
    const place = `${host}:${there.port}`;
    const { remedy } = ERRORS[agentSays.code];
    assert.deepEqual(lost, { reason: `${agentSays.code}: ${agentSays.text} (${place})`, remedy });
    assert.equal(here.uplink.status().lastError, `${lost['reason']}. ${remedy}`);
    assert.equal(refused['reason'], `${collectorSays.code}: ${collectorSays.text}`);
    assert.equal(refused['remedy'], ERRORS[collectorSays.code].remedy);
    assert.match(String(refused['peer']), /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(there.log.said(/agent connected/), []);
    assert.deepEqual(there.ingest.status().agents, []);
    await eventually('it is tried again, and not said again', () => here.uplink.status().attempts >= 3);
    assert.equal(here.log.said(/no collector/).length, 1);
  });
}

test('let in, to compare: by name, by IP address, by tls.serverName, with a revocation list', async (t) => {
  const named = await pki.collector({
    dnsNames: ['collector.acme', 'localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  const there = await startCollectorEnd(t, { tls: { ...named, crl } });
  const ways = [
    { host: 'localhost', tls: agent },
    { host: '127.0.0.1', tls: agent },
    { host: '127.0.0.1', tls: { ...agent, serverName: 'collector.acme' } },
    { host: 'localhost', tls: { ...agent, serverName: '127.0.0.1' } },
  ];
  for (const { host, tls } of ways) {
    const here = startAgentEnd(t, { address: { host, port: there.port }, tls });
    await eventually(`connected to ${host}`, () => here.uplink.status().state === 'connected');
    assert.equal(here.uplink.status().lastError, undefined);
    await here.uplink.stop(5_000);
  }
  assert.deepEqual(there.log.said(/refused/), []);
});

test('a topic outside the ACL is refused by name on both sides, and the agent’s other topics flow', async (t) => {
  const there = await startCollectorEnd(t, {
    tls: collector,
    agents: [{ id: 'site-1', topics: ['claims'] }],
  });
  const here = startAgentEnd(t, { address: { host: '127.0.0.1', port: there.port }, tls: agent });
  await eventually('connected', () => here.uplink.status().state === 'connected');
  const [claims, secret] = ['claims', 'secret'].map((topic) => ({
    topic,
    topicId: '0'.repeat(32),
    partition: 0,
  }));
  assert.ok(claims && secret);
  here.uplink.assigned([here.feed.declared(secret), here.feed.declared(claims)]);
  await eventually('claims is answered', () => here.feed.heard.includes('welcomed claims-0 0 0'));
  const message = "agent 'site-1' may not send topic 'secret'";
  assert.ok(
    here.feed.heard.includes(`refused secret LINK_TOPIC_REFUSED: ${message}`),
    here.feed.heard.join(),
  );
  assert.deepEqual(there.log.said(/topic refused/), [
    { agent: 'site-1', topic: 'secret', code: 'LINK_TOPIC_REFUSED', message },
  ]);
  assert.equal(here.uplink.status().state, 'connected');
});
