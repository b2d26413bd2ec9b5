// The front door: windows that are proved to be raised, an address that can be had, and a close that ends.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { assertWindows, type Listener, listen } from '@sluice/collector/ingest/link-listener.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import type { SluiceError } from '@sluice/shared/errors.ts';
import { readTlsMaterial } from '@sluice/shared/tls-material.ts';
import { eventually } from '../../support/eventually.ts';
import { createLinkPki } from '../../support/link-pki.ts';

const pki = await createLinkPki();
const material = readTlsMaterial(await pki.collector());
const client = readTlsMaterial(await pki.agent('site-1'));
const WINDOW_BYTES = 16 * 2 ** 20;
/** Five seconds pass in a tenth of one. */
const fastClock = { ...systemClock, monotonicMs: () => performance.now() * 50 };

interface Door extends Listener {
  readonly refused: { peer: string; error: SluiceError }[];
}

async function openDoor(options: { connectionsMax?: number; port?: number } = {}): Promise<Door> {
  const refused: Door['refused'] = [];
  const listener = await listen(new Server(), {
    host: '127.0.0.1',
    port: 0,
    material,
    windowBytes: WINDOW_BYTES,
    connectionsMax: 8,
    clock: systemClock,
    refused: (peer, error) => void refused.push({ peer, error }),
    ...options,
  });
  return Object.assign(listener, { refused });
}

const dial = (port: number) => connect(port, '127.0.0.1').on('error', () => {});
/** Resolves once the other side has closed it. */
const closed = (socket: Socket) =>
  socket.resume().closed ? Promise.resolve() : new Promise((resolve) => socket.once('close', resolve));

test('a stock gRPC server offers small windows, and is found out', async () => {
  const stock = new Server();
  const door = stock.createConnectionInjector(ServerCredentials.createInsecure());
  await assert.rejects(
    assertWindows((socket) => door.injectConnection(socket as Socket), {
      windowBytes: WINDOW_BYTES,
      clock: fastClock,
    }),
    { code: 'LINK_WINDOWS_NOT_RAISED', message: 'receive windows are 65535 and 65535 bytes, not 16777216' },
  );
  stock.forceShutdown();
});

test('our listener offers 16 MiB to the stream and to the connection, over real TLS too', async () => {
  const door = await openDoor();
  const socket = tls.connect({ port: door.port, host: '127.0.0.1', ...client, ALPNProtocols: ['h2'] });
  const session = http2.connect('https://127.0.0.1', { createConnection: () => socket });
  session.on('error', () => {});
  session
    .request({ ':method': 'POST', ':path': '/x', 'content-type': 'application/grpc' })
    .on('error', () => {});
  await eventually('both windows', () => {
    const { initialWindowSize = 0 } = session.remoteSettings ?? {};
    return initialWindowSize >= WINDOW_BYTES && (session.state.remoteWindowSize ?? 0) >= WINDOW_BYTES;
  });
  session.destroy();
  await door.close(1_000);
});

test('an address that is taken is refused by name, and the windows of others are left alone', async () => {
  const first = await openDoor();
  await assert.rejects(openDoor({ port: first.port }), {
    code: 'LINK_LISTEN_FAILED',
    message: /EADDRINUSE/,
    place: `127.0.0.1:${first.port}`,
  });
  await first.close(100);
  const stock = new Server();
  const door = stock.createConnectionInjector(ServerCredentials.createInsecure());
  const probe = assertWindows((socket) => door.injectConnection(socket as Socket), {
    windowBytes: WINDOW_BYTES,
    clock: fastClock,
  });
  await assert.rejects(probe, { code: 'LINK_WINDOWS_NOT_RAISED' });
  stock.forceShutdown();
});

test('one connection too many is refused with the limit’s name, and there is room again when one has gone', async () => {
  const door = await openDoor({ connectionsMax: 2 });
  const held = [dial(door.port), dial(door.port)];
  await eventually('both are in', () => held.every((socket) => socket.readyState === 'open'));
  const third = dial(door.port);
  await closed(third);
  const [refusal] = await eventually('it says so', () =>
    door.refused.length > 0 ? door.refused : undefined,
  );
  assert.equal(refusal?.error.code, 'LINK_CONNECTIONS_FULL');
  assert.equal(refusal?.error.message, '2 connections are open, which is limits.connectionsMax');
  assert.match(String(refusal?.peer), /^127\.0\.0\.1:\d+$/);
  for (const socket of held) socket.destroy();
  await eventually('there is room again', async () => {
    const socket = tls.connect({ port: door.port, host: '127.0.0.1', ...client, ALPNProtocols: ['h2'] });
    socket.on('error', () => {});
    await Promise.race([closed(socket), new Promise((resolve) => socket.once('secureConnect', resolve))]);
    const open = !socket.destroyed;
    socket.destroy();
    return open;
  });
  await door.close(100);
});

test('closing ends in its grace, whoever still hangs on: before the handshake, refused, idle or in a stream', async () => {
  const door = await openDoor();
  const { ca } = client;
  const at = { port: door.port, host: '127.0.0.1', ALPNProtocols: ['h2'] };
  const silent = dial(door.port);
  const nobody = tls.connect({ ...at, ca }).on('error', () => {});
  const idle = tls.connect({ ...at, ...client }).on('error', () => {});
  const busy = tls.connect({ ...at, ...client }).on('error', () => {});
  const session = http2.connect('https://127.0.0.1', { createConnection: () => busy });
  session.on('error', () => {});
  session
    .request({ ':method': 'POST', ':path': '/x', 'content-type': 'application/grpc' })
    .on('error', () => {});
  await eventually('all are in', () => [nobody, idle, busy].every((socket) => socket.authorized));
  const started = performance.now();
  await door.close(300);
  assert.ok(performance.now() - started < 2_000, `${performance.now() - started} ms`);
  await Promise.all([silent, nobody, idle, busy].map(closed));
});

test('a refused peer that stays is cut off', async () => {
  let cut = () => {};
  const timers: number[] = [];
  const clock = {
    ...systemClock,
    after: (ms: number, task: () => void) => {
      timers.push(ms);
      cut = task;
      return () => {};
    },
  };
  const listener = await listen(new Server(), {
    host: '127.0.0.1',
    port: 0,
    material,
    windowBytes: WINDOW_BYTES,
    connectionsMax: 8,
    clock,
    refused: () => {},
  });
  const nobody = tls.connect({
    port: listener.port,
    host: '127.0.0.1',
    ca: client.ca,
    ALPNProtocols: ['h2'],
  });
  nobody.on('error', () => {});
  await eventually('it is refused', () => timers.length > 0);
  assert.deepEqual(timers, [5_000]);
  cut();
  await closed(nobody);
  await listener.close(100);
});
