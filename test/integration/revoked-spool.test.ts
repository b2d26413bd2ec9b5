// What only an agent's spool still has, of a partition that belongs to another agent now: Kafka has deleted
// it, so it is a gap at first, and it is in the lake in the end.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { assertExactlyOnce } from '../support/oracles.ts';
import { createFleet, FURTHER_AGENTS, portOf, spooled, untilCommitted } from './fleet-fixture.ts';
import { type Journey, ledgerOf, numbers, query, startJourney, verified } from './journey-fixture.ts';

let journey: Journey;

before(async () => {
  journey = await startJourney({}, FURTHER_AGENTS);
});

after(() => journey?.stop());

test('what Kafka has deleted, and only an agent that lost the partition has spooled, is in the lake', async () => {
  const topic = 'revoked';
  await journey.createTopics(1, topic);
  const fleet = await createFleet(journey, topic);
  const [{ agent: first, collector: one }, { agent: second, collector: other }] = fleet.sites;
  for (const site of fleet.sites) fleet.balancer.add(portOf(site));
  await Promise.all([first.start(), one.start(), other.start()]);
  await journey.produce(topic, numbers(0, 10));
  await untilCommitted(journey, topic, 10);
  await Promise.all([one.stop(), other.stop()]);
  await journey.produce(topic, numbers(10, 60));
  await eventually('the first has spooled all', async () => (await spooled(first)) === 60);
  await eventually('Kafka has forgotten most of it', async () => {
    await journey.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '50' }] });
    return true;
  });
  await first.stop();
  await second.start();
  await eventually('the second reads from where the log begins', async () => (await spooled(second)) === 60);
  await Promise.all([one.start(), other.start()]);
  await untilCommitted(journey, topic, 60);
  const gaps = () => ledgerOf(fleet, topic).flatMap((entry) => (entry.kind === 'gap' ? entry.gaps : []));
  assert.deepEqual(
    gaps().map(({ start, next }) => [start, next]),
    [[10, 50]],
  );
  await first.start();
  const valuesOf = async () =>
    (await query(fleet.sites[0], `select value from ${topic}`)).map(({ value }) => String(value));
  await eventually('the gap is filled', async () => (await valuesOf()).length === 60, {
    deadlineMs: 60_000,
    everyMs: 500,
  });
  assertExactlyOnce(numbers(0, 60), await valuesOf());
  const fills = ledgerOf(fleet, topic).flatMap((entry) => (entry.kind === 'fill' ? entry.ranges : []));
  assert.deepEqual(
    [Math.min(...fills.map(({ start }) => start)), Math.max(...fills.map(({ next }) => next))],
    [10, 50],
  );
  await verified(fleet.sites[0]);
  await fleet.stop();
});
