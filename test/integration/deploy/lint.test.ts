// What deploys, as the linters of its kinds see it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { lint } from '../../support/linters.ts';

const path = (file: string) => join(projectRoot, 'deploy', file);

test('cfn-lint finds nothing in the template, information included', async () => {
  assert.equal(await lint('cfn-lint', ['-c', 'I', '--', path('ecs/collector.yaml')]), '');
});

test('hadolint finds nothing in the Dockerfiles', async () => {
  const files = ['docker/agent.Dockerfile', 'docker/collector.Dockerfile'].map(path);
  assert.equal(await lint('hadolint', files), '');
});

test('shellcheck finds nothing in the scripts', async () => {
  assert.equal(await lint('shellcheck', ['release/make-tree.sh', 'systemd/install.sh'].map(path)), '');
});
