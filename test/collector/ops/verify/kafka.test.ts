// `verify --kafka` says for each partition where the table stands beside Kafka's log, and says nothing where
// nobody has asked Kafka.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { askCollector, type KafkaAnswers } from '@sluice/collector/ops/verify/kafka.ts';
import { formatVerification } from '@sluice/collector/ops/verify/report.ts';
import { verify, withKafka } from '@sluice/collector/ops/verify/verify.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { fakeObjectStore } from '../../../support/fake-object-store.ts';
import { columns, transformer, written } from '../../../support/verified-lake.ts';
import { createWrittenLake, plainTable } from '../../../support/written-lake.ts';

type Answer = KafkaAnswers[number]['partitions'][number];

const log = (logStart: number, logEnd: number, change: Partial<Answer> = {}): Answer => {
  return { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0, logStart, logEnd, ...change };
};

/** A table that goes on at 5, beside what one agent says. */
async function compared(...partitions: readonly Answer[]) {
  const { lake } = await written();
  const verified = await verify(lake.options, 'shallow');
  const ask = async () => [{ agentId: 'plant-7', partitions }];
  return await withKafka(lake.options.config, verified, ask);
}

const CASES: readonly (readonly [string, readonly Answer[], readonly string[], readonly string[]])[] = [
  ['all that Kafka has', [log(0, 5)], ['equal 0'], []],
  ['less than Kafka has', [log(2, 905)], ['behind 900'], []],
  ['what Kafka does not have', [log(0, 3)], ['ahead 2'], ['KAFKA_LOG_BEHIND claims-0']],
  ['a position that Kafka has deleted', [log(9, 20)], ['lost 4'], ['KAFKA_LOG_AHEAD claims-0']],
  ['a position at the start of the log', [log(5, 20)], ['behind 15'], []],
  [
    'an earlier topic of that name',
    [log(0, 3, { topicId: 'a'.repeat(32) })],
    ['recreated -', 'unopened 3'],
    [],
  ],
  ['a partition that is not open', [log(0, 5), log(1, 4, { partition: 1 })], ['equal 0', 'unopened 3'], []],
  ['nothing of another topic', [log(0, 3, { topic: 'orders' })], ['unseen -'], []],
];

for (const [what, answers, standings, found] of CASES) {
  test(`a table has ${what}: ${standings.join(', ')}`, async () => {
    const { kafka, findings, ok } = await compared(...answers);
    assert.deepEqual(
      kafka.map(({ standing, offsets }) => `${standing} ${offsets ?? '-'}`),
      standings,
    );
    assert.deepEqual(
      findings.map(({ code, place }) => `${code} ${place}`),
      found,
    );
    assert.equal(ok, found.length === 0);
  });
}

test('the report names the offsets, and who asked Kafka', async () => {
  assert.match(
    formatVerification(await compared(log(2, 905))),
    /kafka claims-0: 900 offsets behind Kafka's last stable offset 905 \(asked by plant-7\)/,
  );
  assert.match(formatVerification(await compared()), /kafka claims-0: no verdict: no agent/);
});

test('a table that has nothing yet, of a topic that nobody reads, has no verdict either', async () => {
  const store = fakeObjectStore();
  const lake = await createWrittenLake(transformer, store, [{ ...plainTable, columns }]);
  const verified = await verify(lake.options, 'shallow');
  const { kafka } = await withKafka(lake.options.config, verified, async () => []);
  assert.deepEqual(
    kafka.map(({ partition, standing }) => [partition, standing]),
    [['claims', 'unseen']],
  );
});

test('Kafka is asked after the ledgers were read: a table that goes on meanwhile is not ahead', async () => {
  const { lake } = await written();
  const verified = await verify(lake.options, 'shallow');
  const { kafka } = await withKafka(lake.options.config, verified, async () => {
    await lake.write('claims', ['{"n":5}']);
    return [{ agentId: 'plant-7', partitions: [log(0, 6)] }];
  });
  assert.deepEqual(
    kafka.map(({ standing, offsets }) => [standing, offsets]),
    [['behind', 1]],
  );
});

test('a collector that does not answer, or answers something else, is named', async () => {
  let body = JSON.stringify({ agents: [{ agentId: 'plant-7', partitions: [log(0, 5)] }] });
  const server = createServer((_request, response) => response.end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  assert.deepEqual(await askCollector(`${base}/`), [{ agentId: 'plant-7', partitions: [log(0, 5)] }]);
  body = '{"verdict":"flowing"}';
  await assert.rejects(askCollector(base), { code: 'COLLECTOR_UNREACHABLE', place: `${base}/kafka` });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await assert.rejects(askCollector(base), { code: 'COLLECTOR_UNREACHABLE' });
});
