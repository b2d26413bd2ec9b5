// CloudFormation templates as data, and as stacks on the emulated AWS. Short intrinsics (`!Ref`) are read in
// their long form, which templates in JSON spell.
import { readFileSync } from 'node:fs';
import { Pair, parse, Scalar, type Tags, YAMLMap, YAMLSeq } from 'yaml';
import { eventually } from './eventually.ts';
import { MINISTACK_REGION } from './ministack-server.ts';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface Template {
  readonly Parameters: Record<string, { Type: string; Description?: string; Default?: string | number }>;
  readonly Resources: Record<string, { Type: string; DeletionPolicy?: string; Properties: Json }>;
  readonly Outputs: Record<string, { Description?: string; Value: Json }>;
}

const SCALARS = { '!Ref': 'Ref', '!Sub': 'Fn::Sub', '!GetAtt': 'Fn::GetAtt' };
const SEQUENCES = { '!If': 'Fn::If', '!Not': 'Fn::Not', '!Equals': 'Fn::Equals' };

export function readTemplate(file: string): Template {
  return parse(readFileSync(file, 'utf8'), { customTags }) as Template;
}

const customTags: Tags = [
  ...Object.entries(SCALARS).map(([tag, name]) => ({
    tag,
    resolve: (text: string) => ({ [name]: tag === '!GetAtt' ? text.split('.') : text }),
  })),
  ...Object.entries(SEQUENCES).map(([tag, name]) => ({
    tag,
    collection: 'seq' as const,
    resolve(items: YAMLMap | YAMLSeq) {
      const sequence = new YAMLSeq();
      sequence.items = items.items;
      const map = new YAMLMap();
      map.items.push(new Pair(new Scalar(name), sequence));
      return map;
    },
  })),
];

/** What lies at a path of keys and indexes; undefined where nothing does. */
export function at(value: Json | undefined, ...path: (string | number)[]): Json | undefined {
  let found = value;
  for (const step of path)
    found = typeof found === 'object' && found !== null ? (found as Record<string, Json>)[step] : undefined;
  return found;
}

/** One value or a list of them, as policies write both. */
export function listOf(value: Json | undefined): readonly Json[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

/** A call of one of AWS's query APIs, as the root user. */
async function queryApi(
  endpoint: string,
  service: string,
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  const scope = `test/20260101/${MINISTACK_REGION}/${service}/aws4_request`;
  const reply = await fetch(endpoint, {
    method: 'POST',
    headers: { authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0` },
    body: new URLSearchParams(parameters),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${service} ${parameters['Action']}: ${reply.status} ${text}`);
  return text;
}

export interface StackRequest {
  readonly template: Template;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Resolves with the stack's outputs once it is created whole. */
export async function createStack(
  endpoint: string,
  { template, parameters }: StackRequest,
): Promise<ReadonlyMap<string, string>> {
  const Version = '2010-05-15';
  const numbered = Object.entries(parameters).flatMap(([key, value], i) => [
    [`Parameters.member.${i + 1}.ParameterKey`, key],
    [`Parameters.member.${i + 1}.ParameterValue`, value],
  ]);
  await queryApi(endpoint, 'cloudformation', {
    Action: 'CreateStack',
    Version,
    StackName: 'test',
    TemplateBody: JSON.stringify(template),
    'Capabilities.member.1': 'CAPABILITY_IAM',
    ...Object.fromEntries(numbered),
  });
  const described = await eventually('the stack is done', async () => {
    const names = { Action: 'DescribeStacks', Version, StackName: 'test' };
    const text = await queryApi(endpoint, 'cloudformation', names);
    return /<StackStatus>\w+_IN_PROGRESS</.test(text) ? undefined : text;
  });
  const [, state] = /<StackStatus>(\w+)</.exec(described) ?? [];
  if (state !== 'CREATE_COMPLETE') throw new Error(`the stack ended as ${state}`);
  const outputs = described.matchAll(/<OutputKey>(.*?)<\/OutputKey><OutputValue>(.*?)<\/OutputValue>/g);
  return new Map([...outputs].map(([, key = '', value = '']) => [key, value]));
}

/** Credentials of a role, as the variables that AWS SDKs read. */
export async function assumeRole(endpoint: string, roleArn: string): Promise<Record<string, string>> {
  const text = await queryApi(endpoint, 'sts', {
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: roleArn,
    RoleSessionName: 'test',
  });
  const field = (name: string) => new RegExp(`<${name}>(.*?)</${name}>`).exec(text)?.[1] ?? '';
  return {
    AWS_ACCESS_KEY_ID: field('AccessKeyId'),
    AWS_SECRET_ACCESS_KEY: field('SecretAccessKey'),
    AWS_SESSION_TOKEN: field('SessionToken'),
  };
}
