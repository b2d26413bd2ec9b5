// The way out when draining takes too long for the one who waits.
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { startProcess } from '@sluice/deploy/local/child-process.ts';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { writeAgentConfig } from '../support/agent-config.ts';
import { eventually } from '../support/eventually.ts';

test('a second signal ends the agent at once, while its drain waits for a Kafka that says nothing', async (t) => {
  const sockets: Socket[] = [];
  const silentKafka = createServer((socket) => sockets.push(socket.on('error', () => {})));
  await new Promise<void>((resolve) => silentKafka.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silentKafka.close();
  });
  const address = silentKafka.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { file } = await writeAgentConfig({ brokers: [`127.0.0.1:${address.port}`] });
  const entry = join(projectRoot, 'agent/bin/sluice-agent.mjs');
  const agent = startProcess(process.execPath, [entry, 'run', '--config', file]);
  t.after(() => agent.kill('SIGKILL'));
  await eventually('the agent waits for Kafka', () => sockets.length > 0);
  agent.kill('SIGTERM');
  await eventually('it drains', () => agent.tail().includes('agent draining'));
  const askedAgain = performance.now();
  agent.kill('SIGTERM');
  assert.equal(await agent.ended, 1, agent.tail());
  const ms = performance.now() - askedAgain;
  assert.ok(ms < 1_000, `it took ${ms} ms`);
});
