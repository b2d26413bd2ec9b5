// The look that `check` takes at the cluster says what it has to say in its own words, and nothing beside
// them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { probeKafka } from '@sluice/agent/source/probe-kafka.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { settle } from '../../support/manual-clock.ts';

/** Answers the first request of a connection with an error, and hangs up. */
async function rejectingBroker() {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (request) => {
      const answer = Buffer.alloc(10);
      answer.writeInt32BE(6, 0);
      request.copy(answer, 4, 8, 12);
      answer.writeInt16BE(-1, 8);
      socket.end(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, close: () => server.close() };
}

test('a broker that answers leaves no warning of Node behind', async (t) => {
  const broker = await rejectingBroker();
  t.after(broker.close);
  const warnings: string[] = [];
  const noted = ({ name }: Error) => void warnings.push(name);
  process.on('warning', noted);
  t.after(() => process.off('warning', noted));
  const tls = undefined;
  const settings = { brokers: [broker.address], clientId: 'c', groupId: 'g', tls, sasl: undefined };
  await assert.rejects(probeKafka({ ...settings, sessionTimeoutMs: 30_000 }, [], systemClock));
  await settle();
  assert.deepEqual(warnings, []);
});
