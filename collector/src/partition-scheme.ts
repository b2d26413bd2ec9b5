// How a table's config makes partition values, in words that stand in each ledger entry: whoever reads an old
// entry knows what its values mean, whatever the config says now. Pure.
import type { PartitionSpec } from './tables.ts';

/** One sentence for each partition column, in the table's order: `claims_day = day(incident_time)`. */
export function partitionScheme(specs: readonly PartitionSpec[]): readonly string[] {
  return specs.map((spec) => `${spec.column} = ${ruleOf(spec)}`);
}

function ruleOf(spec: PartitionSpec): string {
  if (spec.kind === 'value') return spec.field;
  const of = spec.kind === 'ingest' ? 'ingest time' : spec.field;
  const pattern = spec.pattern === undefined ? '' : ` as ${spec.pattern}`;
  return `${spec.by}(${of})${pattern} in ${spec.zone ?? 'UTC'}`;
}
