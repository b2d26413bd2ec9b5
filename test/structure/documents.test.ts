// The documents say what is so: each dependency with its version and users, each file by a name that exists.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../run/test-files.ts';

const WORKSPACES = ['agent', 'collector', 'proto', 'shared', 'deploy', 'test'];
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** `name version` of every package that a package.json asks for, with who asks outside of tests. */
function wanted(): Map<string, Set<string>> {
  const packages = new Map<string, Set<string>>();
  for (const workspace of ['.', ...WORKSPACES]) {
    const manifest = JSON.parse(read(join(workspace, 'package.json'))) as Manifest;
    const { dependencies = {}, devDependencies = {}, optionalDependencies = {} } = manifest;
    for (const [name, version] of Object.entries({
      ...dependencies,
      ...devDependencies,
      ...optionalDependencies,
    })) {
      if (name.startsWith('@sluice/')) continue;
      const users = packages.get(`${name} ${version}`) ?? new Set();
      packages.set(`${name} ${version}`, users.add(workspace === '.' ? 'root' : workspace));
    }
  }
  return packages;
}

test('docs/dependencies.md has each package with its exact version and a reason, and no other', () => {
  const rows = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` \| (\S+) \| ([^|]+) \| (.+) \|$/gm)];
  const told = rows.map(([, name, version]) => `${name} ${version}`);
  assert.deepEqual(told.toSorted(), [...wanted().keys()].toSorted());
  for (const [, name, , users, reason] of rows) {
    assert.ok((reason ?? '').length > 10, `${name} has a reason`);
    assert.ok((users ?? '').trim().length > 0, `${name} has users`);
  }
});

test('docs/ARCHITECTURE.md names files that exist', () => {
  const names = [...read('docs/ARCHITECTURE.md').matchAll(/`([\w./-]+\.(?:ts|proto|md))`/g)].map(
    ([, n]) => n,
  );
  assert.ok(names.length > 30);
  const files = globSync('{agent,collector,proto,shared,test,deploy,docs}/**/*.{ts,proto,md}', { cwd: ROOT });
  const missing = names.filter((name) => !files.some((file) => file === name || file.endsWith(`/${name}`)));
  assert.deepEqual(missing, []);
});

test('links in the documents lead to files', () => {
  const pages = [
    'README.md',
    'docs/ARCHITECTURE.md',
    'docs/config.md',
    'docs/dependencies.md',
    'docs/verify.md',
    'docs/runbook.md',
    'docs/findings.md',
    'deploy/README.md',
  ];
  for (const page of pages) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#]+)\)/g))
      assert.ok(existsSync(join(ROOT, page, '..', target)), `${page}: ${target}`);
  }
});
