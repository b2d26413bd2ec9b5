// Links that are cut, disks that are lost or old, topics that nobody may send: what exists arrives once, and
// neighbours flow.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Site } from '@sluice/deploy/local/site.ts';
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

let journey: Journey;

before(async () => {
  journey = await startJourney();
});

after(() => journey?.stop());

/** Messages `from` to `to` - 1 of a topic with one partition, as their offsets. */
const produceNumbers = (topic: string, from: number, to: number) => journey.produce(topic, numbers(from, to));

async function valuesOf(site: Site, table: string): Promise<string[]> {
  return (await query(site, `select value from ${table}`)).map(({ value }) => String(value));
}

interface AgentStatus {
  readonly reasons: readonly string[];
  readonly spool: { readonly partitions: readonly { partition: string; nextOffset: number }[] };
}

async function untilSpooled(site: Site, nextOffset: number): Promise<void> {
  await eventually(`${nextOffset} offsets are spooled`, async () => {
    const { spool } = await site.agent.status<AgentStatus>();
    return spool.partitions.some((p) => p.nextOffset >= nextOffset);
  });
}

/** Passes bytes both ways, to `target`, and cuts every connection that stands when it is told to. */
async function startCutter() {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const [host = '', port = ''] = cutter.target.split(':');
    const far = connect(Number(port), host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.pipe(to);
      from.on('error', () => {});
      from.on('close', () => open.delete(from) && to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    if (open.size > 0) cutter.cuts++;
    for (const socket of open) socket.destroy();
  };
  let timer: NodeJS.Timeout | undefined;
  const cutter = {
    address: `127.0.0.1:${port}`,
    target: '',
    cuts: 0,
    cutEvery(ms: number) {
      timer = setInterval(cut, ms);
    },
    stopCutting: () => clearInterval(timer),
    close: () => void server.close(),
  };
  return cutter;
}

test('a link that is cut every 700 ms while 50,000 records flow loses nothing and doubles nothing', async () => {
  const total = 50_000;
  const batches = 50;
  await journey.createTopics(3, 'cut');
  const cutter = await startCutter();
  const site = await journey.site('cut', {
    topics: ['cut'],
    tables: [textTable('cut')],
    collectorAddress: cutter.address,
  });
  cutter.target = site.linkAddress;
  await site.collector.start();
  await site.agent.start();
  cutter.cutEvery(700);
  for (let batch = 0; batch < batches; batch++) {
    const first = (batch * total) / batches;
    const values = numbers(first, first + total / batches);
    // Random, so that compression leaves something to send.
    await journey.produce(
      'cut',
      values.map((n) => `${n} ${randomBytes(200).toString('hex')}`),
    );
    await eventually('the link is cut again', () => cutter.cuts >= batch / 5);
  }
  cutter.stopCutting();
  await untilAcknowledged(site, 'cut', total);
  const rows = await query(site, "select split_part(value, ' ', 1) as n from cut");
  assertExactlyOnce(
    numbers(0, total),
    rows.map(({ n }) => String(n)),
  );
  const entries = ledgerOf(site, 'cut');
  assert.deepEqual(new Set(entries.map(({ kind }) => kind)), new Set(['open', 'commit']));
  const ranges = entries.flatMap((entry) => (entry.kind === 'commit' ? entry.ranges : []));
  for (const list of Map.groupBy(ranges, ({ partition }) => partition).values()) assertContiguous(list);
  await verified(site);
  await Promise.all([site.agent.stop(), site.collector.stop()]);
  cutter.close();
});

test('an agent whose data directory was deleted, or is an old copy, sends everything once', async () => {
  const topic = 'disk';
  await journey.createTopics(1, topic);
  const site = await journey.site(topic, { topics: [topic], tables: [textTable(topic)] });
  const copy = join(journey.directory, 'old-copy');
  const restore = () => {
    rmSync(site.agentDirectory, { recursive: true });
    cpSync(copy, site.agentDirectory, { recursive: true });
  };
  await site.collector.start();
  await site.agent.start();
  await produceNumbers(topic, 0, 30);
  await untilAcknowledged(site, topic, 30);
  await site.collector.stop();
  await produceNumbers(topic, 30, 60);
  await untilSpooled(site, 60);
  await site.agent.stop();
  cpSync(site.agentDirectory, copy, { recursive: true });

  // Deleted with data that only it had spooled: Kafka still has them.
  rmSync(site.agentDirectory, { recursive: true });
  await site.agent.start();
  await untilSpooled(site, 60);
  await site.collector.start();
  await untilAcknowledged(site, topic, 60);

  // An old copy, all of which is committed by now, while the collector is away.
  await Promise.all([site.agent.stop(), site.collector.stop()]);
  restore();
  await produceNumbers(topic, 60, 90);
  await site.agent.start();
  await untilSpooled(site, 90);
  await site.collector.start();
  await untilAcknowledged(site, topic, 90);

  // The same while the collector is there and has received more than the copy knows.
  await site.agent.stop();
  restore();
  await site.agent.start();
  await produceNumbers(topic, 90, 120);
  await untilAcknowledged(site, topic, 120);

  assertExactlyOnce(numbers(0, 120), await valuesOf(site, topic));
  assert.ok(ledgerOf(site, topic).every(({ kind }) => kind !== 'gap'));
  await verified(site);
  await eventually('the group stands at the end', async () => {
    return (await journey.groupOffset(topic, topic)) === 120;
  });
  await Promise.all([site.agent.stop(), site.collector.stop()]);
});

test('a topic outside the list, or that no table reads, is refused by name on both sides while others flow', async () => {
  await journey.createTopics(1, 'open', 'unread', 'secret');
  const site = await journey.site('refused', {
    topics: ['open', 'unread', 'secret'],
    allowedTopics: ['open', 'unread'],
    tables: [textTable('open'), textTable('secret')],
  });
  await site.collector.start();
  await site.agent.start();
  for (const topic of ['open', 'unread', 'secret']) await produceNumbers(topic, 0, 20);
  await untilAcknowledged(site, 'open', 20);
  const { code, output } = await site.agent.command(['status']);
  assert.equal(code, 1, output);
  const unread = /topic unread is refused: LINK_TOPIC_REFUSED: no table reads topic 'unread'/;
  const secret = /topic secret is refused: LINK_TOPIC_REFUSED: agent 'site-1' may not send topic 'secret'/;
  assert.match(output, unread);
  assert.match(output, secret);
  for (const topic of ['unread', 'secret']) {
    const told = new RegExp(`"topic":"${topic}","code":"LINK_TOPIC_REFUSED".*topic refused`);
    assert.match(site.collector.log(), told);
    const heard = new RegExp(`"topic":"${topic}","code":"LINK_TOPIC_REFUSED".*refuses this topic`);
    assert.match(site.agent.log(), heard);
  }
  assert.equal(await acknowledged(site, 'secret'), 0);
  await produceNumbers('open', 20, 40);
  await untilAcknowledged(site, 'open', 40);

  // Once it is allowed, it flows from where it begins.
  const config = readFileSync(site.collector.configFile, 'utf8');
  writeFileSync(site.collector.configFile, config.replace('- unread', '- unread\n      - secret'));
  await site.collector.stop();
  await site.collector.start();
  await untilAcknowledged(site, 'secret', 20);
  assertExactlyOnce(numbers(0, 40), await valuesOf(site, 'open'));
  assertExactlyOnce(numbers(0, 20), await valuesOf(site, 'secret'));
  const now = await site.agent.command(['status']);
  assert.match(now.output, unread);
  assert.doesNotMatch(now.output, secret);
  await Promise.all([site.agent.stop(), site.collector.stop()]);
});
