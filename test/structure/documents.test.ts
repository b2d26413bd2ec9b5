// The documents say what is so: each dependency with its version and users, each file by a name that exists,
// each link to what is there.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, join, normalize } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../run/test-files.ts';
import { allFiles, textOf } from './source-tree.ts';

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

const PAGES = ['README.md', ...globSync('{docs,deploy,test}/**/*.md', { cwd: ROOT })];

/** What a `#` behind a page may name: GitHub's names of its headings. */
function anchorsOf(page: string): string[] {
  const prose = read(page).replace(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('links in the documents lead to files, and to headings that these have', () => {
  assert.ok(PAGES.length > 20);
  for (const page of PAGES) {
    for (const [, path = '', anchor] of read(page).matchAll(/\]\(((?!https?:)[^)#]*)(?:#([^)]+))?\)/g)) {
      const target = path === '' ? page : normalize(join(page, '..', path));
      assert.ok(existsSync(join(ROOT, target)), `${page}: ${target}`);
      if (anchor !== undefined) assert.ok(anchorsOf(target).includes(anchor), `${page}: ${target}#${anchor}`);
    }
  }
});

test('no text keeps the marks of a merge', () => {
  const marked = allFiles.filter(
    (file) => /\.(md|ts|mjs|proto|json|yaml|service)$/.test(file) && /^(<{7} |>{7} )/m.test(textOf(file)),
  );
  assert.deepEqual(marked, []);
});

test('decisions are numbered from 0001 on, none left out and none twice', () => {
  const names = globSync('docs/decisions/*.md', { cwd: ROOT }).map((path) => basename(path));
  const numbers = names.map((name) => name.slice(0, 4)).toSorted();
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => String(i + 1).padStart(4, '0')),
  );
});
