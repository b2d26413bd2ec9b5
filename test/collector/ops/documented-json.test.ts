// Scripts of operators read what commands print with `--json`: docs/verify.md shows one document of each, and
// what they print has the same fields, at every depth.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compactOn, dailyRaw, manyWindows } from '../../support/compacted-lake.ts';
import { pruneOn } from '../../support/pruned-lake.ts';
import { rebuildOn, rightDay } from '../../support/rebuilt-lake.ts';
import { quarantinedLake, replayOn } from '../../support/replayed-lake.ts';

const doc = readFileSync(new URL('../../../docs/verify.md', import.meta.url), 'utf8');

/** The first document below a heading. */
function documented(command: string): unknown {
  const [, below = ''] = doc.split(`## ${command}, machine-readable\n`);
  const [, fenced = ''] = below.split('```\n');
  return JSON.parse(fenced.replaceAll(/ *\/\/.*$/gm, ''));
}

/** By names that the lake has, or a config. */
const OPEN = new Set(['rows', 'nulled', 'failed', 'impossible']);

/** `left.objects`; of a list as its first one is. */
function fieldsOf(value: unknown, at = ''): string[] {
  if (Array.isArray(value)) return value.length === 0 ? [] : fieldsOf(value[0], `${at}[]`);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = `${at}.${name}`;
    return OPEN.has(name) ? [path] : [path, ...fieldsOf(inner, path)];
  });
}

/** Of an element of a list within: that may be empty in one of both. */
const isOfElement = (path: string) => path.includes('[].');

function assertAsDocumented(command: string, printed: unknown): void {
  const fixed = (document: unknown) => {
    const one: unknown = Array.isArray(document) ? document[0] : document;
    return fieldsOf(one)
      .filter((path) => !isOfElement(path))
      .sort();
  };
  const told = fixed(JSON.parse(JSON.stringify(printed)));
  assert.ok(told.length > 0);
  assert.deepEqual(
    told,
    fixed(documented(command)),
    `docs/verify.md shows other fields of ${command} --json`,
  );
}

test('what `compact`, `rebuild` and `prune` print has the fields that are documented, and no other', async () => {
  const lake = await manyWindows(5);
  assertAsDocumented('Compact', [await compactOn(lake)]);
  const rebuilt = await rebuildOn(lake, rightDay, { tables: [rightDay, dailyRaw] });
  assertAsDocumented('Rebuild', [rebuilt]);
  const { clock } = lake.lake.readerOptions;
  assertAsDocumented('Prune', [await pruneOn(lake.store, rightDay, { clock })]);
});

test('what `replay` prints has the fields that are documented, and no other', async () => {
  assertAsDocumented('Replay', await replayOn(await quarantinedLake()));
});
