// Every root script goes through here: names all missing prerequisites at once, installs what the command
// needs, then runs it under the pinned Node. Plain JavaScript without dependencies, because nothing is
// installed yet when it starts; valid on Node 20.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const NODE = join(ROOT, 'node_modules/.bin/node');

/**
 * What each command runs, and what it needs beyond Node and npm: programs of the machine, and things set up
 * here.
 */
const COMMANDS = {
  check: { entry: 'test/run/check.ts', needs: [] },
  test: { entry: 'test/run/test.ts', needs: ['java', 'maven', 'python', 'kafka', 'aws', 'linters'] },
  demo: { entry: 'deploy/demo/demo.ts', needs: ['java', 'maven', 'kafka'] },
  try: { entry: 'deploy/demo/try.ts', needs: [] },
  simulate: { entry: 'test/simulation/run.ts', needs: [] },
  chaos: { entry: 'test/chaos/chaos.ts', needs: ['java', 'maven', 'python', 'kafka', 'aws'] },
  bench: { entry: 'test/bench/bench.ts', needs: ['java', 'maven', 'kafka'] },
  explore: { entry: 'test/run/explore.ts', needs: [] },
  generate: { entry: 'test/run/generate.ts', needs: [] },
  format: { entry: 'test/run/format.ts', needs: [] },
};

/** Options that need more than their command does. */
const OPTION_NEEDS = { demo: { '--aws': ['python', 'aws'] }, bench: { '--spark': ['python'] } };

const PREREQUISITES = {
  java: {
    works: () => version('java', ['-version'], /version "(\d+)/) >= 17,
    missing: 'Java 17 or newer (the real Kafka broker runs on it)',
    install: 'apt-get install -y openjdk-17-jre-headless   (or any JDK 17+ on PATH)',
  },
  maven: {
    works: () => run('mvn', ['-v']).status === 0,
    missing: 'Maven (fetches the broker’s jars)',
    install: 'apt-get install -y maven   (or any Maven 3.6+ on PATH)',
  },
  python: {
    works: () =>
      run('python3', ['-c', 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 10))']).status ===
      0,
    missing: 'Python 3.10 or newer with venv (the emulated S3 and Glue run on it, the linters, and Spark)',
    install: 'apt-get install -y python3 python3-venv',
  },
};

const STAGES = {
  kafka: { name: 'kafka broker', work: kafkaJars },
  aws: { name: 'emulated aws', work: ministackVenv },
  linters: { name: 'linters', work: lintersVenv },
};

await main(process.argv[2] ?? '', process.argv.slice(3));

async function main(name, args) {
  const command = COMMANDS[name];
  if (!command) fail([`usage: npm run ${Object.keys(COMMANDS).join('|')}`], 64);
  const extra = Object.entries(OPTION_NEEDS[name] ?? {}).filter(([option]) => args.includes(option));
  const needs = [...new Set([...command.needs, ...extra.flatMap(([, need]) => need)])];
  checkPrerequisites(needs);
  await withLock(async () => {
    await step('packages', installPackages);
    for (const need of needs) if (STAGES[need]) await step(STAGES[need].name, STAGES[need].work);
  });
  process.exitCode = await runUnderPinnedNode(command.entry, args);
}

function checkPrerequisites(needs) {
  const problems = [];
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    problems.push(
      `Linux on x64 or arm64 (this is ${process.platform} ${process.arch})\n      run it in a Linux machine, container or WSL2`,
    );
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 18))
    problems.push(missing('Node.js 20.18 or newer', 'apt-get install -y nodejs npm'));
  if (run('npm', ['--version']).status !== 0) problems.push(missing('npm', 'apt-get install -y npm'));
  for (const need of needs.filter((name) => name in PREREQUISITES)) {
    const { works, ...texts } = PREREQUISITES[need];
    if (!works()) problems.push(missing(texts.missing, texts.install));
  }
  if (problems.length > 0)
    fail(
      [
        `${problems.length} thing${problems.length > 1 ? 's are' : ' is'} missing on this machine:`,
        ...problems,
      ],
      69,
    );
}

function missing(what, install) {
  return `${what}\n      ${install}`;
}

function fail(lines, code) {
  process.stderr.write(`${lines.map((line, i) => (i === 0 ? line : `  - ${line}`)).join('\n')}\n`);
  process.exit(code);
}

function run(command, args) {
  return spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 });
}

function version(command, args, pattern) {
  const { stdout = '', stderr = '' } = run(command, args);
  return Number(pattern.exec(`${stdout}${stderr}`)?.[1] ?? 0);
}

/** One line a step: what, size, seconds. A step that had nothing to do says nothing. */
async function step(name, work) {
  const started = process.hrtime.bigint();
  const { fresh, bytes } = await work();
  if (!fresh) return;
  const seconds = (Number(process.hrtime.bigint() - started) / 1e9).toFixed(1);
  process.stderr.write(
    `set up ${name.padEnd(14)} ${(bytes / 2 ** 20).toFixed(0).padStart(5)} MiB  ${seconds} s\n`,
  );
}

async function installPackages() {
  const lockfile = join(ROOT, 'package-lock.json');
  const stamp = join(ROOT, 'node_modules/.sluice-lock-hash');
  const before = hash(lockfile);
  if (existsSync(stamp) && existsSync(NODE) && readFileSync(stamp, 'utf8') === before)
    return { fresh: false, bytes: 0 };
  process.stderr.write('installing packages (about 30 s the first time) ...\n');
  const npm = spawnSync(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  if (npm.status !== 0)
    fail(
      [
        'npm install failed (its own message stands above)',
        'check the network and the npm registry setting, then run this again',
      ],
      69,
    );
  if (!existsSync(NODE))
    fail(['npm install left out the pinned Node.js', 'run it without --omit=optional / --no-optional'], 69);
  if (hash(lockfile) !== before) process.stderr.write('note: npm changed package-lock.json\n');
  writeFileSync(stamp, hash(lockfile));
  return { fresh: true, bytes: directoryBytes(join(ROOT, 'node_modules')) };
}

async function kafkaJars() {
  const { ensureKafkaJars } = await import('../local/kafka-jars.mjs');
  return ensureKafkaJars();
}

async function ministackVenv() {
  const { ensureMinistack } = await import('../local/ministack-venv.mjs');
  return ensureMinistack();
}

async function lintersVenv() {
  const { ensureLinters } = await import('../local/linters-venv.mjs');
  return ensureLinters();
}

function hash(file) {
  return existsSync(file) ? createHash('sha256').update(readFileSync(file)).digest('hex') : '';
}

function directoryBytes(path) {
  const kilobytes = Number(/^\d+/.exec(run('du', ['-sk', path]).stdout)?.[0] ?? 0);
  return kilobytes * 1024;
}

/** Two commands side by side install once. A lock of a dead process is taken over. */
async function withLock(work) {
  const lock = join(ROOT, '.cache/bootstrap.lock');
  mkdirSync(dirname(lock), { recursive: true });
  for (let waited = 0; !take(lock); waited += 200) {
    if (waited === 0) process.stderr.write('another command is setting up; waiting for it ...\n');
    if (waited > 600_000)
      fail([`set-up is locked by ${lock}`, 'remove that directory if no other command runs'], 69);
    await new Promise((done) => setTimeout(done, 200));
  }
  try {
    await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function take(lock) {
  try {
    mkdirSync(lock);
    writeFileSync(join(lock, 'pid'), String(process.pid));
    return true;
  } catch {
    const pid = readPid(join(lock, 'pid'));
    const abandoned = pid === undefined ? Date.now() - modifiedMs(lock) > 5_000 : !isAlive(pid);
    if (abandoned) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

function readPid(file) {
  try {
    return Number(readFileSync(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function modifiedMs(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return Date.now();
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * Signals of a terminal reach the child by themselves (same process group); others are passed on. We wait for
 * its end.
 */
function runUnderPinnedNode(entry, args) {
  if (!existsSync(join(ROOT, entry))) fail([`${entry} does not exist`], 70);
  // kafkajs sets a timer in the past on each connection and Node warns of it, to no one's use.
  const quiet = '--disable-warning=TimeoutNegativeWarning';
  // A test run starts 200 processes that read the same sources: each source is compiled once, into one file.
  const env = { NODE_COMPILE_CACHE: join(ROOT, '.cache/compiled'), ...process.env };
  const child = spawn(NODE, [quiet, join(ROOT, entry), ...args], { cwd: ROOT, env, stdio: 'inherit' });
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  return new Promise((done) => {
    child.on('error', (error) => fail([`cannot start ${NODE}: ${error.message}`], 70));
    child.on('exit', (code, signal) => done(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}
