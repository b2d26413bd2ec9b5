// The configs of deploy/examples are whole, and do what their own examples say: run as a user runs them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadAgentConfig } from '@sluice/agent/config.ts';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { temporaryDirectory } from '../support/temp.ts';

const HOME = join(projectRoot, 'deploy/examples');
const PROGRAM = join(projectRoot, 'collector/bin/sluice-collector.mjs');
const folders = globSync('*/collector.yaml', { cwd: HOME }).map((file) => file.split('/')[0] ?? '');

for (const folder of folders)
  test(`sluice-collector test passes for deploy/examples/${folder}, and every table of it has an example`, async () => {
    const file = join(HOME, folder, 'collector.yaml');
    const { tables, examples } = loadCollectorConfig(file);
    for (const { name } of tables) assert.ok((examples.get(name) ?? []).length > 0, `${name} has none`);
    const run = promisify(execFile)(process.execPath, [PROGRAM, 'test', '--config', file]);
    const { stdout } = await run.catch((error: { stdout: string; stderr: string }) =>
      assert.fail(error.stdout + error.stderr),
    );
    for (const { name } of tables) assert.ok(stdout.includes(name), stdout);
  });

test('each example is told in the README of the folder', () => {
  const readme = readFileSync(join(HOME, 'README.md'), 'utf8');
  assert.deepEqual(folders.toSorted(), ['insurance-claims', 'legislators']);
  for (const folder of folders) assert.ok(readme.includes(`](${folder}/collector.yaml)`), folder);
});

test('the configs in the README are whole', () => {
  const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8');
  const [agent = '', collector = ''] = [...readme.matchAll(/^```yaml\n(.*?)^```$/gms)].map(
    ([, text]) => text,
  );
  const directory = temporaryDirectory();
  const written = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  assert.ok(loadAgentConfig(written('agent.yaml', agent)));
  assert.equal(loadCollectorConfig(written('collector.yaml', collector)).tables.length, 1);
});

test('the claims are the flow that Glue is given: CSV, a schema or its detection, a window of 100 seconds', () => {
  const { tables } = loadCollectorConfig(join(HOME, 'insurance-claims/collector.yaml'));
  for (const { input, windowLengthMs } of tables)
    assert.deepEqual([input.kind, windowLengthMs], ['csv', 100_000]);
  assert.deepEqual(
    tables.map(({ columns, detects }) => [columns.length, detects !== undefined]),
    [
      [6, false],
      [0, true],
    ],
  );
});

test('what the README has explained asks nobody, though columns of another table are detected', async () => {
  const file = join(HOME, 'insurance-claims/collector.yaml');
  const env = { PATH: process.env['PATH'], AWS_EC2_METADATA_DISABLED: 'true' };
  const explained = await promisify(execFile)(
    process.execPath,
    [PROGRAM, 'explain', '--config', file, 'claims'],
    { env },
  );
  assert.match(explained.stdout, /CREATE EXTERNAL TABLE `insurance`\.`claims` \(/);
});
