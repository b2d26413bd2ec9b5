// Schemas that values name by an id: how one is asked for, and what a registry tells of it. The schemas of
// tables that detect their columns are other things: tables.ts has them.

/** Whose values are read when a schema is wanted. */
export interface SchemaPlace {
  readonly topic: string;
  readonly topicId: string;
}

/** A schema that a value names: by Confluent's number, or by the UUID of Glue's schema version. */
export interface SchemaWant extends SchemaPlace {
  readonly framing: 'confluent' | 'glue';
  readonly id: string;
}

export interface FoundSchema {
  /** As registries say it: AVRO, JSON, PROTOBUF. */
  readonly type: string;
  readonly schema: string;
  /** Schemas that it names, each behind those that it names itself. */
  readonly references: readonly string[];
}

/** A registry: an agent's, asked over the link (ingest/ingest.ts), or Glue's (catalog/glue-schemas.ts). */
export interface SchemaSource {
  /** undefined where the registry says that there is none. SCHEMA_UNAVAILABLE where it cannot be asked. */
  find(want: SchemaWant): Promise<FoundSchema | undefined>;
}
