// Two agents in one group, two collectors behind one balancer, one lake: collectors are replaced one by one
// while records come, partitions move while their data are unacknowledged, a spool is reset, and nothing is
// lost, doubled or late by more than a window and ten seconds.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { assertContiguous, assertExactlyOnce } from '../support/oracles.ts';
import {
  type AgentStatus,
  createFleet,
  type Fleet,
  FURTHER_AGENTS,
  fleetTable,
  portOf,
  spooled,
  untilCommitted,
  WINDOW_MS,
} from './fleet-fixture.ts';
import {
  type Journey,
  ledgerOf,
  numbers,
  query,
  startJourney,
  untilAcknowledged,
  verified,
} from './journey-fixture.ts';

const PARTITIONS = 4;
/** What ECS gives a task to end. */
const REPLACED_MS_MAX = 110_000;
const LATE_MS_MAX = WINDOW_MS + 10_000;

let journey: Journey;

before(async () => {
  journey = await startJourney({}, FURTHER_AGENTS);
});

after(() => journey?.stop());

interface Sent {
  readonly partition: number;
  /** Offset of its last record. */
  readonly last: number;
  readonly atMs: number;
}

/** A batch to each partition, over and over, until it is stopped; resolves with all that was sent. */
function startProducing(topic: string): () => Promise<{ sent: readonly Sent[]; total: number }> {
  const sent: Sent[] = [];
  let total = 0;
  let stopped = false;
  const run = async () => {
    while (!stopped) {
      const atMs = Date.now();
      const messages = numbers(total, total + 20).map((value, i) => ({ value, partition: i % PARTITIONS }));
      const replies = await journey.producer.send({ topic, messages });
      total += messages.length;
      for (const { partition, baseOffset } of replies)
        sent.push({ partition, last: Number(baseOffset) + messages.length / PARTITIONS - 1, atMs });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const running = run();
  return async () => {
    stopped = true;
    await running;
    return { sent, total };
  };
}

const rangesOf = (fleet: Fleet, topic: string) =>
  ledgerOf(fleet, topic).flatMap((entry) =>
    entry.kind === 'commit'
      ? entry.ranges.map((range) => ({ ...range, atMs: Date.parse(entry.writtenAt) }))
      : [],
  );

function assertEachOnce(fleet: Fleet, topic: string): void {
  const entries = ledgerOf(fleet, topic);
  assert.ok(entries.every(({ kind }) => kind !== 'gap'));
  for (const list of Map.groupBy(rangesOf(fleet, topic), ({ partition }) => partition).values())
    assertContiguous(list);
}

/** How long after it was produced the last record of the slowest batch was committed. */
function latest(fleet: Fleet, topic: string, sent: readonly Sent[]): number {
  const ranges = Map.groupBy(rangesOf(fleet, topic), ({ partition }) => partition);
  return Math.max(
    ...sent.map(({ partition, last, atMs }) => {
      const range = ranges.get(partition)?.find(({ start, next }) => start <= last && last < next);
      return (range?.atMs ?? Number.POSITIVE_INFINITY) - atMs;
    }),
  );
}

test('collectors are replaced one by one under load: nothing lost, doubled, or late by a window and 10 s', async (t) => {
  const topic = 'rolling';
  await journey.createTopics(PARTITIONS, topic);
  const fleet = await createFleet(journey, topic);
  const { sites, balancer } = fleet;
  await Promise.all(sites.map(({ collector }) => collector.start()));
  for (const site of sites) balancer.add(portOf(site));
  await Promise.all(sites.map(({ agent }) => agent.start()));
  const stopProducing = startProducing(topic);
  await untilCommitted(journey, topic, 200);
  for (const site of sites) {
    balancer.remove(portOf(site));
    const startedMs = performance.now();
    await site.collector.stop(REPLACED_MS_MAX);
    assert.equal(await site.collector.ended(), 0, 'it ended in order');
    await site.collector.start();
    balancer.add(portOf(site));
    t.diagnostic(`replaced in ${((performance.now() - startedMs) / 1e3).toFixed(1)} s`);
    const before = await journey.groupOffset(topic, topic);
    await eventually('it goes on', async () => (await journey.groupOffset(topic, topic)) > before);
  }
  const { sent, total } = await stopProducing();
  await untilCommitted(journey, topic, total);
  const lateMs = latest(fleet, topic, sent);
  t.diagnostic(
    `${total} records, the slowest was committed ${(lateMs / 1e3).toFixed(1)} s after it was produced`,
  );
  assert.ok(lateMs <= LATE_MS_MAX, `${lateMs} ms`);
  assertEachOnce(fleet, topic);
  const values = await query(sites[0], `select value from ${topic}`);
  assertExactlyOnce(
    numbers(0, total),
    values.map(({ value }) => String(value)),
  );
  for (const { agent } of sites)
    assert.doesNotMatch(agent.log(), /"level":"(error|warn)".*(gap|asks for these)/);
  await verified(sites[0]);
  await fleet.stop();
});

test('partitions move to another agent and back while their spooled data are unacknowledged: each record once', async () => {
  const topic = 'moving';
  await journey.createTopics(PARTITIONS, topic);
  const fleet = await createFleet(journey, topic);
  const { sites, balancer } = fleet;
  const [{ agent: first }, { agent: second }] = sites;
  const collectors = sites.map(({ collector }) => collector);
  const produce = (from: number, to: number) =>
    journey.producer.send({
      topic,
      messages: numbers(from, to).map((value, i) => ({ value, partition: i % PARTITIONS })),
    });
  for (const site of sites) balancer.add(portOf(site));
  await Promise.all([...collectors, first, second].map((program) => program.start()));
  await produce(0, 40);
  await untilCommitted(journey, topic, 40);
  await Promise.all(collectors.map((collector) => collector.stop()));
  // No collector is there: what is read stays in the spools.
  await produce(40, 400);
  await eventually('both have spooled their part', async () => {
    const [mine, others] = [await spooled(first), await spooled(second)];
    return mine > 0 && others > 0 && mine + others === 400;
  });
  await second.stop();
  await eventually('the first has spooled all', async () => (await spooled(first)) === 400);
  await second.start();
  await produce(400, 800);
  await eventually('the second reads again', async () => (await spooled(second)) > 200);
  await Promise.all(collectors.map((collector) => collector.start()));
  await untilCommitted(journey, topic, 800);
  assertEachOnce(fleet, topic);
  const values = await query(sites[0], `select value from ${topic}`);
  assertExactlyOnce(
    numbers(0, 800),
    values.map(({ value }) => String(value)),
  );
  for (const { agent } of sites)
    await eventually('both spools are empty', async () => {
      const { spool } = await agent.status<AgentStatus>();
      return spool.partitions.length === 0;
    });
  await fleet.stop();
});

test('a data directory in use is refused; a reset says what Kafka no longer has, and the rest heals from the ledger', async () => {
  const topic = 'reset';
  await journey.createTopics(1, topic);
  const site = await journey.site(topic, { topics: [topic], tables: [fleetTable(topic)] });
  const { agent, collector } = site;
  await Promise.all([collector.start(), agent.start()]);
  await journey.produce(topic, numbers(0, 10));
  await untilAcknowledged(site, topic, 10);
  await collector.stop();
  await journey.produce(topic, numbers(10, 40));
  await eventually('all is spooled', async () => (await spooled(agent)) >= 40);
  for (const command of [['run'], ['spool', 'reset', '--yes']]) {
    const { code, output } = await agent.command(command);
    assert.equal(code, 70, output);
    assert.match(
      output,
      /SPOOL_LOCKED: another process holds the spool.*\n.*Another agent uses this agent\.dataDir/,
    );
  }
  await agent.stop();
  await eventually('Kafka has forgotten some', async () => {
    await journey.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '20' }] });
    return true;
  });
  const asked = await agent.command(['spool', 'reset']);
  assert.equal(asked.code, 1, asked.output);
  assert.match(asked.output, /reset-0 \[10, 40\) not acknowledged: 30 records/);
  assert.match(asked.output, /Kafka holds \[20, 40\), AND NO LONGER \[10, 20\)/);
  const done = await agent.command(['spool', 'reset', '--yes']);
  assert.equal(done.code, 0, done.output);
  assert.match(done.output, /renamed to .*spool\.reset-/);
  await Promise.all([collector.start(), agent.start()]);
  await journey.produce(topic, numbers(40, 50));
  await untilAcknowledged(site, topic, 50);
  const values = await query(site, `select value from ${topic}`);
  assertExactlyOnce(
    [...numbers(0, 10), ...numbers(20, 50)],
    values.map(({ value }) => String(value)),
  );
  const gaps = ledgerOf(site, topic).flatMap((entry) => (entry.kind === 'gap' ? entry.gaps : []));
  assert.deepEqual(
    gaps.map(({ start, next }) => [start, next]),
    [[10, 20]],
  );
  await Promise.all([agent.stop(), collector.stop()]);
});
