// Who asks a program that is not there is told why nothing answers, not only that a request failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askCollector } from '@sluice/collector/ops/verify/kafka.ts';
import { freePorts } from '@sluice/deploy/local/free-ports.ts';
import { whyFetchFailed } from '@sluice/shared/fetch-failure.ts';

test('nothing listens: by address, by name, and as a command says it', async () => {
  const [port] = await freePorts(1);
  for (const host of ['127.0.0.1', 'localhost']) {
    const error = await fetch(`http://${host}:${port}/status`).catch((failed: unknown) => failed);
    assert.match(whyFetchFailed(error), /ECONNREFUSED/);
  }
  const base = `http://127.0.0.1:${port}`;
  await assert.rejects(askCollector(base), {
    message: `${base}/kafka: connect ECONNREFUSED 127.0.0.1:${port}`,
  });
});

test('an answer that is late, or none that can be read, is told as it is', () => {
  assert.equal(whyFetchFailed(new DOMException('timed out', 'TimeoutError')), 'timed out');
  assert.equal(whyFetchFailed(new SyntaxError('no JSON')), 'no JSON');
});

test('where each address of a name has a reason of its own, what they share is told', () => {
  const cause = Object.assign(new AggregateError([new Error('::1'), new Error('127.0.0.1')]), {
    code: 'ECONNREFUSED',
  });
  assert.equal(whyFetchFailed(new TypeError('fetch failed', { cause })), 'ECONNREFUSED');
});
