// A process drains once when it is told to stop, within its time, and a second signal does not wait for that.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startProcess } from '@sluice/deploy/local/child-process.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { EXIT, reloadOnHangup, reportFatal, runUntilSignal } from '@sluice/shared/process-life.ts';
import { manualClock, settle } from '../support/manual-clock.ts';

function started(drain: () => Promise<void>) {
  const clock = manualClock();
  const drained: [string, number][] = [];
  const program = {
    drain(signal: string, graceMs: number) {
      drained.push([signal, graceMs]);
      return drain();
    },
  };
  let code: number | undefined;
  const run = runUntilSignal(program, 30_000, clock).then((result) => {
    code = result;
  });
  return { clock, drained, run, code: () => code };
}

const send = (signal: 'SIGTERM' | 'SIGINT') => process.emit(signal, signal);
const listeners = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
const listenersBefore = listeners();

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} drains once, with its grace time, and ends well`, async () => {
    const life = started(() => Promise.resolve());
    await settle();
    assert.deepEqual(life.drained, []);
    send(signal);
    await life.run;
    assert.deepEqual(life.drained, [[signal, 30_000]]);
    assert.equal(life.code(), EXIT.ok);
    assert.equal(life.clock.timers, 0);
  });
}

test('a second signal ends a drain that takes too long for someone', async () => {
  const life = started(() => new Promise(() => {}));
  send('SIGTERM');
  await settle();
  assert.equal(life.code(), undefined);
  send('SIGINT');
  await life.run;
  assert.equal(life.code(), EXIT.failure);
  assert.equal(life.drained.length, 1);
});

test('a drain beyond its time is given up', async () => {
  const life = started(() => new Promise(() => {}));
  send('SIGTERM');
  await life.clock.advance(34_999);
  assert.equal(life.code(), undefined);
  await life.clock.advance(1);
  await life.run;
  assert.equal(life.code(), EXIT.failure);
});

test('a drain that fails is an exit code and a word, not a crash', async (t) => {
  const written = t.mock.method(process.stderr, 'write', () => true);
  const life = started(() => Promise.reject(new SluiceError('SPOOL_IO', 'disk gone')));
  send('SIGTERM');
  await life.run;
  const text = String(written.mock.calls[0]?.arguments[0]);
  written.mock.restore();
  assert.equal(life.code(), EXIT.failure);
  assert.match(text, /drain failed: SPOOL_IO: disk gone/);
});

const FATAL: readonly (readonly [unknown, number, RegExp])[] = [
  [new SluiceError('CONFIG_INVALID', '1 problem'), EXIT.config, /^p: CONFIG_INVALID: 1 problem\n$/],
  [new SluiceError('SPOOL_LOCKED', 'taken'), EXIT.software, /^p: SPOOL_LOCKED: taken\n {2}→ Another agent/],
  [
    new SluiceError('SPOOL_LOCKED', 'taken', { place: 'a/b' }),
    EXIT.software,
    /^p: SPOOL_LOCKED: taken \(a\/b\)\n/,
  ],
  [new Error('boom'), EXIT.software, /^p: Error: boom\n {4}at /],
  ['odd', EXIT.software, /^p: odd\n$/],
];

test('what ends a program is said with its remedy, and a config error exits with 78', (t) => {
  for (const [error, code, text] of FATAL) {
    const written = t.mock.method(process.stderr, 'write', () => true);
    const exit = reportFatal('p', error);
    const said = written.mock.calls.map((call) => String(call.arguments[0])).join('');
    written.mock.restore();
    assert.equal(exit, code);
    assert.match(said, text);
  }
  assert.equal(EXIT.config, 78);
});

test('after its end a process listens to no signal of the life before', async () => {
  assert.equal(listeners(), listenersBefore);
  const life = started(() => Promise.resolve());
  assert.equal(listeners(), listenersBefore + 2);
  send('SIGTERM');
  await life.run;
  assert.equal(listeners(), listenersBefore);
});

const printing = (then: string) => `
  const { exitProcess } = await import('@sluice/shared/process-life.ts');
  process.stdout.write('x'.repeat(3_000_000));
  ${then}`;
const printer = (then: string, onOutput: (text: string, from: 'stdout' | 'stderr') => void = () => {}) =>
  startProcess(process.execPath, ['--input-type=module', '--eval', printing(then)], {
    cwd: import.meta.dirname,
    onOutput,
  });

test('what was printed arrives whole, however much, and the exit code with it', async () => {
  let bytes = 0;
  const child = printer('await exitProcess(3);', (text) => {
    bytes += text.length;
  });
  assert.equal(await child.ended, 3, child.tail());
  assert.equal(bytes, 3_000_000);
});

test('a reader that has gone does not keep the process, or change how it ended', async () => {
  const child = printer('await exitProcess(3);');
  child.child.stdout?.once('data', () => child.child.stdout?.destroy());
  assert.equal(await child.ended, 3);
});

test('a reader that takes nothing is waited for as long as is said, and the loss is told', async () => {
  let told = '';
  const child = printer('await exitProcess(3, 300);', (text, from) => {
    if (from === 'stderr') told += text;
  });
  child.child.stdout?.pause();
  const code = await new Promise((resolve) => child.child.once('exit', resolve));
  assert.equal(code, 3);
  child.child.stdout?.resume();
  await child.ended;
  assert.equal(told, 'nobody took the output for 0.3 s: the end of it is lost\n');
});

test('a reader that is slow but takes something gets all of it', async () => {
  let bytes = 0;
  const child = printer('await exitProcess(3, 1_000);', (text) => {
    bytes += text.length;
    child.child.stdout?.pause();
    setTimeout(() => child.child.stdout?.resume(), 50);
  });
  const started = performance.now();
  assert.equal(await child.ended, 3, child.tail());
  assert.equal(bytes, 3_000_000);
  assert.ok(performance.now() - started > 1_500, 'longer than the reader may take nothing');
});

test('a thread in native code without an end does not keep the process, and one that can end changes nothing', async (t) => {
  const working = "pbkdf2('', '', 2 ** 31 - 1, 64, 'sha512', () => {});";
  const imports = "import { pbkdf2 } from 'node:crypto'; import { parentPort } from 'node:worker_threads';";
  for (const [work, code, signal] of [
    [working, null, 'SIGKILL'],
    ['setInterval(() => {}, 1_000);', 3, null],
  ] as const) {
    const thread = JSON.stringify(`${imports} ${work} parentPort.postMessage('');`);
    const { child } = printer(`
      const { Worker } = await import('node:worker_threads');
      const thread = new Worker(${thread}, { eval: true });
      await new Promise((resolve) => thread.once('message', resolve));
      thread.on('exit', () => process.exit(4));
      await exitProcess(3);`);
    t.after(() => child.kill('SIGKILL'));
    const ended = new Promise((resolve) => child.once('exit', (...how) => resolve(how)));
    assert.deepEqual(await ended, [code, signal]);
  }
});

test('SIGHUP reads again, and what is refused is said and ends nothing', () => {
  const told: string[] = [];
  let next: () => void = () => void told.push('read');
  reloadOnHangup(
    () => next(),
    ({ reason }) => void told.push(reason),
  );
  process.emit('SIGHUP', 'SIGHUP');
  next = () => {
    throw new SluiceError('TLS_FILES_UNUSABLE', 'no PEM', { place: 'cert.pem' });
  };
  process.emit('SIGHUP', 'SIGHUP');
  process.removeAllListeners('SIGHUP');
  assert.deepEqual(told, ['read', 'TLS_FILES_UNUSABLE: no PEM (cert.pem)']);
});
