// The uplink without a collector: how often it tries, what it says, how fast it stops.
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { systemClock } from '@sluice/shared/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { startAgentEnd } from '../../support/link-ends.ts';
import { createLinkPki } from '../../support/link-pki.ts';
import { AgentStreamDouble } from '../../support/stream-doubles.ts';

const pki = await createLinkPki();
const tls = await pki.agent('site-1');

/** Accepts connections and never says a word. */
const mute = createServer();
const sockets = new Set<Socket>();
mute.on('connection', (socket) => {
  sockets.add(socket.on('error', () => {}));
});
await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
after(() => {
  for (const socket of sockets) socket.destroy();
  mute.close();
});
const mutePort = (mute.address() as { port: number }).port;

/** A port that nobody listens at: it was just closed. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('attempts back off from 0.2 s to 15 s, each spread up to twofold, and the reason is said once', async (t) => {
  const slept: number[] = [];
  const clock = {
    ...systemClock,
    sleep: (ms: number) => {
      slept.push(ms);
      return new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
  const fractions = [0, 0.5, 0.999];
  const random = { fraction: () => fractions[slept.length % 3] ?? 0, hex: () => '' };
  const port = await deadPort();
  const agent = startAgentEnd(t, { address: { host: '127.0.0.1', port }, tls, clock, random });
  await eventually('ten attempts', () => slept.length >= 10);
  const stopped = agent.uplink.stop(10_000);
  const steps = [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000, 15_000];
  assert.deepEqual(
    slept.slice(0, 10),
    steps.map((ms, i) => ms * (1 + (fractions[i % 3] ?? 0))),
  );
  const reason = `LINK_UNREACHABLE: connect ECONNREFUSED 127.0.0.1:${port} (127.0.0.1:${port})`;
  const remedy = 'Check collector.address, DNS, the route and the load balancer; the agent goes on trying.';
  assert.deepEqual(agent.log.said(/no collector/), [{ reason, remedy }]);
  assert.equal(agent.uplink.status().lastError, `${reason}. ${remedy}`);
  assert.equal(agent.feed.heard[0], `disconnected ${reason}`);
  await stopped;
  assert.equal(agent.uplink.status().state, 'stopped');
});

test('an agent that meets collectors which are being replaced tries again within a second, however often', async (t) => {
  const slept: number[] = [];
  const sleep = (ms: number) => {
    slept.push(ms);
    return new Promise<void>((resolve) => setImmediate(resolve));
  };
  const openCall = () => {
    const stream = new AgentStreamDouble();
    const isReplaced = slept.length < 12;
    const answer = isReplaced ? 'LINK_DRAINING: this collector is being replaced' : 'Connection dropped';
    setImmediate(() => stream.fail(14, answer));
    return stream.call;
  };
  const random = { fraction: () => 0.999, hex: () => '' };
  const clock = { ...systemClock, sleep };
  startAgentEnd(t, { address: { host: '127.0.0.1', port: 1 }, tls, clock, random, openCall });
  await eventually('it has tried many times', () => slept.length >= 20);
  const met = slept.slice(0, 12);
  assert.ok(Math.max(...met) <= 1_000, met.join());
  assert.ok(Math.min(...met) >= 200, met.join());
  assert.ok((slept[19] ?? 0) > 15_000, 'where none answers it waits ever longer');
});

test('an agent that has no collector stops at once, whatever it was waiting for', async (t) => {
  const dialling = startAgentEnd(t, { address: { host: '127.0.0.1', port: mutePort }, tls });
  const backingOff = startAgentEnd(t, { address: { host: '127.0.0.1', port: await deadPort() }, tls });
  await eventually('it dials', () => sockets.size > 0);
  await eventually('it backs off', () => (backingOff.uplink.status().attempts >= 2 ? true : undefined));
  const started = performance.now();
  await Promise.all([dialling.uplink.stop(30_000), backingOff.uplink.stop(30_000)]);
  assert.ok(performance.now() - started < 1_000, `${performance.now() - started} ms`);
  assert.equal(dialling.log.said(/no collector/).length, 0, 'a stop is no failure');
});

test('files that are wrong are named, and read again at the next attempt', async (t) => {
  const other = await pki.agent('site-2');
  const agent = startAgentEnd(t, {
    address: { host: '127.0.0.1', port: 1 },
    tls: { ...tls, key: other.key },
  });
  const said = await eventually('it says why', () => agent.log.said(/no collector/)[0]);
  assert.equal(
    said['reason'],
    `TLS_FILES_UNUSABLE: it does not belong to the key in ${other.key} (${tls.cert})`,
  );
  await eventually('it tries again', () => agent.uplink.status().attempts >= 3);
});
