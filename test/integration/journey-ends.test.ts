// Both ends of the journey at their worst: what Kafka's log did to records before we read them - compacted,
// aborted, packed, deleted by retention - and a table that takes nothing. The lake holds what Java's
// read_committed consumer reads, the ledger names the rest, and neighbours flow.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CommitEntry } from '@sluice/collector/contracts.ts';
import { type Ministack, startMinistack } from '@sluice/deploy/local/ministack.ts';
import { ensureMinistack } from '@sluice/deploy/local/ministack-venv.mjs';
import type { Site } from '@sluice/deploy/local/site.ts';
import { type AwsProxy, startAwsProxy } from '../support/aws-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { assertContiguous, assertExactlyOnce } from '../support/oracles.ts';
import {
  acknowledged,
  type Journey,
  ledgerOf,
  numbers,
  query,
  startJourney,
  textTable,
  untilAcknowledged,
  verified,
} from './journey-fixture.ts';
import {
  assertHoles,
  createCompacted,
  createMixture,
  digest,
  readByJava,
  recordLine,
  type ToolBroker,
} from './log-fixture.ts';

let journey: Journey;
let aws: Ministack;
let proxy: AwsProxy;

before(async () => {
  await ensureMinistack();
  [journey, aws] = await Promise.all([startJourney(), startMinistack()]);
  await fetch(`${aws.endpoint}/lake`, { method: 'PUT' });
  proxy = await startAwsProxy(aws.endpoint);
});

after(() => Promise.all([journey?.stop(), aws?.stop(), proxy?.close()]));

const fullTable = (name: string) => ({ ...textTable(name), provenance: 'full' });

/**
 * Every record of a topic that is in the lake, in offset order, as `readByJava` writes them; tombstones too.
 */
async function readLake(site: Site, table: string): Promise<string[]> {
  const found = await query(
    site,
    `select _offset, epoch_ms(_timestamp) as at, md5(value) as digest from ${table} union all
     select _offset, epoch_ms(_timestamp), null from ${table}_quarantine where code = 'TOMBSTONE'
     order by _offset`,
  );
  return found.map((row) =>
    recordLine(String(row['_offset']), String(row['at']), row['digest'] ?? digest(null)),
  );
}

async function endOf(topic: string): Promise<number> {
  const [log] = await journey.admin.fetchTopicOffsets(topic);
  return Number(log?.high);
}

/** The counts of all that was committed; each range must balance, and together they must cover [0, end). */
function countsOf(site: Site, table: string, end: number): CommitEntry['ranges'][number]['counts'] {
  const entries = ledgerOf(site, table);
  assert.deepEqual(new Set(entries.map(({ kind }) => kind)), new Set(['open', 'commit']));
  const ranges = entries.flatMap((entry) => (entry.kind === 'commit' ? entry.ranges : []));
  assertContiguous(ranges);
  assert.deepEqual([ranges[0]?.start, ranges.at(-1)?.next], [0, end]);
  const total = { records: 0, control: 0, aborted: 0, absent: 0 };
  for (const { start, next, counts } of ranges) {
    assert.equal(next - start, counts.records + counts.control + counts.aborted + counts.absent);
    for (const key of ['records', 'control', 'aborted', 'absent'] as const) total[key] += counts[key];
  }
  return total;
}

/** A metric of a running program, as an operator's Prometheus sees it. */
async function metric(httpUrl: string, sample: string): Promise<number | undefined> {
  const lines = (await (await fetch(`${httpUrl}/metrics`)).text()).split('\n');
  const found = lines.find((line) => line.startsWith(`${sample} `));
  return found === undefined ? undefined : Number(found.slice(sample.length));
}

async function valuesOf(site: Site, table: string): Promise<string[]> {
  return (await query(site, `select value from ${table}`)).map(({ value }) => String(value));
}

interface AgentStatus {
  readonly kafka: { readonly partitions: readonly { partition: string; paused: readonly string[] }[] };
}

/** Why the agent does not read partition 0 of a topic. */
async function pausesOf(site: Site, topic: string): Promise<readonly string[] | undefined> {
  const { kafka } = await site.agent.status<AgentStatus>();
  return kafka.partitions.find(({ partition }) => partition === `${topic}-0`)?.paused;
}

/** Once, as an error, with exactly this range. */
function assertGapSaid(log: string, range: Readonly<Record<string, string | number>>): void {
  const lines = log.split('\n').filter((line) => line.includes('gap: Kafka no longer has these offsets'));
  assert.equal(lines.length, 1, lines.join('\n'));
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  const named = Object.fromEntries(Object.keys(range).map((key) => [key, line[key]]));
  assert.deepEqual(named, range);
  assert.ok(line['level'] === 'error' || line['level'] === 50, `${line['level']}`);
}

describe('the ends', { concurrency: 2 }, () => {
  test('a table without permission holds its topic by name on both sides; its neighbour flows, and all comes in the end', async () => {
    const topics = ['stuck', 'free'] as const;
    await journey.createTopics(1, ...topics);
    const site = await journey.site('holds', {
      topics,
      tables: topics.map(fullTable),
      lake: {
        store: 's3://lake/holds',
        catalog: 'file',
        database: 'holds',
        region: 'us-east-1',
        s3Endpoint: proxy.endpoint,
      },
      environment: aws.environment,
    });
    const produced = { stuck: 0, free: 0 };
    const produce = async (topic: (typeof topics)[number], count: number) => {
      await journey.produce(topic, numbers(produced[topic], produced[topic] + count));
      produced[topic] += count;
    };
    await Promise.all([site.collector.start(), site.agent.start()]);
    for (const topic of topics) await produce(topic, 20);
    for (const topic of topics) await untilAcknowledged(site, topic, 20);

    proxy.rule = ({ action, path }) =>
      action === 'PutObject' && path.includes('/staged/stuck/')
        ? { when: 'before', how: { status: 403, code: 'AccessDenied' } }
        : undefined;
    const heldByName =
      /topic stuck waits: 4 windows of table stuck wait: uploading: STORE_DENIED: s3:PutObject/;
    const untilHeld = () =>
      eventually('the agent says that the topic is held', async () => {
        await produce('stuck', 1);
        const { code, output } = await site.agent.command(['status']);
        assert.match(output, heldByName);
        assert.equal(code, 1, output);
        return true;
      });
    await untilHeld();
    const { code, output } = await site.collector.command(['status']);
    assert.match(output, /table stuck is parked for .*: uploading: STORE_DENIED: s3:PutObject/);
    assert.doesNotMatch(output, /free/);
    assert.equal(code, 1, output);
    // An agent that comes while the topic is held is told so as well.
    await site.agent.stop();
    await site.agent.start();
    await untilHeld();
    await produce('free', 30);
    await untilAcknowledged(site, 'free', produced.free);
    assert.equal(await acknowledged(site, 'stuck'), 20);
    assert.deepEqual(await pausesOf(site, 'stuck'), ['collector']);
    assert.deepEqual(await pausesOf(site, 'free'), []);

    proxy.resume();
    // Else it is tried again after up to two minutes.
    site.collector.signal('SIGHUP');
    await untilAcknowledged(site, 'stuck', produced.stuck);
    for (const topic of topics) assertExactlyOnce(numbers(0, produced[topic]), await valuesOf(site, topic));
    await verified(site);
    for (const program of [site.agent, site.collector]) {
      await eventually('nothing waits any more', async () => (await program.command(['status'])).code === 0);
    }
    assert.deepEqual(await pausesOf(site, 'stuck'), []);
    await Promise.all([site.agent.stop(), site.collector.stop()]);
  });

  test('holes of compaction, aborts, all codecs, 200,000 in a batch and 6 MB records: the lake is what Java reads', async () => {
    const { kafka, admin } = journey;
    const broker: ToolBroker = { ...journey.broker, address: journey.broker.plaintext };
    const topics = ['compacted', 'mixture'] as const;
    await Promise.all([
      createCompacted(broker, { kafka, admin, topic: 'compacted' }),
      createMixture(broker, { kafka, admin, topic: 'mixture' }),
    ]);
    const site = await journey.site('log', { topics, tables: topics.map(fullTable) });
    await Promise.all([site.collector.start(), site.agent.start()]);
    const [compacted, mixture] = await Promise.all(
      topics.map(async (topic) => {
        const [java, end] = await Promise.all([readByJava(broker, topic), endOf(topic)]);
        await untilAcknowledged(site, topic, end);
        return { java, end, lake: await readLake(site, topic), counts: countsOf(site, topic, end) };
      }),
    );
    assert.ok(compacted && mixture);
    assertHoles(compacted.java);
    for (const { java, lake, counts } of [compacted, mixture]) {
      assert.equal(lake.length, java.length);
      assert.deepEqual(lake, java);
      assert.equal(counts.records, java.length);
    }
    assert.ok(compacted.counts.absent > 50, JSON.stringify(compacted.counts));
    assert.deepEqual({ ...mixture.counts, records: 0 }, { records: 0, control: 6, aborted: 15, absent: 0 });
    const proof = await verified(site);
    for (const [i, { end }] of [compacted, mixture].entries())
      assert.match(proof, new RegExp(`${topics[i]}-0: \\[0, ${end}\\) without a gap or a duplicate`));
    assert.doesNotMatch(site.agent.log() + site.collector.log(), /gap/);
    await Promise.all([site.agent.stop(), site.collector.stop()]);
  });

  test('what retention took while the agent was away is a gap by name, on both sides, and nothing else is lost', async () => {
    const topics = ['expiring', 'lasting'] as const;
    await journey.createTopics(1, ...topics);
    const site = await journey.site('retention', { topics, tables: topics.map(fullTable) });
    const produceBoth = async (from: number, to: number) => {
      for (const topic of topics) await journey.produce(topic, numbers(from, to));
    };
    await Promise.all([site.collector.start(), site.agent.start()]);
    await produceBoth(0, 20);
    for (const topic of topics) await untilAcknowledged(site, topic, 20);
    await site.agent.stop();

    // The log start comes to lie inside a batch: the first one that is fetched begins before it.
    await produceBoth(20, 60);
    assert.equal(await endOf('expiring'), 60);
    await journey.admin.deleteTopicRecords({
      topic: 'expiring',
      partitions: [{ partition: 0, offset: '47' }],
    });
    await site.agent.start();
    for (const topic of topics) await untilAcknowledged(site, topic, 60);
    await produceBoth(60, 70);
    for (const topic of topics) await untilAcknowledged(site, topic, 70);

    assertExactlyOnce([...numbers(0, 20), ...numbers(47, 70)], await valuesOf(site, 'expiring'));
    assertExactlyOnce(numbers(0, 70), await valuesOf(site, 'lasting'));

    const gaps = ledgerOf(site, 'expiring').flatMap((entry) => (entry.kind === 'gap' ? entry.gaps : []));
    assert.deepEqual(
      gaps.map(({ topic, partition, start, next }) => ({ topic, partition, start, next })),
      [{ topic: 'expiring', partition: 0, start: 20, next: 47 }],
    );
    assert.ok(ledgerOf(site, 'lasting').every(({ kind }) => kind !== 'gap'));
    assertGapSaid(site.agent.log(), { topic: 'expiring', partition: 0, startOffset: 20, nextOffset: 47 });
    assertGapSaid(site.collector.log(), { table: 'expiring', partition: 0, start: 20, next: 47 });
    assert.equal(await metric(site.agent.httpUrl, 'sluice_gap_offsets_total{topic="expiring"}'), 27);
    assert.equal(await metric(site.collector.httpUrl, 'sluice_gap_offsets_total{table="expiring"}'), 27);
    const proof = await verified(site);
    assert.match(proof, /expiring-0: \[0, 70\) without a duplicate, and with the gaps below/);
    assert.match(proof, new RegExp(`gap expiring-0 \\[20, 47\\): ${gaps[0]?.reason}`));
    assert.match(proof, /lasting-0: \[0, 70\) without a gap or a duplicate/);
    await eventually('the group stands at the end', async () => {
      return (await journey.groupOffset('retention', 'expiring')) === 70;
    });
    await Promise.all([site.agent.stop(), site.collector.stop()]);
  });
});
