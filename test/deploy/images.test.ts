// The images and what goes into them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { DUCKDB_MEMORY_SETTINGS, MEMORY_SETTINGS } from '@sluice/deploy/local/site.ts';
import { at, listOf } from '../support/cloudformation.ts';
import { readCollectorTemplate } from '../support/collector-template.ts';
import { temporaryDirectory } from '../support/temp.ts';

const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8');
const finalStage = (program: string) =>
  read(`deploy/docker/${program}.Dockerfile`)
    .split(/^FROM /m)
    .at(-1) ?? '';

test('both images end as a user who is not root, start without a shell and are stopped by SIGTERM', () => {
  for (const program of ['agent', 'collector']) {
    const stage = finalStage(program);
    assert.match(stage, /^USER 10001:10001$/m);
    assert.match(stage, /^STOPSIGNAL SIGTERM$/m);
    assert.match(
      stage,
      new RegExp(`^ENTRYPOINT \\["[^"]+/node", "/opt/sluice/${program}/bin/sluice-${program}.mjs"\\]$`, 'm'),
    );
    assert.doesNotMatch(stage, /^RUN /m);
  }
});

test('what bounds memory in the unit and the images is what bench and demo start the programs with', () => {
  const unit = read('deploy/systemd/sluice-agent.service');
  for (const [name, value] of Object.entries(MEMORY_SETTINGS)) {
    assert.ok(unit.includes(`\nEnvironment=${name}=${value}\n`), `the unit has no ${name}`);
    for (const program of ['agent', 'collector'])
      assert.match(finalStage(program), new RegExp(`^ENV .*\\b${name}=${value}(?: |$)`, 'm'), program);
  }
  for (const [name, value] of Object.entries(DUCKDB_MEMORY_SETTINGS))
    assert.ok(finalStage('collector').includes(`\nENV ${name}=${value}\n`), `the image has no ${name}`);
});

test('the collector’s image owns every directory that its task mounts, so that its user may write there', () => {
  const containers = listOf(
    at(readCollectorTemplate().Resources['TaskDefinition']?.Properties, 'ContainerDefinitions'),
  );
  const mounted = containers.flatMap((container) =>
    listOf(at(container, 'MountPoints')).map((mount) => at(mount, 'ContainerPath')),
  );
  const stage = finalStage('collector');
  const volumes = JSON.parse(/^VOLUME (.*)$/m.exec(stage)?.[1] ?? '[]') as string[];
  assert.deepEqual([...new Set(mounted)].sort(), volumes.sort());
  for (const path of volumes) assert.ok(stage.includes(`--chown=10001:10001 /empty ${path}\n`), path);
});

test('a release tree carries every workspace that its program imports', () => {
  const carried = /"\$program" \| (.*?)\)/.exec(read('deploy/release/make-tree.sh'))?.[1]?.split(' | ') ?? [];
  for (const program of ['agent', 'collector', ...carried]) {
    const { dependencies = {} } = JSON.parse(read(`${program}/package.json`)) as { dependencies?: object };
    const needed = Object.keys(dependencies).flatMap((name) => /^@sluice\/(.*)/.exec(name)?.[1] ?? []);
    assert.deepEqual(
      needed.filter((name) => !carried.includes(name)),
      [],
      program,
    );
  }
});

test('nothing but sources, lockfile and the release script is sent to an image’s build', () => {
  const lines = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.equal(lines[0], '*');
  const sent = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  for (const path of sent) statSync(join(projectRoot, path));
  const secrets = sent.flatMap((path) =>
    globSync(`${path}/**/*.{pem,key,crt}`, { cwd: projectRoot, exclude: ['**/node_modules'] }),
  );
  assert.deepEqual(secrets, []);
  assert.ok(lines.includes('**/node_modules'));
});

const WRITE_FILES = join(projectRoot, 'deploy/ecs/write-files.mjs');

function writeFiles(args: readonly string[], env: Record<string, string>) {
  return spawnSync(process.execPath, [WRITE_FILES, ...args], { env, encoding: 'utf8' });
}

test('secrets become files that only their owner reads, and a second run replaces them', () => {
  const directory = join(temporaryDirectory(), 'sluice');
  mkdirSync(directory);
  const args = [directory, 'collector.yaml=CONFIG', 'collector-key.pem=KEY'];
  for (const key of ['first', 'second']) {
    const { status, stderr } = writeFiles(args, { CONFIG: 'a: 1\n\n', KEY: `${key}\nkey` });
    assert.equal(status, 0, stderr);
    assert.equal(readFileSync(join(directory, 'collector.yaml'), 'utf8'), 'a: 1\n');
    assert.equal(readFileSync(join(directory, 'collector-key.pem'), 'utf8'), `${key}\nkey\n`);
  }
  assert.equal(statSync(join(directory, 'collector-key.pem')).mode & 0o777, 0o400);
});

test('a secret that is missing is named, and nothing at all is written', () => {
  const directory = temporaryDirectory();
  const { status, stderr } = writeFiles([directory, 'ca.pem=CA', 'key.pem=KEY'], { CA: 'x', KEY: '' });
  assert.equal(status, 64);
  assert.match(stderr, /KEY is not set: nothing to write to key\.pem/);
  assert.deepEqual(globSync('*', { cwd: directory }), []);
  assert.equal(writeFiles([directory, '../out=CA'], { CA: 'x' }).status, 64);
});
