// The bad network does what it says, and nothing else: tests that lean on it would otherwise prove nothing.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { createLinkProxy, type LinkProxy, type LinkShape } from '../support/link-proxy.ts';

interface Ends {
  readonly proxy: LinkProxy;
  readonly client: Socket;
  readonly server: Socket;
}

/** One connection through a proxy, both ends in hand. */
async function connectEnds(t: TestContext, shape: LinkShape = {}): Promise<Ends> {
  const sockets = new Set<Socket>();
  const target = createServer({ allowHalfOpen: true }, (socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  const proxy = await createLinkProxy((target.address() as { port: number }).port, shape);
  const accepted = once(target, 'connection') as Promise<[Socket]>;
  const client = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  const [server] = await accepted;
  for (const socket of [client, server]) socket.on('error', () => {});
  t.after(async () => {
    for (const socket of [client, ...sockets]) socket.destroy();
    await proxy.close();
    target.close();
  });
  return { proxy, client, server };
}

async function read(socket: Socket, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length >= bytes) break;
  }
  return Buffer.concat(chunks);
}

test('bytes pass both ways as they are, and an end passes behind them', async (t) => {
  const { client, server, proxy } = await connectEnds(t);
  const [up, down] = [randomBytes(3_000_000), randomBytes(2_000_000)];
  client.end(up);
  server.write(down);
  const [arrived, answered] = await Promise.all([read(server, up.length), read(client, down.length)]);
  assert.ok(arrived.equals(up) && answered.equals(down));
  server.resume();
  await eventually('the end arrives', () => server.readableEnded);
  server.end('last words');
  assert.equal(String(await read(client, 10)), 'last words');
  await eventually('both are closed', () => proxy.open === 0);
});

test('a delay is added to each way', async (t) => {
  const { client, server } = await connectEnds(t, { delayMs: 50 });
  server.on('data', (chunk: Buffer) => server.write(chunk));
  const started = performance.now();
  client.write('ping');
  await read(client, 4);
  const roundTripMs = performance.now() - started;
  assert.ok(roundTripMs >= 95 && roundTripMs < 400, `${roundTripMs} ms`);
});

test('a rate holds for each way, and a sender feels it', async (t) => {
  const { client, server, proxy } = await connectEnds(t, { bitsPerSecond: 8e6 });
  const started = performance.now();
  client.write(Buffer.alloc(500_000));
  await read(server, 500_000);
  const seconds = (performance.now() - started) / 1e3;
  assert.ok(seconds > 0.45 && seconds < 0.8, `${seconds} s`);
  proxy.shape({ bitsPerSecond: 8 });
  let written = 0;
  while (client.write(Buffer.alloc(100_000)) && written < 1e9) {
    written += 100_000;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(written < 50e6, `${written} bytes went into a link that takes one a second`);
});

test('a cut resets both ends, and the next connection is taken', async (t) => {
  const { client, server, proxy } = await connectEnds(t);
  server.resume();
  client.resume();
  proxy.cut();
  await eventually('both are closed', () => client.closed && server.closed);
  assert.equal(client.errored?.message, 'read ECONNRESET');
  const again = connect(proxy.port, '127.0.0.1').on('error', () => {});
  await once(again, 'connect');
  await eventually('it is counted', () => proxy.total === 2 && proxy.open === 1);
  again.destroy();
});

test('an end that goes unnoticed by one side half-closes the other, which may still answer', async (t) => {
  const { client, server, proxy } = await connectEnds(t);
  server.resume();
  proxy.halfClose();
  await once(server, 'end');
  server.write('still here');
  assert.equal(String(await read(client, 10)), 'still here');
});

test('a frozen connection is silent in both directions, whatever either end does; the next one is taken', async (t) => {
  const { client, server, proxy } = await connectEnds(t);
  client.write('before');
  assert.equal(String(await read(server, 6)), 'before');
  const heard: string[] = [];
  for (const socket of [client, server])
    for (const event of ['data', 'end', 'error', 'close']) socket.on(event, () => heard.push(event));
  proxy.freeze();
  server.write('into nothing');
  client.write('into nothing');
  let written = 0;
  while (client.write(Buffer.alloc(100_000)) && written < 1e9) {
    written += 100_000;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(written < 50e6, `${written} bytes went into a dead line`);
  server.destroy();
  await once(server, 'close');
  const again = connect(proxy.port, '127.0.0.1').on('error', () => {});
  await eventually('the next one is taken', () => proxy.total === 2 && proxy.open === 1);
  again.destroy();
  assert.deepEqual(heard, ['close'], 'the client has not heard that the server is gone');
});

test('each new connection goes where the balancer says', async (t) => {
  const named = async (name: string) => {
    const server = createServer((socket) => void socket.on('error', () => {}).end(name));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => void server.close());
    return (server.address() as { port: number }).port;
  };
  const ports = [await named('first'), await named('other')];
  let turn = 0;
  const proxy = await createLinkProxy(() => ports[turn++ % 2] ?? 0);
  t.after(() => proxy.close());
  for (const name of ['first', 'other', 'first']) {
    const client = connect({ port: proxy.port, host: '127.0.0.1' });
    assert.equal(String(await read(client, name.length)), name);
    client.destroy();
  }
});
