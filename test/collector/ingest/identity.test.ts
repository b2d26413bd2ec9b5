// Who an agent is, by certificates that our own authority would sign.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { agentIdentity } from '@sluice/collector/ingest/identity.ts';
import { agentUri, createAuthority, issueCertificate, type LeafRequest } from '@sluice/shared/pki.ts';

const at = { nowMs: Date.now(), days: 1 };
const authority = await createAuthority({ commonName: 'CA', ...at });

async function certificate(request: Partial<LeafRequest>): Promise<Buffer> {
  const { certPem } = await issueCertificate(authority, {
    commonName: 'host-1',
    usages: ['clientAuth'],
    ...at,
    ...request,
  });
  return new X509Certificate(certPem).raw;
}

interface Case {
  readonly what: string;
  readonly request: Partial<LeafRequest>;
  readonly allowCommonName?: boolean;
  readonly is: string | RegExp;
}

const NO_NAME = /certificate of host-1 has no URI sluice:\/\/agent\/<id> among its names/;

const cases: readonly Case[] = [
  { what: 'one URI', request: { uris: [agentUri('plant-7')] }, is: 'plant-7' },
  {
    what: 'one URI among other names',
    request: { uris: ['spiffe://acme/x', agentUri('plant-7')], dnsNames: ['a.b'], ipAddresses: ['10.0.0.1'] },
    is: 'plant-7',
  },
  {
    what: 'the URI before the CN',
    request: { uris: [agentUri('plant-7')] },
    allowCommonName: true,
    is: 'plant-7',
  },
  { what: 'no URI', request: {}, is: NO_NAME },
  { what: 'two URIs', request: { uris: [agentUri('a'), agentUri('b')] }, is: /more than one agent/ },
  {
    what: 'the same URI twice',
    request: { uris: [agentUri('a'), agentUri('a')] },
    is: /more than one agent/,
  },
  {
    what: 'two URIs where the CN would do',
    request: { uris: [agentUri('a'), agentUri('b')] },
    allowCommonName: true,
    is: /more than one agent/,
  },
  {
    what: 'a URI that is no agent id, where the CN would do',
    request: { uris: ['sluice://agent/../host-2'] },
    allowCommonName: true,
    is: /a name that is no agent's/,
  },
  {
    what: 'a URI with a longer path',
    request: { uris: ['sluice://agent/a/b'] },
    is: /a name that is no agent's/,
  },
  { what: 'a URI of another kind', request: { uris: ['sluice://agents/a'] }, is: NO_NAME },
  {
    what: 'an agent written into another URI behind a comma',
    request: { uris: ['http://x, URI:sluice://agent/victim, y'] },
    is: NO_NAME,
  },
  {
    what: 'an agent written into a DNS name behind a comma',
    request: { dnsNames: ['x, URI:sluice://agent/victim, y'] },
    is: NO_NAME,
  },
  {
    what: 'an agent written behind a comma in the agent’s own URI',
    request: { uris: ['sluice://agent/a, URI:sluice://agent/victim'] },
    is: /a name that is no agent's/,
  },
  {
    what: 'a DNS name that looks like a URI',
    request: { dnsNames: ['URI:sluice://agent/victim'] },
    is: NO_NAME,
  },
  {
    what: 'only a CN, where it is allowed',
    request: { commonName: 'plant-7' },
    allowCommonName: true,
    is: 'plant-7',
  },
  {
    what: 'a CN that is no agent id',
    request: { commonName: 'plant 7, Ltd' },
    allowCommonName: true,
    is: /neither a URI .* nor an agent id as CN/,
  },
  {
    what: 'a CN with a CN written into it',
    request: { commonName: 'x, CN=victim' },
    allowCommonName: true,
    is: /neither a URI .* nor an agent id as CN/,
  },
];

for (const { what, request, allowCommonName = false, is } of cases) {
  const verdict = typeof is === 'string' ? `names ${is}` : 'is refused';
  test(`a certificate with ${what} ${verdict}`, async () => {
    const raw = await certificate(request);
    if (typeof is === 'string') assert.equal(agentIdentity(raw, allowCommonName), is);
    else
      assert.throws(() => agentIdentity(raw, allowCommonName), {
        code: 'LINK_IDENTITY_REFUSED',
        message: is,
      });
  });
}
