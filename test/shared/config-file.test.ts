// A bad config file is refused whole: every problem at once, each with its line and what to write instead.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError, loadConfigFile, parseConfig, type Refine } from '@sluice/shared/config-file.ts';
import { byteSize, duration } from '@sluice/shared/units.ts';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temp.ts';

const schema = z.strictObject({
  name: z.string(),
  mode: z.enum(['fast', 'safe']).default('safe'),
  window: z.strictObject({ every: duration().default(100_000), bytes: byteSize().optional() }).prefault({}),
  lists: z.array(z.strictObject({ a: z.int() })).default([]),
  format: z.union([z.enum(['json', 'csv']), z.strictObject({ csv: z.strictObject({ quote: z.string() }) })]),
});

function problemsOf(text: string, refine?: Refine<z.output<typeof schema>>): string[] {
  try {
    parseConfig({ file: 'x.yaml', text }, schema, refine);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    for (const { line, path, message, remedy } of error.problems) {
      assert.notEqual(remedy, '');
      const shown = `  x.yaml:${line}  ${path || '(file)'}: ${message}\n      → ${remedy}`;
      assert.ok(error.message.includes(shown), error.message);
    }
    return error.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);
  }
  return [];
}

test('a good file is parsed once: units become numbers, defaults are filled in', () => {
  const text = 'name: one\nwindow: { every: 1.5h }\nlists:\n  - a: 1\nformat: json\n';
  assert.deepEqual(parseConfig({ file: 'x.yaml', text }, schema).value, {
    name: 'one',
    mode: 'safe',
    window: { every: 5_400_000 },
    lists: [{ a: 1 }],
    format: 'json',
  });
});

test('every problem is told at once, each at its own line', () => {
  const text = [
    'name: 5',
    'mode: quick',
    'colour: red',
    'window:',
    '  every: 100',
    '  bytes: 12 monkeys',
    'lists:',
    '  - a: 1',
    '    b: 2',
    '  - {}',
    'format: yaml',
  ].join('\n');
  const problems = problemsOf(text);
  const lines = problems.map((problem) => problem.split(':')[0]).sort();
  assert.deepEqual(lines, [
    '1 name',
    '10 lists[1].a',
    '11 format',
    '2 mode',
    '3 colour',
    '5 window.every',
    '6 window.bytes',
    '9 lists[0].b',
  ]);
  assert.match(problems.join('\n'), /'12 monkeys' is not a size: write a number and one of B, KiB/);
  assert.match(problems.join('\n'), /window\.every: expected string/);
});

test('an unknown key is named at its own line, also where it holds more keys', () => {
  const [problem] = problemsOf('name: a\nformat: json\nwindows:\n  every: 1s\n');
  assert.equal(problem, '3 windows: unknown key');
  const [inside] = problemsOf('name: a\nformat: json\nwindow:\n  evry:\n    - 1s\n');
  assert.equal(inside, '4 window.evry: unknown key');
});

test('a key that no form knows is named at its line, with those that there are', () => {
  const step = z.union([
    z.strictObject({ filter: z.string() }),
    z.strictObject({ rename: z.record(z.string(), z.string()) }),
  ]);
  const refuse = (text: string) => () =>
    parseConfig({ file: 'c.yaml', text }, z.strictObject({ steps: z.array(step) }));
  assert.throws(refuse('steps:\n  - filter: a\n  - renam: { a: b }\n'), {
    message: /c\.yaml:3 {2}steps\[1\]\.renam: unknown key\n.*correct its spelling: one of filter, rename/,
  });
  assert.throws(refuse('steps:\n  - { filter: a, rename: { a: b } }\n'), { message: /no known form fits/ });
});

test('a key that one form knows is not called unknown where its value is wrong, nor a word offered for a key', () => {
  const inner = z.union([z.strictObject({ file: z.string() }), z.strictObject({ url: z.string() })]);
  const format = z.union([
    z.enum(['json', 'csv']),
    z.strictObject({ json: z.strictObject({ frame: z.enum(['a', 'b']) }) }),
    z.strictObject({ avro: inner }),
  ]);
  const refuse = (text: string) => () => parseConfig({ file: 'c.yaml', text }, z.strictObject({ format }));
  assert.throws(refuse('format:\n  json: { frame: c }\n'), {
    message: /c\.yaml:2 {2}format\.json\.frame: expected one of "a"/,
  });
  assert.throws(refuse('format:\n  avro: { fil: c }\n'), {
    message: /c\.yaml:2 {2}format\.avro\.fil: unknown key\n.*one of file, url/,
  });
  assert.throws(refuse('format:\n  jsn: {}\n'), {
    message: /c\.yaml:2 {2}format\.jsn: unknown key\n.*one of json, avro/,
  });
});

test('what is missing is told at the place that lacks it', () => {
  assert.deepEqual(problemsOf('name: a\nwindow:\n  every: 1s\n'), [
    '1 format: no known form fits (expected one of "json"|"csv")',
  ]);
  assert.equal(problemsOf('').length, 1);
});

test('text that is not YAML, and a key that is there twice, are refused at their line', () => {
  assert.match(problemsOf('name: a\nmode: fast\nformat: json: csv\n')[0] ?? '', /^3 : Nested mappings/);
  assert.match(problemsOf('name: a\nmode: fast\nname: b\n')[0] ?? '', /^3 : .*unique/i);
});

test('checks of the whole value point at their place', () => {
  const refine: Refine<z.output<typeof schema>> = ({ lists }) =>
    lists.flatMap(({ a }, i) =>
      a > 1 ? [{ path: ['lists', i, 'a'], message: 'is too much', remedy: 'write less' }] : [],
    );
  const text = 'name: a\nformat: json\nlists:\n  - a: 1\n  - a: 2\n';
  assert.deepEqual(problemsOf(text, refine), ['5 lists[1].a: is too much']);
});

test('what is found wrong later has its line: of the key, or of the nearest place around it', () => {
  const text = 'name: a\nformat: json\nlists:\n  - a: 1\n\n  - # the second\n    a: 2\n';
  const { written } = parseConfig({ file: 'x.yaml', text }, schema);
  const lines = [['lists', 0], ['lists', 1], ['lists', 1, 'b'], ['window', 'every'], ['format']];
  assert.deepEqual(lines.map(written.lineOf), [4, 7, 7, 1, 2]);
  assert.equal(written.file, 'x.yaml');
});

test('a file that cannot be read is named', () => {
  const directory = temporaryDirectory();
  const missing = join(directory, 'none.yaml');
  assert.throws(() => loadConfigFile(missing, schema), {
    code: 'CONFIG_INVALID',
    message: /in .*none\.yaml\n +\(file\): cannot be read: ENOENT/,
  });
  const there = join(directory, 'there.yaml');
  writeFileSync(there, 'name: a\nformat: { csv: { quote: "x" } }\n');
  assert.deepEqual(loadConfigFile(there, schema).value.format, { csv: { quote: 'x' } });
});
