// `sluice-collector iam-policy`: what the collector's role must be allowed for the lake that its config
// names, and nothing more. The template in deploy/ecs grants the same, and a test compares them. To make the
// database is not among it: whoever makes the role can make that as well. `--prune` prints what the role of a
// prune must be allowed instead: it may delete what tables have written, and write nothing of it.
import { type Command, UsageError } from '@sluice/shared/command-line.ts';
import { EXIT } from '@sluice/shared/process-life.ts';
import type { CollectorConfig } from '../config.ts';
import { isRemote } from '../reference-place.ts';
import { referenceFiles } from '../step-config.ts';
import { rootsOf } from './prune/roots.ts';

export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
}

export interface PolicyOptions {
  /** The catalog's account; a role's own account alone is ever meant where none is named. */
  readonly account?: string | undefined;
  /** ARN of the key that encrypts the lake, where S3 does not manage it. */
  readonly kmsKey?: string | undefined;
}

interface Arns {
  readonly partition: string;
  readonly bucket: string;
  /** With a slash at the end. */
  readonly inLake: string;
  /** Of the catalog, the database and its tables, where the lake is in Glue. */
  readonly inGlue: readonly string[];
}

function arnsOf({ lake }: CollectorConfig, { account = '*' }: PolicyOptions): Arns {
  const { store, catalog, database, region = '*' } = lake;
  const [, name, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*?)\/*$/.exec(store) ?? [];
  if (name === undefined) throw new UsageError(`the lake is the directory ${store}: no role is asked for it`);
  const partition = partitionOf(region);
  const bucket = `arn:${partition}:s3:::${literally(name)}`;
  const inGlue = (what: string) => `arn:${partition}:glue:${region}:${account}:${what}`;
  return {
    ...{ partition, bucket, inLake: `${bucket}/${prefix === '' ? '' : `${literally(prefix)}/`}` },
    inGlue: catalog === 'glue' ? ['catalog', `database/${database}`, `table/${database}/*`].map(inGlue) : [],
  };
}

/** Statements about nothing that there is are left out. */
function policyOf(statements: readonly PolicyStatement[]) {
  return { Version: '2012-10-17', Statement: statements.filter(({ Resource }) => Resource.length > 0) };
}

/** What the role of a prune must be allowed for the tables of the config. UsageError for a directory. */
export function prunePolicy(config: CollectorConfig, options: PolicyOptions) {
  const { bucket, inLake, inGlue } = arnsOf(config, options);
  const own = (folder: string) => `${inLake}_sluice/${folder}/*`;
  const read = ['ledger', 'checkpoints', 'hints', 'unnamed', ...(inGlue.length === 0 ? ['catalog'] : [])];
  const tables = config.tables.flatMap(rootsOf).map((root) => `${inLake}${literally(root)}*`);
  const { kmsKey } = options;
  return policyOf([
    allow('ReadLedgers', ['s3:GetObject'], read.map(own)),
    allow('List', ['s3:ListBucket'], [bucket]),
    allow('DeleteWhatWasLeft', ['s3:DeleteObject'], tables),
    allow('RememberUnnamed', ['s3:PutObject'], [own('unnamed')]),
    allow('AskCatalogue', ['glue:GetTables', 'glue:GetPartitions'], inGlue),
    allow('OwnKey', ['kms:Decrypt', 'kms:GenerateDataKey'], kmsKey === undefined ? [] : [kmsKey]),
  ]);
}

/** What the collector's role must be allowed. UsageError for a lake that is a directory. */
export function iamPolicy(config: CollectorConfig, options: PolicyOptions) {
  const { partition, bucket, inLake, inGlue } = arnsOf(config, options);
  const { kmsKey } = options;
  const references = config.tables.flatMap(({ steps }) => referenceFiles(steps)).filter(isRemote);
  const inRegistry = config.tables.some(({ input }) => 'framing' in input && input.framing === 'glue');
  return policyOf([
    allow('ReadAndWrite', OBJECTS, [`${inLake}*`]),
    allow(
      'DeleteOnlyWhatIsOver',
      ['s3:DeleteObject'],
      [`${inLake}_sluice/staged/*`, `${inLake}_sluice/tmp/*`],
    ),
    allow('ListAndCheckRules', BUCKET, [bucket]),
    allow(
      'ReadReferences',
      ['s3:GetObject'],
      [...new Set(references)].map((url) => `arn:${partition}:s3:::${literally(url.slice('s3://'.length))}`),
    ),
    allow('Catalogue', CATALOGUE, inGlue),
    // They are asked for by the id of a version alone: no registry can be named.
    allow('ReadSchemas', ['glue:GetSchemaVersion'], inRegistry ? ['*'] : []),
    allow('OwnKey', ['kms:Decrypt', 'kms:GenerateDataKey'], kmsKey === undefined ? [] : [kmsKey]),
  ]);
}

const OBJECTS = ['s3:GetObject', 's3:PutObject'];
/** Only who may list a bucket hears that a key is missing, which is how a ledger's end is found. */
const BUCKET = ['s3:ListBucket', 's3:GetLifecycleConfiguration'];
const CATALOGUE = [
  'glue:GetTable',
  'glue:GetTables',
  'glue:CreateTable',
  'glue:UpdateTable',
  'glue:GetPartitions',
  'glue:BatchCreatePartition',
  'glue:BatchGetPartition',
  'glue:BatchUpdatePartition',
];

function allow(Sid: string, Action: readonly string[], Resource: readonly string[]): PolicyStatement {
  return { Sid, Effect: 'Allow', Action, Resource };
}

/** What IAM would take for a wildcard or a variable of its own. */
const literally = (text: string) => text.replace(/[*?$]/g, (one) => `\${${one}}`);

function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

/** `load` reads the config of the command line. */
export function iamPolicyCommand(
  options: Command['options'],
  load: (options: Readonly<Record<string, string | undefined>>) => CollectorConfig,
): Command {
  return {
    summary: 'Prints the IAM policy that the collector’s role needs for the lake of its config, as JSON.',
    options: {
      ...options,
      account: 'the AWS account of the catalog; else any, of which a role only ever has its own',
      'kms-key': 'ARN of the key that encrypts the lake, if it is one of your own',
    },
    flags: { prune: 'what the role of `prune` needs instead' },
    async run({ options: given, flags }) {
      const { account, 'kms-key': kmsKey } = given;
      if (account !== undefined && !/^\d{12}$/.test(account))
        throw new UsageError('--account takes the twelve digits of an AWS account');
      const policy = flags['prune'] === true ? prunePolicy : iamPolicy;
      process.stdout.write(`${JSON.stringify(policy(load(given), { account, kmsKey }), null, 2)}\n`);
      return EXIT.ok;
    },
  };
}
