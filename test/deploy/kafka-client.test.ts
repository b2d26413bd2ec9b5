// The client of tests and demo stays quiet where kafkajs by itself would spin a timer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKafkaClient } from '@sluice/deploy/local/kafka-client.ts';
import requestQueue from 'kafkajs/src/network/requestQueue/index.js';

test('an idle connection of a test’s Kafka client arms no timer', () => {
  createKafkaClient({ brokers: ['127.0.0.1:1'] });
  const idle = { pending: [], throttledUntil: -1, throttleCheckTimeoutId: null };
  const { prototype } = requestQueue as unknown as {
    prototype: { scheduleCheckPendingRequests(this: typeof idle): void };
  };
  prototype.scheduleCheckPendingRequests.call(idle);
  assert.equal(idle.throttleCheckTimeoutId, null);
});
