// Clients of AWS that only some tables need. Each is made when it is first asked for, since a config that is
// read again may bring a table that needs it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@sluice/shared/clock.ts';
import { createGlueSchemas } from './catalog/glue-schemas.ts';
import type { CollectorConfig } from './config.ts';
import type { SchemaSource, SchemaWant } from './contracts.ts';
import { createS3References } from './lake/s3-references.ts';
import type { ReferenceSource } from './reference-place.ts';

/** AWS Glue's Schema Registry. */
export function glueSchemas({ lake }: CollectorConfig): SchemaSource {
  let client: SchemaSource | undefined;
  return {
    find(want) {
      client ??= createGlueSchemas({ region: lake.region, endpoint: lake.glueEndpoint });
      return client.find(want);
    },
  };
}

/** Each frame's ids are those of another registry. */
export function schemasBy(sources: Readonly<Record<SchemaWant['framing'], SchemaSource>>): SchemaSource {
  return { find: (want) => sources[want.framing].find(want) };
}

/** Reference files on S3, as copies below `parent`. */
export function s3References(
  { lake }: CollectorConfig,
  { parent, clock }: { readonly parent: string; readonly clock: Clock },
): ReferenceSource {
  const { region, s3Endpoint: endpoint } = lake;
  const options = { region, endpoint, directory: join(parent, 'references'), clock };
  let made: ReferenceSource | undefined;
  return {
    copyOf(url) {
      made ??= createS3References(options);
      return made.copyOf(url);
    },
    close: () => made?.close(),
  };
}

/** For a command that runs once, beside a collector that may run. */
export async function withReferences<T>(
  { config, clock }: { readonly config: CollectorConfig; readonly clock: Clock },
  task: (references: ReferenceSource) => Promise<T>,
): Promise<T> {
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-references-'));
  const references = s3References(config, { parent: scratch, clock });
  try {
    return await task(references);
  } finally {
    references.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}
