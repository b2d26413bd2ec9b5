// `npm run try` against a real Kafka that demands proof: a stranger's topic becomes a typed table, nothing is
// written to the brokers, nothing is left on the machine but the lake, and what is wrong is said at once and
// without a stack.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Broker, startBroker } from '@sluice/deploy/local/kafka-broker.ts';
import { createKafkaClient } from '@sluice/deploy/local/kafka-client.ts';
import { ensureKafkaJars } from '@sluice/deploy/local/kafka-jars.mjs';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { createSitePki, type SitePki } from '@sluice/deploy/local/site.ts';
import kafkajs, { type Kafka } from 'kafkajs';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import { temporaryDirectory } from '../support/temp.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const directory = temporaryDirectory();
const RECORDS = 500;
const users = { reader: 'only-for-this-test', guest: 'another-for-this-test' };
let broker: Broker;
let pki: SitePki;
let otherCa: string;
let kafka: Kafka;
let topicsBefore: string[];

const claim = (n: number) => ({
  claimId: `C-${n}`,
  amount: n / 4,
  items: n,
  policy: { holder: `H-${n % 7}`, open: n % 2 === 0 },
  at: new Date(Date.UTC(2026, 10, 1) + n * 1_000).toISOString(),
});

before(async () => {
  await ensureKafkaJars();
  pki = await createSitePki(directory);
  otherCa = join((await createSitePki(join(directory, 'stranger'))).directory, 'ca.pem');
  broker = await startBroker({
    directory: join(directory, 'kafka'),
    tls: { certificate: pki.broker, caPem: pki.caPem },
    users,
    isBrief: true,
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:CN=kafka-client;User:reader',
      'offsets.retention.check.interval.ms': '1000',
      // Asking for a topic must not make it, even where asking could.
      'auto.create.topics.enable': 'true',
    },
  });
  kafka = createKafkaClient({ brokers: [broker.plaintext] });
  for (const [name, password] of Object.entries(users))
    writeFileSync(join(directory, `${name}.txt`), `${password}\n`);
  await fillTopics();
});

after(async () => {
  await broker?.stop();
});

async function fillTopics(): Promise<void> {
  const admin = kafka.admin();
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await Promise.all([admin.connect(), producer.connect()]);
  const topics = ['claims', 'Access.Log', 'empty'].map((topic) => ({ topic, numPartitions: 3 }));
  await admin.createTopics({ topics });
  const claims = Array.from({ length: RECORDS }, (_, n) => ({ value: JSON.stringify(claim(n)) }));
  await producer.send({ topic: 'claims', messages: [...claims, { value: '{"claimId":' }] });
  const lines = Array.from({ length: RECORDS }, (_, n) => ({ value: `GET /${n} "ü"`, partition: 0 }));
  for (let at = 0; at < lines.length; at += 50)
    await producer.send({ topic: 'Access.Log', messages: lines.slice(at, at + 50) });
  await admin.createAcls({
    acl: [
      {
        resourceType: AclResourceTypes.TOPIC,
        resourceName: 'claims',
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: 'User:guest',
        host: '*',
        operation: AclOperationTypes.READ,
        permissionType: AclPermissionTypes.ALLOW,
      },
    ],
  });
  topicsBefore = await admin.listTopics();
  await Promise.all([admin.disconnect(), producer.disconnect()]);
}

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output(): string;
  /** Private to this run: everything it makes but the lake is below. */
  readonly temporary: string;
}

let runs = 0;

function startTry(args: readonly string[]): Run {
  const temporary = join(directory, `run-${runs++}`);
  mkdirSync(temporary);
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [join(projectRoot, 'deploy/demo/try.ts'), ...args], {
    cwd: projectRoot,
    env: { PATH, HOME, TMPDIR: temporary, NODE_COMPILE_CACHE },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, output: () => output, temporary };
}

async function runTry(args: readonly string[]) {
  const run = startTry(args);
  const code = await run.ended;
  return { code, output: run.output(), temporary: run.temporary };
}

const file = (name: string) => join(pki.directory, name);
const mutualTls = () => [
  ...['--brokers', broker.mutualTls, '--ca', file('ca.pem')],
  ...['--cert', file('client.pem'), '--key', file('client-key.pem')],
];
const sasl = (user: keyof typeof users) => [
  ...['--brokers', broker.sasl, '--ca', file('ca.pem')],
  ...['--sasl', `scram-sha-512:${user}:${join(directory, `${user}.txt`)}`],
];

/** Nothing of a run is left but what it says stays. */
function assertGone(temporary: string): void {
  assert.deepEqual(readdirSync(temporary), []);
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    });
  assert.deepEqual(
    commands.filter((command) => command.includes(temporary)),
    [],
  );
}

function assertPlain(output: string): void {
  assert.doesNotMatch(output, /^\s+at .*:\d+:\d+\)?$/m, 'no stack trace');
  assert.ok(!output.includes(users.reader) && !output.includes(users.guest), 'no password');
}

const tries = join(projectRoot, '.try');
const foldersBefore = existsSync(tries) ? readdirSync(tries) : [];
const lakes = new Set<string>();
after(() => {
  for (const lake of lakes) rmSync(lake, { recursive: true, force: true });
});

function lakeOf(output: string): string {
  const [, config = ''] = /query --config (\S+)/.exec(output) ?? [];
  assert.match(config, /^\.try\/.*collector\.yaml$/);
  lakes.add(join(projectRoot, config, '..'));
  return config;
}

async function query(config: string, sql: string): Promise<Record<string, string | null>[]> {
  const entry = join(projectRoot, 'collector/bin/sluice-collector.mjs');
  const args = [entry, 'query', '--config', join(projectRoot, config), '--json', sql];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, output);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, string | null>[];
}

const groupOf = (output: string) => /windows of 2s, group (\S+)/.exec(output)?.[1] ?? '';

async function withAdmin<T>(task: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await task(admin);
  } finally {
    await admin.disconnect();
  }
}

/** No member, no offset, no topic; and the group goes by itself. */
async function assertNothingWritten(output: string, topic: string): Promise<void> {
  const groupId = groupOf(output);
  assert.match(groupId, /^sluice-try-[0-9a-f]+$/);
  await withAdmin(async (admin) => {
    const { groups: described } = await admin.describeGroups([groupId]);
    assert.deepEqual(described[0]?.members, [], 'it was left, and not abandoned');
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
    assert.deepEqual(new Set(offsets?.partitions.map(({ offset }) => offset)), new Set(['-1']));
    const topics = (await admin.listTopics()).filter((name) => name !== '__consumer_offsets');
    assert.deepEqual(topics.toSorted(), topicsBefore.toSorted());
    await eventually('the group is gone', async () => {
      const { groups } = await admin.listGroups();
      return groups.every((group) => group.groupId !== groupId);
    });
  });
}

test('a JSON topic behind mutual TLS becomes a typed table with the rows produced, and Kafka is as it was', async () => {
  const { code, output, temporary } = await runTry([...mutualTls(), '--topic', 'claims']);
  assert.equal(code, 0, output);
  assertPlain(output);
  assertGone(temporary);
  assert.match(output, /501 records = 500 rows \+ 1 quarantined: every offset has exactly one fate/);
  assert.match(output, /not JSON/);
  const config = lakeOf(output);
  const types = await query(
    config,
    'select typeof(claim_id) a, typeof(amount) b, typeof(items) c, typeof(policy.open) d, typeof("at") e from claims limit 1',
  );
  assert.deepEqual(types, [{ a: 'VARCHAR', b: 'DOUBLE', c: 'BIGINT', d: 'BOOLEAN', e: 'TIMESTAMP' }]);
  const rows = await query(
    config,
    `select claim_id, amount, items, policy.holder as policy_holder, policy.open as policy_open, epoch_ms("at") as ms from claims`,
  );
  const told = (values: readonly unknown[]) => values.map(String).join('|');
  assertExactlyOnce(
    Array.from({ length: RECORDS }, (_, n) => {
      const { claimId, amount, items, policy, at } = claim(n);
      return told([claimId, amount, items, policy.holder, policy.open, Date.parse(at)]);
    }),
    rows.map((row) => {
      const { claim_id, amount, items, policy_holder, policy_open, ms } = row;
      return told([claim_id, Number(amount), items, policy_holder, policy_open, ms]);
    }),
  );
  await assertNothingWritten(output, 'claims');
});

test('a log topic behind SASL becomes text, and no more of it is read than was asked for', async () => {
  const { code, output, temporary } = await runTry([
    ...sasl('reader'),
    ...['--topic', 'Access.Log', '--from', 'earliest', '--records', '100'],
  ]);
  assert.equal(code, 0, output);
  assertPlain(output);
  assertGone(temporary);
  const config = lakeOf(output);
  const values = (await query(config, 'select value from access_log')).map(({ value }) => String(value));
  assertExactlyOnce(
    Array.from({ length: 100 }, (_, n) => `GET /${n} "ü"`),
    values,
  );
  await assertNothingWritten(output, 'Access.Log');
});

test('what the agent samples of a topic, the collector makes the same table of', () => {
  const agent = join(directory, 'agent.yaml');
  const kafka = { brokers: [broker.plaintext], group: 'sluice-sampling' };
  const link = {
    address: '127.0.0.1:1',
    tls: { ca: file('ca.pem'), cert: file('ca.pem'), key: file('ca.pem') },
  };
  writeFileSync(
    agent,
    JSON.stringify({ agent: { id: 'a', dataDir: directory }, kafka, topics: ['claims'], collector: link }),
  );
  const run = (program: string, args: readonly string[], input?: string) => {
    const bin = join(projectRoot, `${program}/bin/sluice-${program}.mjs`);
    return spawnSync(process.execPath, [bin, ...args], {
      encoding: 'utf8',
      ...(input === undefined ? {} : { input }),
    });
  };
  const sampled = run('agent', ['sample', '--config', agent, 'claims']);
  assert.equal(sampled.status, 0, sampled.stderr);
  const { stdout } = run('collector', ['detect', '--file', '-', '--topic', 'claims'], sampled.stdout);
  assert.match(stdout, /# 501 values were looked at/);
  assert.match(stdout, /policy: struct<holder:string,open:boolean>/);
});

test('what cannot work is said at once, with its remedy, and leaves nothing behind', async () => {
  const started = performance.now();
  const tls = mutualTls();
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[...tls, '--topic', 'claim'], /topic 'claim' does not exist\n {2}→ Topics that may be seen: claims/],
    [[...tls, '--topic', 'empty'], /topic 'empty' holds no record now/],
    [
      [...tls.with(3, otherCa), '--topic', 'claims'],
      /not signed by a CA that is trusted here \(issuer: CN=.*\n.*--ca/,
    ],
    [[...tls.slice(0, 4), '--topic', 'claims'], /demands a client certificate.*--cert and --key/],
    [['--brokers', broker.mutualTls, '--topic', 'claims'], /This listener speaks TLS: pass --ca/],
    [['--brokers', broker.plaintext, '--tls', '--topic', 'claims'], /no TLS handshake.*\n.*leave out --tls/],
    [['--brokers', '127.0.0.1:1', '--topic', 'claims'], /127\.0\.0\.1:1: nothing listens there/],
    [['--brokers', 'no-such-host.invalid:9092', '--topic', 'claims'], /its name does not resolve/],
    [[...sasl('reader').slice(0, 4), '--topic', 'claims'], /does this listener demand SASL/],
    [
      [...sasl('reader').with(-1, `plain:reader:${join(directory, 'guest.txt')}`), '--topic', 'claims'],
      /Check --sasl-mechanism, --sasl-user and the password/,
    ],
    [
      [...sasl('guest'), '--topic', 'claims'],
      /Read on group 'sluice-try-[0-9a-f]+'[\s\S]*--resource-pattern-type prefixed/,
    ],
    [[...sasl('guest'), '--topic', 'Access.Log'], /topic 'Access.Log' may not be described\n.*Read on topic/],
  ];
  const half = Math.ceil(wrong.length / 2);
  const attempt = async ([args, expected]: (typeof wrong)[number]) => {
    const { code, output, temporary } = await runTry(args);
    assert.equal(code, 69, output);
    assert.match(output, expected);
    assertPlain(output);
    assertGone(temporary);
  };
  await Promise.all(wrong.slice(0, half).map(attempt));
  await Promise.all(wrong.slice(half).map(attempt));
  assert.ok(performance.now() - started < 30_000, 'it fails fast');
});

test('Ctrl-C, in the middle or with --keep, ends both programs, leaves the group and cleans up', async () => {
  const midway = startTry([...mutualTls(), '--topic', 'claims']);
  const kept = startTry([...mutualTls(), '--topic', 'claims', '--keep']);
  const interrupt = async (run: Run, at: RegExp) => {
    await eventually(`its output is at ${at}`, () => at.test(run.output()), { deadlineMs: 40_000 });
    run.child.kill('SIGINT');
    assert.equal(await run.ended, 130, run.output());
    assertGone(run.temporary);
    await assertNothingWritten(run.output(), 'claims');
  };
  await Promise.all([interrupt(midway, /read .* of 501/), interrupt(kept, /stay up until Ctrl-C/)]);
  lakeOf(kept.output());
  assert.doesNotMatch(midway.output(), /The lake stays/);
  const left = readdirSync(tries).filter((name) => !foldersBefore.includes(name));
  assert.deepEqual(left.toSorted(), [...lakes].map((lake) => basename(lake)).toSorted());
});
