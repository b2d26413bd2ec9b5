// What went wrong with a call, as the operator of the agent reads it: grpc-js's and OpenSSL's words become a
// code of ours with its remedy, and the reason alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGoodbye, linkError } from '@sluice/agent/uplink/link-client.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';

const unavailable = (last: string) => ({
  code: 14,
  details: `No connection established. Last error: ${last}. Resolution note: `,
});
const openssl = (reason: string, rest = '') =>
  `Error: 405DC92BA57F0000:error:0A00042E:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/rec_layer_s3.c:918:${rest}\n`;
const altnames =
  "Hostname/IP does not match certificate's altnames: Host: a. is not in the cert's altnames: DNS:b, IP Address:10.0.0.1";

const cases: readonly [unknown, string][] = [
  // What the collector says keeps its code, whatever area it is of.
  [{ code: 3, details: 'LINK_IDENTITY_REFUSED: not you' }, 'LINK_IDENTITY_REFUSED: not you'],
  [{ code: 3, details: 'SEGMENT_CORRUPT: CRC-32C differs' }, 'SEGMENT_CORRUPT: CRC-32C differs'],
  [{ code: 3, details: 'STORE_UNAVAILABLE: S3: timeout' }, 'STORE_UNAVAILABLE: S3: timeout'],
  [{ code: 14, details: 'LINK_DRAINING: replaced' }, 'LINK_DRAINING: replaced'],
  [{ code: 16, details: 'LINK_CERTIFICATE_REFUSED: expired' }, 'LINK_CERTIFICATE_REFUSED: expired'],
  [{ code: 3, details: 'LINK_OF_TOMORROW: new' }, 'LINK_UNREACHABLE: LINK_OF_TOMORROW: new'],
  [{ code: 16, details: 'who are you' }, 'LINK_CERTIFICATE_REFUSED: who are you'],
  [
    { code: 8, details: 'Received message larger than max' },
    'LINK_MESSAGE_INVALID: Received message larger than max',
  ],
  // What the network and TLS say is stripped to the reason.
  [
    unavailable('Error: connect ECONNREFUSED 127.0.0.1:1'),
    'LINK_UNREACHABLE: connect ECONNREFUSED 127.0.0.1:1',
  ],
  [
    { code: 14, details: 'Name resolution failed for target dns:x:1' },
    'LINK_UNREACHABLE: Name resolution failed for target dns:x:1',
  ],
  [{ code: 14, details: 'Connection dropped' }, 'LINK_UNREACHABLE: Connection dropped'],
  [unavailable('Error: certificate has expired'), 'LINK_COLLECTOR_UNTRUSTED: certificate has expired'],
  [
    unavailable(
      'Error: unable to verify the first certificate; if the root CA is installed locally, try --use-system-ca',
    ),
    'LINK_COLLECTOR_UNTRUSTED: unable to verify the first certificate',
  ],
  [unavailable(`Error [ERR_TLS_CERT_ALTNAME_INVALID]: ${altnames}`), `LINK_COLLECTOR_UNTRUSTED: ${altnames}`],
  [
    unavailable(openssl('tlsv13 alert certificate required', 'SSL alert number 116')),
    'LINK_CERTIFICATE_REFUSED: tlsv13 alert certificate required',
  ],
  [
    unavailable(openssl('tlsv1 alert unknown ca', 'SSL alert number 48')),
    'LINK_CERTIFICATE_REFUSED: tlsv1 alert unknown ca',
  ],
  [
    unavailable(openssl('tlsv1 alert protocol version', 'SSL alert number 70')),
    'LINK_HANDSHAKE_FAILED: tlsv1 alert protocol version',
  ],
  [unavailable(openssl('wrong version number')), 'LINK_HANDSHAKE_FAILED: wrong version number'],
  [
    unavailable('Failed to connect (2026-11-24T17:36:45.579Z)'),
    'LINK_UNREACHABLE: the other end hung up before it spoke HTTP/2; it may refuse this agent',
  ],
  // What is no gRPC error at all.
  [new Error('read failed'), 'LINK_UNREACHABLE: read failed'],
  ['text', 'LINK_UNREACHABLE: text'],
];

for (const [error, expected] of cases) {
  test(`the agent says ${expected}`, () => {
    const place = 'collector.acme:8443';
    assert.equal(describeError(linkError(error)), expected);
    assert.equal(describeError(linkError(error, place)), `${expected} (${place})`);
  });
}

test('our own errors keep their code, and their place where they have one', () => {
  const own = new SluiceError('TLS_FILES_UNUSABLE', 'no key', { place: '/etc/key.pem' });
  assert.equal(linkError(own, 'collector:1'), own);
  const placeless = new SluiceError('LINK_MESSAGE_INVALID', 'a second Welcome');
  assert.equal(
    describeError(linkError(placeless, 'collector:1')),
    'LINK_MESSAGE_INVALID: a second Welcome (collector:1)',
  );
});

test('only a status or a lost connection is a goodbye, not a refusal', () => {
  const codes = Array.from({ length: 17 }, (_, code) => code).filter((code) => isGoodbye({ code }));
  assert.deepEqual(codes, [0, 1, 14]);
});
