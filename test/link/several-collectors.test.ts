// Several collectors behind one balancer, on one lake: agents that all went to one are spread again by the
// age of their streams, and links that live shorter than a window still bring everything through.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { createBalancer } from '../support/balancer.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { fastClock, startAgentEnd } from '../support/link-ends.ts';
import { createLinkPki } from '../support/link-pki.ts';
import { createLinkProxy } from '../support/link-proxy.ts';
import { assertContiguous } from '../support/oracles.ts';
import { segmentOf } from '../support/segments.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { committedRanges, startWholeCollector, type WholeCollector } from '../support/whole-collector.ts';

const pki = await createLinkPki();
const collectorTls = await pki.collector();
const RECORDS = 5;

async function startFleet(t: TestContext, streamAgeMaxMs?: number) {
  const directory = temporaryDirectory();
  const lake = join(directory, 'lake');
  const balancer = createBalancer();
  const proxy = await createLinkProxy(balancer.next);
  const collectors: WholeCollector[] = [];
  for (const id of ['collector-1', 'collector-2']) {
    const at = { directory, lake, id, tls: collectorTls, topics: ['claims'], clock: fastClock };
    const age = streamAgeMaxMs === undefined ? {} : { streamAgeMaxMs };
    const collector = await startWholeCollector(t, { ...at, ...age });
    collectors.push(collector);
    balancer.add(collector.port);
  }
  t.after(() => proxy.close());
  return { lake, proxy, balancer, collectors };
}

/** An agent with one partition of its own; `until.offset` is where its records end now. */
async function startAgent(t: TestContext, port: number, partition: number) {
  const id = { topic: 'claims', topicId: NO_TOPIC_ID, partition };
  const until = { offset: 0 };
  const sent: number[] = [];
  const at = (offset: number) => {
    if (offset >= until.offset) return undefined;
    sent.push(offset);
    return segmentOf(Array(RECORDS).fill('value'), { ...id, baseOffset: offset });
  };
  const feed = feedDouble([{ id, at }]);
  const agentId = `site-${partition}`;
  const tls = await pki.agent(agentId);
  const address = { host: '127.0.0.1', port };
  const { uplink } = startAgentEnd(t, { address, tls, agentId, feed, clock: fastClock });
  const more = () => {
    until.offset += RECORDS;
    feed.wake();
  };
  return { id, uplink, feed, sent, until, more, committed: () => feed.committed(id) };
}

function assertCommittedOnce(lake: string, ends: readonly number[]): void {
  const ranges = committedRanges(lake, 'claims');
  for (const [partition, end] of ends.entries()) {
    const mine = ranges.filter((range) => range.partition === partition);
    assertContiguous(mine);
    assert.deepEqual([mine[0]?.start, mine.at(-1)?.next], [0, end]);
  }
}

test('agents that all hang on one collector are on both after their streams’ age, and send nothing twice', async (t) => {
  const { lake, proxy, balancer, collectors } = await startFleet(t, 30_000);
  const [first, second] = collectors;
  assert.ok(first && second);
  balancer.remove(second.port);
  const agents = await Promise.all([0, 1, 2, 3].map((partition) => startAgent(t, proxy.port, partition)));
  await eventually('all hang on the first', () => first.streams() === agents.length);
  balancer.add(second.port);
  const isSpread = () => first.streams() > 0 && second.streams() > 0;
  const handedOn = () => collectors.reduce((sum, { log }) => sum + log.said(/stream handed on/).length, 0);
  await eventually('they are spread, and every stream was handed on twice', () => {
    for (const agent of agents) agent.more();
    return isSpread() && handedOn() >= 2 * agents.length;
  });
  await eventually('all is acknowledged', () => agents.every((a) => a.committed() === a.until.offset));
  for (const { sent, until } of agents)
    assert.deepEqual(
      sent,
      Array.from({ length: until.offset / RECORDS }, (_, i) => i * RECORDS),
    );
  assertCommittedOnce(
    lake,
    agents.map(({ until }) => until.offset),
  );
  const said = collectors.flatMap(({ log }) => log.said(/hole in what|connection refused|one agent id/));
  assert.deepEqual(said, []);
});

test('links that live for a moment, each to another collector, bring everything through once', async (t) => {
  const { lake, proxy } = await startFleet(t);
  const agent = await startAgent(t, proxy.port, 0);
  let cuts = 0;
  const cutting = setInterval(() => {
    cuts += proxy.open > 0 ? 1 : 0;
    proxy.cut();
  }, 250);
  t.after(() => clearInterval(cutting));
  for (let round = 1; round <= 8; round++) {
    const before = cuts;
    await eventually('the link is cut twice while records come', () => {
      agent.more();
      return cuts >= before + 2;
    });
  }
  const end = agent.until.offset;
  await eventually('all is acknowledged over links that are still cut', () => agent.committed() === end);
  assertCommittedOnce(lake, [end]);
  t.diagnostic(`${cuts} cuts, ${agent.uplink.status().attempts} links, ${end} records`);
});
