// The transform of a table that detects its columns: a window is read for columns where the table has none,
// and goes through the transform of all tables under the newest schema. Where it shows what that schema
// lacks, it is read once more, the schema grows, and the window goes through again: what is committed lacks
// nothing.
import type {
  DetectedSchema,
  SchemaNews,
  StagedSegment,
  Transformer,
  TransformRequest,
  TransformResult,
} from '../contracts.ts';
import { withSchema } from '../detected-schema.ts';
import type { Events } from '../events.ts';
import type { TableSchema } from './table-schema.ts';

export interface DetectingOptions {
  readonly transformer: Transformer;
  readonly schema: TableSchema;
  readonly events: Events;
}

/** Fields that were told of once; beyond that nothing more is told. */
const TOLD_MAX = 1_000;

export function createDetectingTransformer(options: DetectingOptions): Transformer {
  const { transformer, schema, events } = options;
  const told = new Set<string>();

  function tell(table: string, { leftOut }: SchemaNews): void {
    const fields = leftOut.filter((field) => !told.has(field)).slice(0, TOLD_MAX - told.size);
    for (const field of fields) told.add(field);
    if (fields.length > 0) events.fieldsLeftOut({ table, fields });
  }

  /** The columns of a first schema; undefined where no record has a value. */
  async function survey(request: TransformRequest): Promise<DetectedSchema | undefined> {
    const { table, segments } = request;
    const contract = await schema.contract();
    const news = await transformer.survey({ table, segments, contract });
    tell(table.name, news);
    if (news.columns === undefined) return undefined;
    await schema.propose(news.columns, { after: 0, isContract: contract !== undefined });
    return await schema.ready();
  }

  async function run(request: TransformRequest): Promise<TransformResult> {
    const { table } = request;
    const kept: StagedSegment[] = [];
    let segments: TransformRequest['segments'] = keeping(request.segments, kept);
    let current = await schema.ready();
    if (current === undefined) {
      current = await survey({ ...request, segments });
      segments = kept;
    }
    for (;;) {
      const made = withSchema(table, current);
      const result = await transformer.run({ ...request, table: made, segments });
      if (result.news !== undefined) tell(table.name, result.news);
      const { news, configVersion = made.configVersion } = result;
      if (news?.columns === undefined || current === undefined) return { ...result, configVersion };
      segments = kept;
      const { columns } = await transformer.survey({ table: made, segments });
      if (columns === undefined) return { ...result, configVersion };
      const { version: after, isContract } = current;
      await schema.propose(columns, { after, isContract });
      current = await schema.ready();
    }
  }

  return {
    run,
    survey: (request) => transformer.survey(request),
    hasRoom: () => transformer.hasRoom(),
    explain: (table) => transformer.explain(table),
    schema: (table) => transformer.schema(table),
    close: () => Promise.resolve(),
  };
}

/** What passes may be read again: a window holds its segments until it is committed. */
async function* keeping(segments: TransformRequest['segments'], kept: StagedSegment[]) {
  for await (const segment of segments) {
    kept.push(segment);
    yield segment;
  }
}
