// The balancer that tests stand on deals connections out in turn, and none to a target that was taken out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBalancer } from '../support/balancer.ts';

const take = (balancer: { next(): number }, times: number) =>
  Array.from({ length: times }, () => balancer.next());

test('targets take turns; one that is taken out gets none, and one that comes back gets its turn', () => {
  const balancer = createBalancer(1, 2);
  assert.deepEqual(take(balancer, 4), [1, 2, 1, 2]);
  balancer.remove(1);
  assert.deepEqual(take(balancer, 2), [2, 2]);
  balancer.add(1);
  balancer.add(1);
  assert.deepEqual(take(balancer, 4).toSorted(), [1, 1, 2, 2]);
  for (const port of [1, 2, 3]) balancer.remove(port);
  assert.deepEqual(take(balancer, 2), [0, 0], 'nobody is there');
});
