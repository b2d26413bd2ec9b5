// A lie to S3 or Glue hits somebody, and only who it is meant for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '@sluice/shared/clock.ts';
import { Chance } from '../simulation/chance.ts';
import type { AwsProxy, AwsRequest } from '../support/aws-proxy.ts';
import { temporaryDirectory } from '../support/temp.ts';
import { awsFaults } from './aws-faults.ts';
import { Journal } from './journal.ts';
import { each, type Fault, type NonEmpty } from './lane.ts';

const clock: Clock = { ...systemClock, sleep: async () => {} };

/** Two collectors' proxies, and the faults of either service by name. */
function setUp() {
  const proxies: NonEmpty<{ name: string; aws: AwsProxy }> = each(['site-1', 'site-2'], (name) => ({
    name,
    aws: { rule: () => undefined, breakHanging() {} } as Partial<AwsProxy> as AwsProxy,
  }));
  const journal = new Journal(temporaryDirectory(), clock);
  const { s3, glue } = awsFaults(proxies, { clock, journal });
  const ask = (who: 0 | 1, service: AwsRequest['service'], conditional = false) =>
    proxies[who]?.aws.rule({ service, action: 'any', path: '/', conditional });
  return { journal, s3, glue, ask };
}

function named(faults: readonly Fault[], name: string): Fault {
  const found = faults.find((fault) => fault.name === name);
  assert.ok(found, name);
  return found;
}

test('a lie lasts until a request was hit, also where only the other collector asks', async () => {
  const cases = [1, 2, 3, 4, 5, 6].flatMap((seed) => [0, 1].map((who) => ({ seed, who: who as 0 | 1 })));
  const tried = cases.map(async ({ seed, who }) => {
    const { journal, s3, ask } = setUp();
    let over = false;
    const told = named(s3, 'S3 denies')
      .run(new Chance(seed))
      .then(() => {
        over = true;
      });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(over, false, `seed ${seed}`);
    assert.deepEqual(ask(who, 's3')?.how, { status: 403, code: 'AccessDenied' }, `seed ${seed}, ${who}`);
    await told;
    assert.deepEqual(journal.counts.get('S3 denies'), { times: 1, requests: 1, noticed: 0 });
    assert.equal(ask(who, 's3'), undefined, 'it is over');
  });
  await Promise.all(tried);
});

test('lies about S3 and Glue stand beside each other, and neither hits the other’s requests', async () => {
  const { journal, s3, glue, ask } = setUp();
  const told = [named(s3, 'S3 denies'), named(glue, 'Glue denies')].map((f) => f.run(new Chance(4)));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(ask(0, 'glue')?.how, { status: 400, code: 'AccessDeniedException' });
  assert.deepEqual(ask(0, 's3')?.how, { status: 403, code: 'AccessDenied' });
  await Promise.all(told);
  assert.equal(journal.counts.get('Glue denies')?.requests, 1);
});

test('a conflict is answered only to conditional requests', async () => {
  const { journal, s3, ask } = setUp();
  const told = named(s3, 'S3 answers 409').run(new Chance(4));
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 20; i++) assert.equal(ask(0, 's3'), undefined);
  while (ask(0, 's3', true) === undefined);
  await told;
  assert.equal(journal.counts.get('S3 answers 409')?.times, 1);
});
