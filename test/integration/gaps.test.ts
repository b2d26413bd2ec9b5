// What Kafka lost and a disk still has comes in late and once; a transaction that nobody ends is said by
// name. An unclean election needs two brokers and is simulated: test/simulation.
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
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
