// Peers that are not what the other side expects at all: no certificate, another TLS, no TLS, nobody.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { type ChannelCredentials, Client, credentials } from '@grpc/grpc-js';
import { linkError } from '@sluice/agent/uplink/link-client.ts';
import { CONNECT_PATH } from '@sluice/proto/wire.ts';
import { describeError, ERRORS, type ErrorCode } from '@sluice/shared/errors.ts';
import { eventually } from '../support/eventually.ts';
import { type CollectorEnd, startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';

const pki = await createLinkPki();
const collector = await pki.collector();
const agent = await pki.agent('site-1');
const pem = (path: string) => readFileSync(path);

/** What an agent would say that dialled with these credentials. */
async function dial(port: number, how: ChannelCredentials): Promise<string> {
  const client = new Client(`localhost:${port}`, how);
  const asIs = (bytes: Buffer) => bytes;
  const stream = client.makeBidiStreamRequest(CONNECT_PATH, asIs, asIs);
  stream.resume();
  const error = await new Promise<unknown>((resolve) => stream.once('error', resolve));
  client.close();
  return describeError(linkError(error));
}

async function refusalOf({ log }: CollectorEnd): Promise<Readonly<Record<string, unknown>>> {
  return await eventually('the collector says why', () => log.said(/connection refused/)[0]);
}

function said(code: ErrorCode, text: string) {
  return { reason: `${code}: ${text}`, remedy: ERRORS[code].remedy };
}

interface Stranger {
  readonly what: string;
  readonly how: ChannelCredentials;
  readonly agentSays: RegExp;
  readonly collectorSays: { reason: string; remedy: string };
}

const strangers: readonly Stranger[] = [
  {
    what: 'an agent without a certificate',
    how: credentials.createFromSecureContext(tls.createSecureContext({ ca: pem(agent.ca) })),
    agentSays: /^LINK_CERTIFICATE_REFUSED: the agent sent no client certificate$/,
    collectorSays: said('LINK_CERTIFICATE_REFUSED', 'the agent sent no client certificate'),
  },
  {
    what: 'an agent that speaks only TLS 1.2',
    how: credentials.createFromSecureContext(
      tls.createSecureContext({
        ca: pem(agent.ca),
        cert: pem(agent.cert),
        key: pem(agent.key),
        maxVersion: 'TLSv1.2',
      }),
    ),
    agentSays: /^LINK_HANDSHAKE_FAILED: tlsv1 alert protocol version$/,
    collectorSays: said(
      'LINK_HANDSHAKE_FAILED',
      'the peer does not speak TLS 1.3 [ERR_SSL_UNSUPPORTED_PROTOCOL]',
    ),
  },
  {
    what: 'an agent without TLS',
    how: credentials.createInsecure(),
    agentSays: /^LINK_UNREACHABLE: the other end hung up before it spoke HTTP\/2; it may refuse this agent$/,
    collectorSays: said(
      'LINK_HANDSHAKE_FAILED',
      'the peer does not speak TLS [ERR_SSL_WRONG_VERSION_NUMBER]',
    ),
  },
];

for (const { what, how, agentSays, collectorSays } of strangers) {
  test(`${what} is refused, with the reason on both sides`, async (t) => {
    const there = await startCollectorEnd(t, { tls: collector });
    assert.match(await dial(there.port, how), agentSays);
    const { peer, ...rest } = await refusalOf(there);
    assert.deepEqual(rest, collectorSays);
    assert.match(String(peer), /^127\.0\.0\.1:\d+$/);
  });
}

/** Whatever stands at the collector's address instead of one. */
async function standIn(t: TestContext, server: TcpServer): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

interface Impostor {
  readonly what: string;
  server(): TcpServer;
  readonly code: ErrorCode;
  readonly text: RegExp;
}

const certificate = { cert: pem(collector.cert), key: pem(collector.key) };
const impostors: readonly Impostor[] = [
  {
    what: 'a web server without TLS',
    server: () => createTcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    code: 'LINK_HANDSHAKE_FAILED',
    text: /wrong version number/,
  },
  {
    what: 'a server that speaks only TLS 1.2',
    server: () => tls.createServer({ ...certificate, maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }),
    code: 'LINK_HANDSHAKE_FAILED',
    text: /tlsv1 alert protocol version/,
  },
  {
    what: 'a server that hangs up at once',
    server: () => createTcpServer((socket) => socket.destroy()),
    code: 'LINK_UNREACHABLE',
    text: /socket disconnected before secure TLS connection was established|ECONNRESET/,
  },
  {
    what: 'a server that insists on another client certificate',
    server: () =>
      tls.createServer(
        {
          ...certificate,
          ca: certificate.cert,
          requestCert: true,
          minVersion: 'TLSv1.3',
          ALPNProtocols: ['h2'],
        },
        () => {},
      ),
    code: 'LINK_UNREACHABLE',
    text: /: the other end hung up before it spoke HTTP\/2; it may refuse this agent \(127/,
  },
];

for (const { what, server, code, text } of impostors) {
  test(`at the collector’s address stands ${what}: the agent says what it met, where, and what to do`, async (t) => {
    const port = await standIn(t, server());
    const here = startAgentEnd(t, { address: { host: '127.0.0.1', port }, tls: agent });
    const lost = await eventually('the agent says why', () => here.log.said(/no collector/)[0]);
    assert.equal(String(lost['reason']).split(':')[0], code);
    assert.match(String(lost['reason']), text);
    assert.ok(String(lost['reason']).endsWith(` (127.0.0.1:${port})`));
    assert.equal(lost['remedy'], ERRORS[code].remedy);
  });
}

test('a name that does not exist is said as such', async (t) => {
  const here = startAgentEnd(t, { address: { host: 'collector.invalid', port: 8443 }, tls: agent });
  const lost = await eventually('the agent says why', () => here.log.said(/no collector/)[0]);
  assert.equal(
    lost['reason'],
    'LINK_UNREACHABLE: Name resolution failed for target dns:collector.invalid:8443 (collector.invalid:8443)',
  );
});
