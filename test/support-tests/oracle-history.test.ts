// What the oracle asks for of a table's history: no less than Kafka has of it, and nothing that comes live.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OracleHistory } from '../support/oracle-history.ts';
import type { OraclePartition } from '../support/oracle-log.ts';

const from = (start: number): OraclePartition => {
  return { topic: 'orders', topicId: 'a', partition: 0, start, produced: new Map() };
};

test('the history of a log that was cut ends at the cut, also where nobody has begun it', () => {
  const history = new OracleHistory();
  history.opened('orders/0', 4);
  history.cut('orders/0', 2);
  assert.equal(history.missing('orders/0', from(0)), 'the history of orders/0 below 2 was never begun');
  assert.equal(history.missing('orders/0', from(2)), undefined, 'Kafka has nothing below it');
  assert.match(history.begun('orders/0', { from: 0, to: 4 }) ?? '', /which it opened at 2/);
});
