// The collector dies, or its S3 does, at each step of publishing, as processes over HTTP. Whatever was
// produced is in the lake exactly once in the end, and nothing is acknowledged before it is there.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Ministack, startMinistack } from '@sluice/deploy/local/ministack.ts';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import type { Site } from '@sluice/deploy/local/site.ts';
import { type AwsProxy, type AwsRequest, type Intervention, startAwsProxy } from '../support/aws-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import {
  acknowledged,
  type Journey,
  query,
  startJourney,
  untilAcknowledged,
  verified,
} from './journey-fixture.ts';

const TOPIC = 'claims';
const PER_CASE = 90;
let journey: Journey;
let aws: Ministack;
let proxy: AwsProxy;
let site: Site;
let produced = 0;

before(async () => {
  await ensureMinistack();
  [journey, aws] = await Promise.all([startJourney(), startMinistack()]);
  await fetch(`${aws.endpoint}/lake`, { method: 'PUT' });
  proxy = await startAwsProxy(aws.endpoint);
  await journey.createTopics(3, TOPIC);
  site = await journey.site('crashes', {
    topics: [TOPIC],
    tables: [
      {
        name: 'claims',
        topic: TOPIC,
        format: 'json',
        window: { every: '1s' },
        columns: { n: 'int', round: 'string' },
        // A new partition in each round: each has something to register.
        partitionBy: [{ field: 'round' }],
      },
    ],
    lake: {
      store: 's3://lake/acme',
      catalog: 'glue',
      database: 'acme',
      region: 'us-east-1',
      s3Endpoint: proxy.endpoint,
      glueEndpoint: proxy.endpoint,
    },
    environment: aws.environment,
  });
  await site.collector.start();
  await site.agent.start();
  await produceRound('first');
  await untilAcknowledged(site, 'claims', produced);
});

after(async () => {
  await site?.agent.stop();
  await site?.collector.stop();
  await Promise.all([journey?.stop(), proxy?.close(), aws?.stop()]);
});

async function produceRound(round: string): Promise<void> {
  const messages = Array.from({ length: PER_CASE }, (_, i) => ({
    value: JSON.stringify({ n: produced + i, round }),
    partition: i % 3,
  }));
  produced += PER_CASE;
  await journey.produce(TOPIC, messages);
}

async function assertAllIsThereOnce(): Promise<void> {
  const [rows] = await Promise.all([query(site, 'select n from claims'), verified(site)]);
  assertExactlyOnce(
    Array.from({ length: produced }, (_, n) => String(n)),
    rows.map(({ n }) => String(n)),
  );
}

/** Staged objects, and those among them that a ledger entry names. */
async function staged(): Promise<{ all: string[]; named: string[] }> {
  const list = async (prefix: string) => {
    const reply = await fetch(`${aws.endpoint}/lake?list-type=2&prefix=${encodeURIComponent(prefix)}`);
    return [...(await reply.text()).matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key);
  };
  const all = await list('acme/_sluice/staged/');
  const entries = await Promise.all(
    (await list('acme/_sluice/ledger/')).map(async (key) =>
      (await fetch(`${aws.endpoint}/lake/${key}`)).text(),
    ),
  );
  return { all, named: all.filter((key) => entries.some((entry) => entry.includes(key.slice(5)))) };
}

interface Step {
  readonly name: string;
  readonly request: (request: AwsRequest) => boolean;
  /** Whether a crash before or after it leaves an object that no entry names. */
  readonly garbage: { readonly before: boolean; readonly after: boolean };
  readonly acknowledged: boolean;
}

const none = { before: false, after: false };
const isLedgerPut = ({ action, path, conditional }: AwsRequest) =>
  action === 'PutObject' && path.includes('/_sluice/ledger/') && conditional;
const STEPS: readonly Step[] = [
  {
    name: 'uploading the staged object',
    request: ({ action, path }) => action === 'PutObject' && path.includes('/_sluice/staged/'),
    garbage: { before: false, after: true },
    acknowledged: false,
  },
  {
    name: 'appending to the ledger',
    request: isLedgerPut,
    garbage: { before: true, after: false },
    acknowledged: false,
  },
  {
    name: 'copying to the final key',
    request: ({ action, path }) => action === 'CopyObject' && path.startsWith('/lake/acme/claims/'),
    garbage: none,
    acknowledged: false,
  },
  {
    name: 'registering the partition',
    request: ({ action }) => action === 'BatchCreatePartition',
    garbage: none,
    acknowledged: false,
  },
  {
    name: 'deleting the staged copy',
    request: ({ action }) => action === 'DeleteObjects',
    garbage: none,
    acknowledged: true,
  },
];

for (const { name, request, garbage, acknowledged: isAcknowledged } of STEPS) {
  for (const when of ['before', 'after'] as const) {
    test(`a collector killed ${when} ${name} loses nothing, doubles nothing and acknowledges nothing early`, async () => {
      const earlier = produced;
      const left = (await staged()).all.length;
      proxy.rule = (asked) => (request(asked) ? { when, how: 'stop' } : undefined);
      await produceRound(`${when} ${name}`);
      await proxy.stopped();
      assert.equal(await acknowledged(site, 'claims'), isAcknowledged ? produced : earlier);
      await site.collector.kill();
      proxy.resume();
      await site.collector.start();
      await untilAcknowledged(site, 'claims', produced);
      await assertAllIsThereOnce();
      await eventually('the lag that Kafka shows is 0', async () => {
        return (await journey.groupOffset('crashes', TOPIC)) === produced;
      });
      const found = await eventually('what an entry names is tidied up', async () => {
        const now = await staged();
        return now.named.length === 0 ? now : undefined;
      });
      assert.equal(found.all.length > left, garbage[when], found.all.join('\n'));
    });
  }
}

/** Once for each request: the first attempts of one call, or all of them. */
function firstAttempts(count: number, choose: (request: AwsRequest) => Intervention): AwsProxy['rule'] {
  const attempts = new Map<string, number>();
  return (request) => {
    const intervention = choose(request);
    const key = `${request.action} ${request.path}`;
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    return attempt > count ? undefined : intervention;
  };
}

const MUTATIONS = ['PutObject', 'CopyObject', 'DeleteObjects', 'BatchCreatePartition'];
/** More than the SDK tries within one call. */
const LONGER_THAN_A_CALL = 5;
const conflict = { status: 409, code: 'ConditionalRequestConflict' };

interface Outage {
  readonly name: string;
  readonly rule: () => AwsProxy['rule'];
  /** What `status` says meanwhile. */
  readonly says: RegExp;
}

const OUTAGES: readonly Outage[] = [
  {
    name: 'S3 that answers 503 for seconds',
    rule:
      () =>
      ({ service }) =>
        service === 's3' ? { when: 'before', how: { status: 503, code: 'SlowDown' } } : undefined,
    says: /table claims is waiting for .*uploading: STORE_UNAVAILABLE: s3:PutObject/,
  },
  {
    name: 'Glue that throttles for seconds',
    rule:
      () =>
      ({ service }) =>
        service === 'glue'
          ? { when: 'before', how: { status: 400, code: 'ThrottlingException' } }
          : undefined,
    says: /table claims is waiting for .*publishing: CATALOG_UNAVAILABLE: glue:BatchCreatePartition/,
  },
  {
    name: 'a 409 on the append, again and again',
    rule: () => (asked) => (isLedgerPut(asked) ? { when: 'before', how: conflict } : undefined),
    says: /table claims is waiting for .*appending to the ledger: STORE_UNAVAILABLE: .*Conflict/,
  },
  {
    name: 'the first reply of each request lost, and a 409 for an append that was taken',
    rule: () => firstAttempts(1, (asked) => ({ when: 'after', how: isLedgerPut(asked) ? conflict : 'cut' })),
    says: /flowing/,
  },
  {
    name: 'the replies of each change lost for longer than a call lasts',
    rule: () =>
      firstAttempts(LONGER_THAN_A_CALL, ({ action }) =>
        MUTATIONS.includes(action) ? { when: 'after', how: 'cut' } : undefined,
      ),
    says: /table claims is waiting for .*uploading: STORE_UNAVAILABLE/,
  },
];

for (const { name, rule, says } of OUTAGES) {
  test(`${name}: status says who waits for what, and every record is in the lake once`, async () => {
    proxy.rule = rule();
    await produceRound(name);
    const waits = !says.test('flowing');
    if (waits) {
      const said = await eventually('status says so', async () => {
        const { code, output } = await site.collector.command(['status']);
        return says.test(output) ? { code, output } : undefined;
      });
      assert.equal(said.code, 1, said.output);
    }
    await untilAcknowledgedOnce(waits && !name.includes('lost'));
    await assertAllIsThereOnce();
    const { code, output } = await site.collector.command(['status']);
    assert.equal(code, 0, output);
    proxy.resume();
  });
}

/** Ends an outage that does not end by itself, then waits. */
async function untilAcknowledgedOnce(ends: boolean): Promise<void> {
  if (ends) proxy.resume();
  await untilAcknowledged(site, 'claims', produced);
}
