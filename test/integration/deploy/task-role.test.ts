// The template as a stack on an emulated AWS that enforces roles: with the task role the collector can do its
// work, and hardly anything else. Two resources are left out: the bucket's policy, which refuses plain HTTP,
// since the emulator speaks nothing else; and ECS's service, since the emulator cannot count tasks that come
// as a parameter.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PutBucketLifecycleConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { createCatalog } from '@sluice/collector/catalog/open-catalog.ts';
import type { Catalog, ObjectStore } from '@sluice/collector/contracts.ts';
import { KEPT_PREFIXES } from '@sluice/collector/lake/object-keys.ts';
import { createObjectStore } from '@sluice/collector/lake/open-store.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { assumeRole, at, createStack, type Json, type Template } from '../../support/cloudformation.ts';
import { bucketRules, readCollectorTemplate } from '../../support/collector-template.ts';
import { claims, windowOf, writerOn } from '../../support/lake-fixture.ts';
import {
  MINISTACK_REGION,
  type MinistackServer,
  startMinistackServer,
} from '../../support/ministack-server.ts';

const ACCOUNT = '000000000000';
const arn = (service: string, resource: string) =>
  `arn:aws:${service}:${MINISTACK_REGION}:${ACCOUNT}:${resource}`;
const PARAMETERS = {
  ImageUri: 'registry.example/sluice-collector:1',
  RepositoryArn: arn('ecr', 'repository/sluice-collector'),
  VpcId: 'vpc-1',
  SubnetIds: 'subnet-1,subnet-2',
  AgentCidr: '10.0.0.0/8',
  BucketName: 'acme-lake',
  LakePrefix: 'insurance',
  GlueDatabaseName: 'insurance',
  ConfigSecretArn: arn('secretsmanager', 'secret:config-AbCdEf'),
  TlsSecretArn: arn('secretsmanager', 'secret:tls-AbCdEf'),
};

let server: MinistackServer;
let store: ObjectStore;
let catalog: Catalog;
const opened: { close(): void }[] = [];

const openStore = (where: string) => {
  const made = createObjectStore({ store: where, region: MINISTACK_REGION, endpoint: server.endpoint });
  opened.push(made);
  return made;
};

const openCatalog = (database: string) => {
  const remote = { region: MINISTACK_REGION, endpoint: server.endpoint };
  const made = createCatalog({ kind: 'glue', database, store, ...remote });
  opened.push(made);
  return made;
};

before(async () => {
  const services = 's3,glue,sts,iam,cloudformation,ec2,elasticloadbalancing,ecs,logs';
  server = await startMinistackServer({ services, enforceRoles: true });
  const template = readCollectorTemplate();
  delete template.Resources['BucketPolicy'];
  delete template.Resources['Service'];
  delete template.Outputs['ServiceName'];
  const trusted = at(template.Resources['TaskRole']?.Properties, 'AssumeRolePolicyDocument', 'Statement');
  assert.ok(Array.isArray(trusted));
  trusted.push(trustInThisTest());
  const outputs = await createStack(server.endpoint, { template, parameters: PARAMETERS });
  await putRules(template);
  const role = outputs.get('TaskRoleArn') ?? '';
  Object.assign(process.env, await assumeRole(server.endpoint, role));
  store = openStore(outputs.get('LakeLocation') ?? '');
  catalog = openCatalog(PARAMETERS.GlueDatabaseName);
});

/** The emulator's stacks leave a bucket's rules out. */
async function putRules(template: Template): Promise<void> {
  const client = new S3Client({ region: MINISTACK_REGION, endpoint: server.endpoint, forcePathStyle: true });
  const LifecycleConfiguration = { Rules: bucketRules(template, PARAMETERS.LakePrefix) };
  const { BucketName: Bucket } = PARAMETERS;
  await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }));
  client.destroy();
}

after(async () => {
  for (const each of opened) each.close();
  await server.stop();
});

function trustInThisTest(): Json {
  return { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Action: 'sts:AssumeRole' };
}

test('with the task role a window is staged, committed, published, catalogued and tidied up', {
  timeout: 60_000,
}, async () => {
  const writer = writerOn(store, systemClock, catalog);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  await writer.commitWindow(windowOf(0, 5));
  await writer.flushPublished();
  assert.equal(writer.acked(claims), 5);
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  assert.ok(keys.includes('claims/day=2026-01-01/w0-0.parquet'), keys.join('\n'));
  assert.ok(!keys.some((key) => key.startsWith('_sluice/staged/')), 'a staged object was left behind');
  assert.deepEqual(
    (await catalog.partitions('claims')).map(({ values }) => values),
    [['2026-01-01']],
  );
  assert.equal(await store.read('_sluice/ledger/claims/never.json'), undefined);
  writer.close();
});

test('with the task role a partition moves, once for each number', async () => {
  const [definition] = (await catalog.tables()).filter(({ name }) => name === 'claims');
  assert.ok(definition);
  const move = (to: string, order: number) =>
    catalog.movePartitions(
      definition,
      ['2026-01-01', '2026-01-02'].map((day) => ({ values: [day], key: `claims.rebuilt/${to}/day=${day}/` })),
      order,
    );
  for (const [to, order] of [
    ['r1', 7],
    ['r2', 9],
    ['r1', 7],
  ] as const)
    await move(to, order);
  const places = (await catalog.partitions('claims')).map(({ location }) => location).toSorted();
  assert.deepEqual(
    places,
    [1, 2].map((day) => `claims.rebuilt/r2/day=2026-01-0${day}/`),
  );
});

test('with the task role `check` passes, and finds no rule of the bucket that touches the ledger', async () => {
  await store.probe();
  await catalog.probe();
  assert.deepEqual(await store.expiring(KEPT_PREFIXES), []);
  assert.deepEqual((await store.expiring(['_sluice/tmp/'])).length, 1);
});

test('the task role cannot delete from the ledger or from the tables', async () => {
  for (const key of [
    '_sluice/ledger/claims/00000000000000000000.json',
    'claims/day=2026-01-01/w0-0.parquet',
  ]) {
    assert.notEqual(await store.head(key), undefined);
    await assert.rejects(store.remove([key]), { code: 'STORE_DENIED' });
    assert.notEqual(await store.head(key), undefined);
  }
});

test('the task role ends where the lake and its database end', async () => {
  const elsewhere = openStore('s3://acme-lake/elsewhere');
  await assert.rejects(elsewhere.createIfAbsent('k', Buffer.from('x')), { code: 'STORE_DENIED' });
  const [definition] = await catalog.tables();
  assert.ok(definition);
  await assert.rejects(openCatalog('elsewhere').ensureTable(definition), { code: 'CATALOG_DENIED' });
});
