// Schemas that values name by an id: how one is asked for, and what is told of it.
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

/** Where schemas come from (implemented by schemas/). */
export interface SchemaSource {
  /** undefined where the registry says that there is none. SCHEMA_UNAVAILABLE where it cannot be asked. */
  find(want: SchemaWant): Promise<FoundSchema | undefined>;
}
