// AWS Glue's Schema Registry: the schema of a version by the UUID that a value names.
import { GetSchemaVersionCommand } from '@aws-sdk/client-glue';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import type { SchemaSource } from '../contracts.ts';
import { glueClient } from './glue-catalog.ts';

export interface GlueSchemas extends SchemaSource {
  close(): void;
}

export function createGlueSchemas(settings: {
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
}): GlueSchemas {
  const client = glueClient(settings);
  return {
    async find({ id }) {
      try {
        const found = await client.send(new GetSchemaVersionCommand({ SchemaVersionId: id }));
        return { type: found.DataFormat ?? '', schema: found.SchemaDefinition ?? '', references: [] };
      } catch (error) {
        if (error instanceof Error && error.name === 'EntityNotFoundException') return undefined;
        throw new SluiceError('SCHEMA_UNAVAILABLE', `glue:GetSchemaVersion ${id}: ${describeError(error)}`);
      }
    },
    close: () => client.destroy(),
  };
}
