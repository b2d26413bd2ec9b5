// A request that hangs is what it is called: with or without its effect upstream, and without an answer until
// it is broken.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startAwsProxy } from '../support/aws-proxy.ts';
import { eventually } from '../support/eventually.ts';

for (const when of ['before', 'after'] as const) {
  test(`a request that hangs ${when} its effect is not answered, and others pass`, async (t) => {
    const taken: string[] = [];
    const upstream = createServer((request, response) => {
      taken.push(request.url ?? '');
      response.end('done');
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const proxy = await startAwsProxy(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`);
    t.after(async () => {
      await proxy.close();
      upstream.close();
    });
    const hung = Promise.withResolvers<void>();
    proxy.rule = ({ path }) => {
      if (path !== '/lake/hangs') return undefined;
      hung.resolve();
      return { when, how: 'hang' };
    };
    let ended = false;
    const hanging = fetch(`${proxy.endpoint}/lake/hangs`, { method: 'PUT' }).finally(() => {
      ended = true;
    });
    hanging.catch(() => {});
    await hung.promise;
    if (when === 'after') await eventually('it takes effect', () => taken.includes('/lake/hangs'));
    const other = await fetch(`${proxy.endpoint}/lake/passes`, { method: 'PUT' });
    assert.equal(await other.text(), 'done');
    assert.deepEqual(taken, when === 'after' ? ['/lake/hangs', '/lake/passes'] : ['/lake/passes']);
    assert.equal(ended, false);
    // Whoever forwards it later would have been caught as `before` with an effect.
    proxy.resume();
    await assert.rejects(hanging);
    assert.equal(taken.includes('/lake/hangs'), when === 'after');
  });
}
