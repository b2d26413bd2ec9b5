// The agent's unit and its example against what the agent's code says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { agentSchema, loadAgentConfig } from '@sluice/agent/config.ts';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { EXIT } from '@sluice/shared/process-life.ts';

const directory = join(projectRoot, 'deploy/systemd');
const unit = readFileSync(join(directory, 'sluice-agent.service'), 'utf8');
const setting = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

const defaults = agentSchema.shape.agent.parse({ id: 'a' });

test('systemd waits longer for the end than the agent drains and then waits for itself', () => {
  assert.ok(Number(setting('TimeoutStopSec')) > defaults.drainTimeout / 1_000 + 5);
});

test('a bad config or command line is not started again, everything else is', () => {
  assert.equal(setting('Restart'), 'always');
  assert.deepEqual(setting('RestartPreventExitStatus').split(' ').map(Number), [EXIT.usage, EXIT.config]);
});

test('the spool lies in the directory that systemd makes for the agent alone', () => {
  assert.equal(defaults.dataDir, `/var/lib/${setting('StateDirectory')}`);
  assert.equal(setting('StateDirectoryMode'), '0700');
});

test('a reload sends the signal at which the agent reads its certificates again', () => {
  assert.equal(setting('ExecReload'), '/bin/kill -HUP $MAINPID');
});

test('the child processes that speak to systemd are heard, and V8 may compile', () => {
  assert.equal(setting('Type'), 'notify');
  assert.equal(setting('NotifyAccess'), 'all');
  assert.ok(Number(setting('WatchdogSec')) > 0);
  assert.equal(setting('MemoryDenyWriteExecute'), '');
});

test('the example is a config that the agent accepts', () => {
  const config = loadAgentConfig(join(directory, 'agent.example.yaml'));
  assert.equal(config.agent.dataDir, '/var/lib/sluice-agent');
  assert.equal(config.topics.length, 2);
});
