// What a collector's role may do: the command prints what the template grants, and both hold exactly what the
// collector calls, so that a call that is added, or one that goes, is seen here.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CollectorConfig, loadCollectorConfig } from '@sluice/collector/config.ts';
import { iamPolicy, type PolicyOptions, prunePolicy } from '@sluice/collector/ops/iam-policy.ts';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { at, type Json, listOf } from '../support/cloudformation.ts';
import { readCollectorTemplate } from '../support/collector-template.ts';

const example = loadCollectorConfig(join(projectRoot, 'deploy/ecs/collector.example.yaml'));
const [claims = assert.fail()] = example.tables;
const key = 'arn:aws:kms:eu-central-1:123456789012:key/1';
const granted = { account: '123456789012', kmsKey: key };

/** The example with its region, and a table whose values name their schemas in Glue's registry. */
const whole: CollectorConfig = {
  ...example,
  lake: { ...example.lake, region: 'eu-central-1' },
  tables: [claims, { ...claims, name: 'orders', input: { kind: 'avro', framing: 'glue' } }],
};

/** What the template has once its parameters are those of the example. */
function resolved(value: Json): Json {
  const names: Readonly<Record<string, string>> = {
    'Bucket.Arn': 'arn:aws:s3:::acme-lake',
    LakePrefix: 'lake',
    GlueDatabase: 'sluice',
    KmsKeyArn: key,
    'AWS::Partition': 'aws',
    'AWS::Region': 'eu-central-1',
    'AWS::AccountId': '123456789012',
  };
  const named = (name: string) => names[name] ?? assert.fail(`no value for ${name}`);
  const sub = at(value, 'Fn::Sub');
  if (sub !== undefined) return String(sub).replace(/\$\{([^}]+)\}/g, (_all, name: string) => named(name));
  const [ref, attribute] = [at(value, 'Ref'), at(value, 'Fn::GetAtt')];
  if (ref !== undefined) return named(String(ref));
  return attribute === undefined ? value : named(listOf(attribute).join('.'));
}

function templateStatements() {
  const [policy] = listOf(at(readCollectorTemplate().Resources['TaskRole']?.Properties ?? null, 'Policies'));
  return listOf(at(policy, 'PolicyDocument', 'Statement')).map((one) => {
    const statement = at(one, 'Fn::If', 1) ?? one;
    const list = (name: string) => listOf(at(statement, name)).map(resolved);
    return {
      Sid: at(statement, 'Sid'),
      Effect: at(statement, 'Effect'),
      Action: list('Action'),
      Resource: list('Resource'),
    };
  });
}

/**
 * What each call asks of a role, as AWS's Service Authorization Reference has it. A missing database is made
 * by a role that may, and neither policy lets it.
 */
const ASKED: Readonly<Record<string, readonly string[]>> = {
  CopyObject: ['s3:GetObject', 's3:PutObject'],
  DeleteObjects: ['s3:DeleteObject'],
  GetBucketLifecycleConfiguration: ['s3:GetLifecycleConfiguration'],
  GetObject: ['s3:GetObject'],
  HeadObject: ['s3:GetObject'],
  ListObjectsV2: ['s3:ListBucket'],
  PutObject: ['s3:PutObject'],
  BatchCreatePartition: ['glue:BatchCreatePartition'],
  BatchGetPartition: ['glue:BatchGetPartition'],
  BatchUpdatePartition: ['glue:BatchUpdatePartition'],
  CreateDatabase: [],
  CreateTable: ['glue:CreateTable'],
  GetPartitions: ['glue:GetPartitions'],
  GetSchemaVersion: ['glue:GetSchemaVersion'],
  GetTable: ['glue:GetTable'],
  GetTables: ['glue:GetTables'],
  UpdateTable: ['glue:UpdateTable'],
};

function callsOfCollector(): readonly string[] {
  const root = join(projectRoot, 'collector/src');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const calls = files.flatMap((name) =>
    [...readFileSync(join(root, name), 'utf8').matchAll(/new ([A-Z]\w+)Command\(/g)].map(([, call]) => call),
  );
  return [...new Set(calls.map(String))].sort();
}

const actionsOf = (config: CollectorConfig, options: PolicyOptions = {}) =>
  iamPolicy(config, options).Statement.flatMap(({ Action }) => Action);

test('the command prints what the template grants the task', () => {
  assert.deepEqual(iamPolicy(whole, granted).Statement, templateStatements());
});

test('every action is one that the collector calls, and every call has its actions', () => {
  assert.deepEqual(callsOfCollector(), Object.keys(ASKED).sort());
  const asked = new Set(Object.values(ASKED).flat());
  assert.deepEqual(new Set(actionsOf(whole)), asked);
});

test('what the config does not use is not in it', () => {
  const actions = actionsOf(example);
  for (const service of ['glue:GetSchemaVersion', 'kms:Decrypt']) assert.ok(!actions.includes(service));
  const files = { ...example, lake: { ...example.lake, catalog: 'file' as const } };
  assert.deepEqual(
    actionsOf(files).filter((action) => !action.startsWith('s3:')),
    [],
  );
});

test('a lake at the root of its bucket, another partition and a reference file are named as they are', () => {
  const lookup = { kind: 'lookup', file: 's3://acme-refs/a*b.csv' } as never;
  const config: CollectorConfig = {
    ...example,
    lake: { ...example.lake, store: 's3://acme-lake', region: 'cn-north-1' },
    tables: [{ ...claims, steps: [lookup, lookup] }],
  };
  const { Statement } = iamPolicy(config, {});
  const resources = Object.fromEntries(Statement.map(({ Sid, Resource }) => [Sid, Resource]));
  assert.deepEqual(resources['ReadAndWrite'], ['arn:aws-cn:s3:::acme-lake/*']);
  assert.deepEqual(resources['DeleteOnlyWhatIsOver'], [
    'arn:aws-cn:s3:::acme-lake/_sluice/staged/*',
    'arn:aws-cn:s3:::acme-lake/_sluice/tmp/*',
  ]);
  assert.deepEqual(resources['ReadReferences'], [`arn:aws-cn:s3:::acme-refs/a\${*}b.csv`]);
  assert.deepEqual(resources['Catalogue']?.[1], 'arn:aws-cn:glue:cn-north-1:*:database/sluice');
});

test('the role of a prune deletes below the tables alone, and writes nothing but its memory', () => {
  const { Statement } = prunePolicy(whole, granted);
  const lake = 'arn:aws:s3:::acme-lake/lake/';
  const resources = (action: string) =>
    Statement.flatMap(({ Action, Resource }) => (Action.includes(action) ? Resource : []));
  const locations = ['claims', 'claims.rebuilt', 'claims_quarantine', 'claims_quarantine.rebuilt'];
  const deleted = resources('s3:DeleteObject');
  for (const location of locations) assert.ok(deleted.includes(`${lake}${location}/*`), location);
  assert.ok(deleted.every((one) => !one.includes('_sluice') && one !== `${lake}*`));
  assert.deepEqual(resources('s3:PutObject'), [`${lake}_sluice/unnamed/*`]);
  assert.ok(resources('s3:GetObject').every((one) => one.startsWith(`${lake}_sluice/`)));
  const actions = Statement.flatMap(({ Action }) => Action).filter((action) => action.startsWith('glue:'));
  assert.deepEqual(actions, ['glue:GetTables', 'glue:GetPartitions']);
});

test('a directory needs no role', () => {
  const config = { ...example, lake: { ...example.lake, store: './lake', catalog: 'file' as const } };
  assert.throws(() => iamPolicy(config, {}), /the lake is the directory \.\/lake/);
});
