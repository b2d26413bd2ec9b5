// What the agent tells systemd, heard at the other end of the socket.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { createSystemdNotifier } from '@sluice/agent/ops/systemd.ts';
import { startProcess } from '@sluice/deploy/local/child-process.ts';
import { freePorts } from '@sluice/deploy/local/free-ports.ts';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { writeAgentConfig } from '../../support/agent-config.ts';
import { eventually } from '../../support/eventually.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { startNotifySocket } from '../../support/notify-socket.ts';
import { ensureSystemdTools } from '../../support/systemd-tools.ts';

const WATCHDOG_USEC = '1500000';
const soon = { deadlineMs: 15_000 };

before(ensureSystemdTools);

test('an agent is ready once it answers, pets the watchdog, says how it is, and announces its end', async (t) => {
  const socket = await startNotifySocket();
  t.after(() => socket.stop());
  const [kafka] = await freePorts(1);
  const { file, httpUrl } = await writeAgentConfig({ brokers: [`127.0.0.1:${kafka}`] });
  const entry = join(projectRoot, 'agent/bin/sluice-agent.mjs');
  const { PATH, HOME } = process.env;
  const agent = startProcess(process.execPath, [entry, 'run', '--config', file], {
    env: { PATH, HOME, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC },
  });
  t.after(() => agent.kill('SIGKILL'));
  await eventually('READY=1 arrives', () => socket.count('READY=1') === 1, soon);
  assert.ok((await fetch(`${httpUrl}/livez`)).ok, 'it was ready before it answered');
  assert.equal(socket.count(`MAINPID=${agent.child.pid}`) > 0, true, 'READY came without the main process');
  await eventually('the watchdog is petted again and again', () => socket.count('WATCHDOG=1') >= 4, soon);
  await eventually(
    'STATUS tells what `status` tells',
    () => socket.received().some((line) => /^STATUS=(unknown|degraded|stopped|flowing)(; |$)/.test(line)),
    soon,
  );
  assert.equal(socket.count('STOPPING=1'), 0);
  agent.kill('SIGHUP');
  await eventually('SIGHUP reads the certificates', () => /certificates read again/.test(agent.tail()), soon);
  assert.ok((await fetch(`${httpUrl}/livez`)).ok, 'and ends nothing');
  await agent.stop();
  assert.equal(await agent.ended, 0, agent.tail());
  await eventually('STOPPING=1 arrives', () => socket.count('STOPPING=1') === 1, soon);
  assert.equal(socket.count('READY=1'), 1);
});

test('an agent that is not alive leaves the watchdog hungry, and feeds it again when it is', async (t) => {
  const socket = await startNotifySocket();
  t.after(() => socket.stop());
  process.env['NOTIFY_SOCKET'] = socket.path;
  t.after(() => delete process.env['NOTIFY_SOCKET']);
  const clock = manualClock();
  const notifier = createSystemdNotifier(clock, { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC });
  let alive = true;
  const stop = notifier.startWatchdog(() => alive);
  await eventually('it starts with a pet', () => socket.count('WATCHDOG=1') === 1, soon);
  alive = false;
  for (let i = 0; i < 10; i++) await clock.advance(500);
  alive = true;
  await clock.advance(500);
  await eventually('it goes on', () => socket.count('WATCHDOG=1') >= 2, soon);
  stop();
  assert.equal(clock.timers, 0);
  notifier.status('the end');
  await eventually('what came before the end has come', () => socket.count('STATUS=the end') === 1, soon);
  assert.equal(socket.count('WATCHDOG=1'), 2);
});
