// What install.sh lays out on a host: a tree that runs with nothing around it, and a unit that systemd takes
// as it is.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { ensureSystemdTools } from '../../support/systemd-tools.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const UNIT = 'etc/systemd/system/sluice-agent.service';
const EXPOSURE_MAX = 20;
const root = temporaryDirectory();
const at = (path: string) => join(root, path);

function run(command: string, args: readonly string[]) {
  const { PATH, HOME } = process.env;
  const { status, stdout, stderr } = spawnSync(command, [...args], { encoding: 'utf8', env: { PATH, HOME } });
  return { status, stdout, stderr };
}

const install = (...args: string[]) => run(join(projectRoot, 'deploy/systemd/install.sh'), args);

const verifyUnit = () =>
  run('systemd-analyze', ['verify', '--recursive-errors=no', `--root=${root}`, 'sluice-agent.service']);

before(() => {
  ensureSystemdTools();
  mkdirSync(at('etc/sluice'), { recursive: true });
  writeFileSync(at('etc/sluice/agent.yaml'), 'mine\n');
  // As every host with systemd has it: `systemctl reload` sends its signal by it.
  mkdirSync(at('bin'));
  writeFileSync(at('bin/kill'), '#!/bin/sh\n', { mode: 0o755 });
  const { status, stderr } = install('--tcp-buffers', '--root', root);
  assert.equal(status, 0, stderr);
});

test('systemd takes the installed unit without a word', () => {
  assert.deepEqual(verifyUnit(), { status: 0, stdout: '', stderr: '' });
});

test('the unit is hardened', () => {
  const { status, stdout } = run('systemd-analyze', [
    'security',
    '--offline=true',
    `--threshold=${EXPOSURE_MAX}`,
    at(UNIT),
  ]);
  assert.equal(status, 0, stdout);
});

test('the tree runs with its own Node.js and says in one line what is wrong with a config', () => {
  const program = at('opt/sluice/bin/sluice-agent');
  assert.match(run(program, ['--help']).stdout, /^usage: sluice-agent/);
  const bad = run(program, ['run', '--config', at('etc/sluice/agent.yaml')]);
  assert.equal(bad.status, 78, bad.stderr);
  assert.match(bad.stderr, /CONFIG_INVALID/);
});

test('the tree holds production dependencies and the agent only', () => {
  const packages = readdirSync(at('opt/sluice/node_modules'));
  for (const name of ['typescript', '@biomejs', 'fast-check', '@duckdb', '@aws-sdk'])
    assert.ok(!packages.includes(name), name);
  const files = readdirSync(at('opt/sluice')).sort();
  assert.deepEqual(files, [
    'LICENSE',
    'agent',
    'bin',
    'node_modules',
    'package-lock.json',
    'package.json',
    'proto',
    'shared',
  ]);
  const lockfile = (tree: string) => readFileSync(join(tree, 'package-lock.json'), 'utf8');
  assert.equal(lockfile(at('opt/sluice')), lockfile(projectRoot));
});

test('an upgrade keeps the tree before it and the operator’s config', () => {
  const before = statSync(at('opt/sluice')).ino;
  assert.equal(install('--root', root).status, 0);
  assert.equal(statSync(at('opt/sluice.previous')).ino, before);
  assert.ok(!existsSync(at('opt/sluice.new')));
  assert.equal(readFileSync(at('etc/sluice/agent.yaml'), 'utf8'), 'mine\n');
  assert.ok(verifyUnit().status === 0);
});
