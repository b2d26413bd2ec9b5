// What must stay true of deploy/ecs/collector.yaml, whatever else is changed in it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { collectorSchema, loadCollectorConfig } from '@sluice/collector/config.ts';
import { rulesThatTouch } from '@sluice/collector/lake/bucket-lifecycle.ts';
import { KEPT_PREFIXES } from '@sluice/collector/lake/object-keys.ts';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { at, type Json, listOf } from '../support/cloudformation.ts';
import { bucketRules, readCollectorTemplate } from '../support/collector-template.ts';

const template = readCollectorTemplate();
const properties = (name: string): Json => template.Resources[name]?.Properties ?? null;
const [files, collector] = listOf(at(properties('TaskDefinition'), 'ContainerDefinitions'));

function targetAttribute(key: string): string {
  const attributes = listOf(at(properties('TargetGroup'), 'TargetGroupAttributes'));
  return String(
    at(
      attributes.find((attribute) => at(attribute, 'Key') === key),
      'Value',
    ),
  );
}

function statements(role: string): readonly Json[] {
  const policies = listOf(at(properties(role), 'Policies'));
  const all = policies.flatMap((policy) => listOf(at(policy, 'PolicyDocument', 'Statement')));
  return all.map((statement) => at(statement, 'Fn::If', 1) ?? statement);
}

const actions = (statement: Json) => listOf(at(statement, 'Action')).map(String);

test('no lifecycle rule touches the ledger, staged objects or tables; uploads and _sluice/tmp/ end', () => {
  const rules = bucketRules(template, 'lake');
  const kept = [...KEPT_PREFIXES, 'claims/'].map((prefix) => `lake/${prefix}`);
  assert.deepEqual(rulesThatTouch(rules, kept), []);
  assert.equal(rulesThatTouch(rules, ['lake/_sluice/tmp/']).length, 1);
  assert.ok(rules.some((rule) => rule.AbortIncompleteMultipartUpload !== undefined));
});

test('the lake outlives its stack, is encrypted, private and reached by TLS only', () => {
  const bucket = properties('Bucket');
  assert.equal(template.Resources['Bucket']?.DeletionPolicy, 'Retain');
  assert.equal(template.Resources['GlueDatabase']?.DeletionPolicy, 'Retain');
  const access = at(bucket, 'PublicAccessBlockConfiguration') as Record<string, Json>;
  assert.deepEqual(Object.values(access), [true, true, true, true]);
  const [encryption] = listOf(at(bucket, 'BucketEncryption', 'ServerSideEncryptionConfiguration'));
  const algorithm = at(encryption, 'ServerSideEncryptionByDefault', 'SSEAlgorithm', 'Fn::If');
  assert.deepEqual(algorithm, ['OwnKey', 'aws:kms', 'AES256']);
  const [policy] = listOf(at(properties('BucketPolicy'), 'PolicyDocument', 'Statement'));
  assert.equal(at(policy, 'Effect'), 'Deny');
  assert.deepEqual(at(policy, 'Condition'), { Bool: { 'aws:SecureTransport': 'false' } });
});

/** Those that IAM lets nobody narrow down: a login, and schemas that are asked for by an id alone. */
const WITHOUT_RESOURCE = ['ecr:GetAuthorizationToken', 'glue:GetSchemaVersion'];

test('no role has a wildcard action, and a wildcard resource only where none can be named', () => {
  for (const role of ['TaskRole', 'ExecutionRole']) {
    assert.ok(statements(role).length > 0);
    for (const statement of statements(role)) {
      assert.deepEqual(
        actions(statement).filter((action) => action.includes('*')),
        [],
      );
      if (listOf(at(statement, 'Resource')).includes('*'))
        assert.ok(WITHOUT_RESOURCE.includes(actions(statement).join()), actions(statement).join());
    }
  }
});

test('the task role deletes below _sluice/staged/ and _sluice/tmp/ and nowhere else', () => {
  const deleting = statements('TaskRole').filter((statement) =>
    actions(statement).some((action) => /delete/i.test(action)),
  );
  assert.equal(deleting.length, 1);
  const resources = listOf(at(deleting[0], 'Resource')).map((resource) => at(resource, 'Fn::Sub'));
  const below = (name: string) => `\${Bucket.Arn}/\${LakePrefix}/_sluice/${name}/*`;
  assert.deepEqual(resources, [below('staged'), below('tmp')]);
});

test('the balancer passes TCP through and asks /readyz over HTTP at the ops port', () => {
  const group = properties('TargetGroup');
  assert.equal(at(properties('Listener'), 'Protocol'), 'TCP');
  assert.equal(at(group, 'Protocol'), 'TCP');
  assert.equal(at(group, 'HealthCheckProtocol'), 'HTTP');
  assert.equal(at(group, 'HealthCheckPath'), '/readyz');
  const defaults = collectorSchema.shape.http.parse(undefined);
  assert.equal(at(group, 'HealthCheckPort'), String(defaults.address.port));
});

test('a drain has its time: nothing cuts a stream before the collector has given up by itself', () => {
  const drainMs = collectorSchema.shape.collector.parse(undefined).drainTimeout;
  const stopSeconds = Number(at(collector, 'StopTimeout'));
  assert.ok(stopSeconds >= drainMs / 1_000 + 5, `${stopSeconds} s for a drain of ${drainMs} ms and 5 s more`);
  assert.ok(stopSeconds <= 120, 'Fargate allows 120 s');
  assert.ok(Number(targetAttribute('deregistration_delay.timeout_seconds')) >= stopSeconds);
  assert.equal(targetAttribute('deregistration_delay.connection_termination.enabled'), 'false');
  const unhealthy = 'target_health_state.unhealthy';
  assert.equal(targetAttribute(`${unhealthy}.connection_termination.enabled`), 'false');
  assert.ok(Number(targetAttribute(`${unhealthy}.draining_interval_seconds`)) >= stopSeconds);
});

test('a bad release takes itself back, and the old collectors stay until the new ones are ready', () => {
  const deployment = at(properties('Service'), 'DeploymentConfiguration');
  assert.deepEqual(at(deployment, 'DeploymentCircuitBreaker'), { Enable: true, Rollback: true });
  assert.equal(at(deployment, 'MinimumHealthyPercent'), 100);
});

test('secrets reach the collector as files of its own volume, never as its environment', () => {
  assert.equal(at(collector, 'Secrets'), undefined);
  assert.equal(at(collector, 'Environment'), undefined);
  assert.deepEqual(at(collector, 'DependsOn'), [{ ContainerName: 'files', Condition: 'SUCCESS' }]);
  const written = listOf(at(files, 'Command'))
    .slice(1)
    .map((pair) => String(pair).split('=')[1]);
  assert.deepEqual(
    written,
    listOf(at(files, 'Secrets')).map((secret) => at(secret, 'Name')),
  );
  for (const container of [files, collector]) {
    assert.equal(at(container, 'User'), '10001:10001');
    assert.equal(at(container, 'ReadonlyRootFilesystem'), true);
  }
});

test('every parameter and output says what it is for', () => {
  for (const [name, { Description }] of Object.entries({ ...template.Parameters, ...template.Outputs }))
    assert.ok(Description, name);
});

test('the example config fits the template: addresses, file names, lake and database', () => {
  const config = loadCollectorConfig(join(projectRoot, 'deploy/ecs/collector.example.yaml'));
  assert.equal(config.http.address.port, Number(at(properties('TargetGroup'), 'HealthCheckPort')));
  assert.equal(config.listen.address.port, at(properties('Listener'), 'Port'));
  for (const { host } of [config.http.address, config.listen.address]) assert.equal(host, '0.0.0.0');
  const [directory, ...pairs] = listOf(at(files, 'Command')).map(String);
  assert.equal(directory, '/etc/sluice');
  const written = pairs.map((pair) => pair.split('=')[0]);
  const { ca, cert, key } = config.listen.tls;
  assert.deepEqual(written, ['collector.yaml', ca, cert, key]);
  assert.ok(config.lake.store.endsWith(`/${template.Parameters['LakePrefix']?.Default}`));
  assert.equal(config.lake.database, template.Parameters['GlueDatabaseName']?.Default);
});

test('the task may read schemas of the Glue Schema Registry, and change none', () => {
  const ofSchemas = statements('TaskRole')
    .flatMap(actions)
    .filter((action) => /schema/i.test(action));
  assert.deepEqual(ofSchemas, ['glue:GetSchemaVersion']);
});
