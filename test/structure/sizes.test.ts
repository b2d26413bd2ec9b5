// Files and functions stay small enough to be read, and nothing that is committed knows the machine it was
// written on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allFiles, functionsOf, textOf } from './source-tree.ts';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const COMMENT_COLUMNS_MAX = 110;

const ours = allFiles.filter(
  (file) => /\.(ts|mjs|mts)$/.test(file) && !file.startsWith('proto/src/gen/') && !file.endsWith('.d.ts'),
);

test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
  const lines = (file: string) => textOf(file).split('\n').length - 1;
  const long = ours.filter((file) => lines(file) > FILE_LINES_MAX);
  assert.deepEqual(
    long.map((file) => `${file}: ${lines(file)}`),
    [],
  );
  assert.ok(ours.length > 100, `only ${ours.length} files were found`);
});

test(`no function has more than ${FUNCTION_LINES_MAX} lines of its own`, () => {
  const measured = ours.filter((file) => !file.endsWith('.test.ts')).flatMap(functionsOf);
  assert.ok(measured.length > 600, `only ${measured.length} functions were found`);
  const long = measured.filter(({ ownLines }) => ownLines > FUNCTION_LINES_MAX);
  assert.deepEqual(
    long.map(({ place, ownLines }) => `${place}: ${ownLines}`),
    [],
  );
});

test(`no line of a comment is wider than ${COMMENT_COLUMNS_MAX} columns`, () => {
  const comment = /^\s*(\/\/|\/\*\*?|\*) /;
  const lines = ours.flatMap((file) =>
    textOf(file)
      .split('\n')
      .map((line, index) => ({ line, place: `${file}:${index + 1}` })),
  );
  const comments = lines.filter(({ line }) => comment.test(line) && !line.includes('biome-ignore'));
  assert.ok(comments.length > 1_000, `only ${comments.length} lines of comments were found`);
  const wide = comments.filter(({ line }) => [...line].length > COMMENT_COLUMNS_MAX);
  assert.deepEqual(
    wide.map(({ place }) => place),
    [],
  );
});

test('every file says first what it is responsible for', () => {
  const silent = ours.filter((file) => !/^(#!.*\n)?\/\/ /.test(textOf(file)));
  assert.deepEqual(silent, []);
});

/** Home directories, scratch space and mirrors of the machine that something was written on. */
const MACHINE = new RegExp(
  [
    String.raw`(?<![\w./~-])/(work|root|home|Users|tmp)/[\w.-]+/`,
    String.raw`\bregistry\.(npmjs|npmmirror|yarnpkg)\b`,
    '"resolved": "https?:',
  ].join('|'),
);

test('nothing that is committed names a path of a machine or the host of a registry', () => {
  const texts = allFiles.filter((file) =>
    /\.(ts|mjs|mts|json|ya?ml|md|proto|sh|service|conf|txt)$/.test(file),
  );
  assert.deepEqual(
    texts.filter((file) => file !== 'test/structure/sizes.test.ts' && MACHINE.test(textOf(file))),
    [],
  );
  assert.ok(MACHINE.test('see /home/someone/notes.md/x'));
});
