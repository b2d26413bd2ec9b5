// Files that agent.yaml names.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSecretFile } from '@sluice/agent/config.ts';
import { temporaryDirectory } from '../support/temp.ts';

test('a secret file that is missing is a config problem with its path, so that nobody restarts into it for ever', () => {
  const path = join(temporaryDirectory(), 'nowhere.pem');
  const message = new RegExp(`${path}.*cannot be read: ENOENT`, 's');
  assert.throws(() => readSecretFile(path), { code: 'CONFIG_INVALID', message });
});

test('a secret loses the newline that editors put behind it, and nothing else', () => {
  const path = join(temporaryDirectory(), 'password');
  writeFileSync(path, ' s3cret\n\r\n');
  assert.equal(readSecretFile(path), ' s3cret\n');
});
