// deploy/ecs/collector.yaml as data, and its bucket's rules as S3 would have them.
import { join } from 'node:path';
import type { LifecycleRule } from '@aws-sdk/client-s3';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';
import { at, type Json, listOf, readTemplate, type Template } from './cloudformation.ts';

const COLLECTOR_TEMPLATE = join(projectRoot, 'deploy/ecs/collector.yaml');

export const readCollectorTemplate = (): Template => readTemplate(COLLECTOR_TEMPLATE);

export function bucketRules({ Resources }: Template, lakePrefix: string): LifecycleRule[] {
  const rules = at(Resources['Bucket']?.Properties, 'LifecycleConfiguration', 'Rules');
  return listOf(rules).map((rule) => {
    const days = at(rule, 'ExpirationInDays');
    const uploads = at(rule, 'AbortIncompleteMultipartUpload', 'DaysAfterInitiation');
    return {
      ID: String(at(rule, 'Id')),
      Status: at(rule, 'Status') === 'Enabled' ? 'Enabled' : 'Disabled',
      Filter: { Prefix: substitute(at(rule, 'Prefix'), lakePrefix) },
      ...(days === undefined ? {} : { Expiration: { Days: Number(days) } }),
      ...(uploads === undefined
        ? {}
        : { AbortIncompleteMultipartUpload: { DaysAfterInitiation: Number(uploads) } }),
    };
  });
}

function substitute(value: Json | undefined, lakePrefix: string): string {
  return String(at(value, 'Fn::Sub') ?? '').replaceAll(`\${LakePrefix}`, lakePrefix);
}
