// Golden files are what released versions wrote: each belongs to the version that wrote it first, and none is
// ever changed or lost.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../run/test-files.ts';

const HOME = join(ROOT, 'test/golden');
const read = (path: string) => readFileSync(join(HOME, path));

interface Listed {
  readonly version: string;
  readonly path: string;
  readonly sha256: string;
}

const listed = globSync('*.sha256', { cwd: HOME }).flatMap((list) =>
  [...String(read(list)).matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)].map(
    ([, sha256 = '', path = '']): Listed => ({ version: list.replace('.sha256', ''), path, sha256 }),
  ),
);

test('every golden file has the bytes that its version wrote', () => {
  assert.ok(listed.length >= 27, `${listed.length} files`);
  for (const { path, sha256, version } of listed)
    assert.equal(createHash('sha256').update(read(path)).digest('hex'), sha256, `${path} of ${version}`);
});

test('every golden file belongs to one version, and every list to one that there is', () => {
  const files = globSync('*/**', { cwd: HOME, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(HOME.length + 1));
  const found = files.toSorted();
  const paths = listed.map(({ path }) => path).toSorted();
  assert.deepEqual(paths, found, 'test/golden/README.md says how a file is listed');
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const newest = listed
    .map((l) => l.version)
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
  // What no release has written yet is listed under the one that will be next.
  const [major, minor] = version.split('.').map(Number);
  const next = `${major}.${(minor ?? 0) + 1}.0`;
  assert.ok((newest ?? '').localeCompare(next, 'en', { numeric: true }) <= 0, `${newest} after ${next}`);
});
