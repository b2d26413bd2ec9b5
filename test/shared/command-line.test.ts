// A command line is understood or answered with help, and every way to end has its exit code.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Command, runCommandLine, UsageError } from '@sluice/shared/command-line.ts';
import { ConfigError } from '@sluice/shared/config-file.ts';
import { SluiceError } from '@sluice/shared/errors.ts';

const commands: Record<string, Command> = {
  run: {
    summary: 'Runs.',
    options: { config: 'the file' },
    flags: { json: 'machine-readable' },
    positionals: '[table ...]',
    run: ({ options, flags, positionals }) => {
      calls.push([options['config'], flags['json'], positionals]);
      return Promise.resolve(7);
    },
  },
  plain: { summary: 'Takes nothing.', run: () => Promise.resolve(0) },
  wrong: { summary: 'Is called wrongly.', run: () => Promise.reject(new UsageError('it takes one SELECT')) },
  config: { summary: 'Has a bad config.', run: () => Promise.reject(new ConfigError('x.yaml', [])) },
  broken: { summary: 'Breaks.', run: () => Promise.reject(new SluiceError('SPOOL_LOCKED', 'taken')) },
};
let calls: unknown[] = [];

async function run(t: TestContext, ...args: string[]) {
  calls = [];
  const out = t.mock.method(process.stdout, 'write', () => true);
  const err = t.mock.method(process.stderr, 'write', () => true);
  const text = (mock: typeof out) => mock.mock.calls.map((call) => String(call.arguments[0])).join('');
  try {
    const code = await runCommandLine('sluice', commands, args);
    return { code, out: text(out), err: text(err) };
  } finally {
    out.mock.restore();
    err.mock.restore();
  }
}

test('a command gets its options, flags and what follows, and its number is the exit code', async (t) => {
  const { code } = await run(t, 'run', '--config', 'a.yaml', '--json', 'one', 'two');
  assert.equal(code, 7);
  assert.deepEqual(calls, [['a.yaml', true, ['one', 'two']]]);
  await run(t, 'run');
  assert.deepEqual(calls, [[undefined, false, []]]);
});

test('help lists every command, and a command’s help every option', async (t) => {
  for (const args of [[], ['help'], ['--help'], ['-h']]) {
    const { code, out, err } = await run(t, ...args);
    assert.equal(code, 0);
    assert.equal(err, '');
    for (const name of Object.keys(commands)) assert.match(out, new RegExp(`^ {2}${name} `, 'm'));
  }
  const { code, out } = await run(t, 'run', '--help');
  assert.equal(code, 0);
  assert.deepEqual(calls, []);
  assert.match(out, /usage: sluice run \[options\] \[table \.\.\.\]/);
  assert.match(out, /--config <value> {2}the file\n {2}--json +machine-readable/);
});

const REFUSED: readonly (readonly [readonly string[], RegExp])[] = [
  [['rum'], /unknown command 'rum'[\s\S]*usage/],
  [['run', '--colour', 'red'], /Unknown option '--colour'[\s\S]*--config <value>/],
  [['run', '--config'], /argument missing/],
  [['run', '--json=yes'], /does not take an argument/],
  [['plain', 'extra'], /Unexpected argument 'extra'/],
  [['wrong'], /it takes one SELECT\n\nusage: sluice wrong/],
];

for (const [args, said] of REFUSED) {
  test(`'${args.join(' ')}' exits with 64, the reason and the help`, async (t) => {
    const { code, out, err } = await run(t, ...args);
    assert.equal(code, 64);
    assert.equal(out, '');
    assert.match(err, said);
  });
}

test('a bad config exits with 78, another failure with 70 and its remedy', async (t) => {
  assert.equal((await run(t, 'config')).code, 78);
  const { code, err } = await run(t, 'broken');
  assert.equal(code, 70);
  assert.match(err, /SPOOL_LOCKED: taken\n {2}→ /);
});
