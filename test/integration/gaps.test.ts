// What Kafka lost and a disk still has comes in late and once; a transaction that nobody ends is said by
// name; a log that an unclean election of two brokers cuts is in the lake as it was and as it went on.
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startBroker } from '@sluice/deploy/local/kafka-broker.ts';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import {
  type Journey,
  ledgerOf,
  numbers,
  query,
  startJourney,
  textTable,
  untilAcknowledged,
  verified,
} from './journey-fixture.ts';

let journey: Journey;

before(async () => {
  journey = await startJourney();
});

after(() => journey?.stop());

interface AgentStatus {
  readonly verdict: string;
  readonly kafka: { readonly partitions: readonly { readonly partition: string; readonly waits?: string }[] };
  readonly spool: { readonly partitions: readonly { readonly nextOffset: number }[] };
}

test('a gap is recorded at once, and filled when the disk that still has it comes back', async () => {
  const topic = 'lost';
  await journey.createTopics(1, topic);
  const site = await journey.site(topic, { topics: [topic], tables: [textTable(topic)] });
  await site.collector.start();
  await site.agent.start();
  await journey.produce(topic, numbers(0, 10));
  await untilAcknowledged(site, topic, 10);
  await site.collector.stop();
  await journey.produce(topic, numbers(10, 30));
  await eventually('30 offsets are spooled', async () => {
    const { spool } = await site.agent.status<AgentStatus>();
    return spool.partitions.some((p) => p.nextOffset >= 30);
  });
  await site.agent.stop();
  const copy = join(journey.directory, 'disk-with-the-gap');
  cpSync(site.agentDirectory, copy, { recursive: true });
  rmSync(site.agentDirectory, { recursive: true });
  await journey.produce(topic, numbers(30, 40));
  // The client asks only brokers that it has heard of.
  await journey.admin.fetchTopicOffsets(topic);
  await journey.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '30' }] });

  await site.collector.start();
  await site.agent.start();
  await untilAcknowledged(site, topic, 40);
  assert.match(await verified(site), /gap lost-0 \[10, 30\)/);

  await site.agent.stop();
  rmSync(site.agentDirectory, { recursive: true });
  cpSync(copy, site.agentDirectory, { recursive: true });
  await site.agent.start();
  const rows = async () =>
    (await query(site, `select value from ${topic}`)).map(({ value }) => String(value));
  await eventually('the gap is filled', async () => (await rows()).length >= 40, { deadlineMs: 60_000 });
  assertExactlyOnce(numbers(0, 40), await rows());
  assert.deepEqual(
    ledgerOf(site, topic)
      .flatMap((entry) => (entry.kind === 'fill' ? entry.ranges : []))
      .map((r) => r.start),
    [10],
  );
  const said = await verified(site);
  assert.match(said, /filled lost-0 \[10, 30\): closed by entry \d+/);
  assert.doesNotMatch(said, /gap lost-0/);
  await eventually('the disk lets it go', async () => {
    const { spool } = await site.agent.status<AgentStatus>();
    return spool.partitions.length === 0;
  });
  await Promise.all([site.agent.stop(), site.collector.stop()]);
});

test('a transaction that stays open is what the partition waits for, and says since when', async () => {
  const topic = 'open';
  await journey.createTopics(1, topic);
  const site = await journey.site(topic, { topics: [topic], tables: [textTable(topic)] });
  await site.collector.start();
  await site.agent.start();
  await journey.produce(topic, numbers(0, 5));
  await untilAcknowledged(site, topic, 5);
  const producer = journey.kafka.producer({
    transactionalId: 'forgotten',
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: 600_000,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ value: '5' }] });
  await journey.produce(topic, numbers(6, 8));
  const waits = async () => (await site.agent.status<AgentStatus>()).kafka.partitions[0]?.waits;
  await eventually('the open transaction is said', async () =>
    /^open transaction since 20/.test((await waits()) ?? ''),
  );
  assert.equal((await site.agent.status<AgentStatus>()).verdict, 'flowing', 'not before its bound');
  await transaction.commit();
  await untilAcknowledged(site, topic, 9);
  await eventually('nothing is waited for', async () => (await waits()) === undefined);
  assertExactlyOnce(
    numbers(0, 8),
    (await query(site, `select value from ${topic}`)).map(({ value }) => String(value)),
  );
  await producer.disconnect();
  await Promise.all([site.agent.stop(), site.collector.stop()]);
});

async function partitionOf(topic: string) {
  const { topics } = await journey.admin.fetchTopicMetadata({ topics: [topic] });
  return topics[0]?.partitions[0];
}

/** A broker for replicas only: the first one has the groups' offsets and controls the cluster. */
const joiningBroker = (nodeId: number) =>
  startBroker({
    directory: join(journey.directory, `kafka-${nodeId}`),
    tls: { certificate: journey.pki.broker, caPem: journey.pki.caPem },
    joins: { first: journey.broker, nodeId },
    isBrief: true,
    properties: { 'replica.lag.time.max.ms': '1500' },
  });

test('a log that an unclean election cut is in the lake as it was read and as it went on', async () => {
  const topic = 'cut';
  // The first question for a group makes Kafka create the topic of all groups' offsets, on this one broker.
  await journey.createTopics(1, 'first');
  await eventually('it did', () => journey.groupOffset('first', 'first').then((offset) => offset === 0));
  const [leader, follower] = await Promise.all([joiningBroker(2), joiningBroker(3)]);
  try {
    await journey.admin.createTopics({
      topics: [
        {
          topic,
          replicaAssignment: [{ partition: 0, replicas: [2, 3] }],
          configEntries: [{ name: 'unclean.leader.election.enable', value: 'true' }],
        },
      ],
    });
    const site = await journey.site(topic, { topics: [topic], tables: [textTable(topic)] });
    await site.collector.start();
    await site.agent.start();
    const kept = numbers(0, 10).map((n) => `kept ${n}`);
    await journey.produce(topic, kept);
    await untilAcknowledged(site, topic, 10);
    await follower.stop();
    await eventually(
      'the follower is out of sync',
      async () => (await partitionOf(topic))?.isr.length === 1,
      {
        deadlineMs: 30_000,
      },
    );
    const lost = numbers(10, 40).map((n) => `lost ${n}`);
    await journey.produce(topic, lost);
    await untilAcknowledged(site, topic, 40);
    await leader.kill();
    await follower.restart();
    await eventually('the follower leads', async () => (await partitionOf(topic))?.leader === 3, {
      deadlineMs: 60_000,
    });
    const next = numbers(10, 60).map((n) => `next ${n}`);
    // Another one than before: an idempotent producer would see that the log lost what it had sent.
    const producer = journey.kafka.producer();
    await producer.connect();
    await producer.send({ topic, messages: next.map((value) => ({ value })) });
    await producer.disconnect();
    const rows = async () =>
      (await query(site, `select value from ${topic}`)).map(({ value }) => String(value));
    await eventually('what came after the cut is there', async () => (await rows()).length >= 90, {
      deadlineMs: 90_000,
    });
    assertExactlyOnce([...kept, ...lost, ...next], await rows());
    assert.match(await verified(site), /fork cut-0 \[10, 40\): came again in epoch \d+/);
    await Promise.all([site.agent.stop(), site.collector.stop()]);
  } finally {
    await Promise.all([leader.kill(), follower.kill()]);
  }
});
