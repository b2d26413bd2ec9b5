// Exactly once in every order: the product's own ledger and publisher, two collectors, and everything that
// can happen between their requests, within the bounds that each test names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explore, summaryOf } from './explore.ts';
import { boundsOf, CLEAN, DELETING } from './scenarios.ts';

for (const scenario of [...CLEAN, ...DELETING]) {
  test(`no record is lost, doubled, early or taken back: ${scenario.name}`, async (t) => {
    const found = await explore(scenario);
    t.diagnostic(`explored ${scenario.name}: ${summaryOf(found)}`);
    assert.equal(found.violation?.what, undefined, found.violation?.way.join('\n'));
    assert.ok(found.exhausted && found.ends > 0, boundsOf(scenario));
  });
}
