// Which rows a window must hold of the records that were produced, and what is wrong with those that it
// holds. Pure.
import type { PartitionId } from '@sluice/shared/position.ts';
import { type OraclePartition, recordAt } from './oracle-log.ts';

/** What stands in an object for one record. */
export interface LakeRow extends PartitionId {
  readonly offset: number;
  /** Null where the record could not be read. */
  readonly n: unknown;
}

export interface Expected {
  readonly rows: Map<string, number>;
  readonly quarantine: Map<string, number>;
  filtered: number;
  records: number;
}

/** Incarnations of a topic are told apart by their ids; a test of one topic has none. */
export const slotOf = ({ topic, topicId, partition }: PartitionId) =>
  /^0*$/.test(topicId) ? `${topic}/${partition}` : `${topic}/${topicId.slice(0, 8)}/${partition}`;

/** Adds what the records of a range must have become. */
export function expectRows(
  of: {
    readonly table: { readonly name: string; readonly keepsVoid: boolean };
    readonly range: PartitionId & {
      readonly start: number;
      readonly next: number;
      readonly leaderEpoch: number;
    };
    readonly partition: OraclePartition | undefined;
  },
  expected: Expected,
  violated: (what: string) => void,
): void {
  const { table, range, partition } = of;
  for (let offset = range.start; offset < range.next; offset++) {
    const record = recordAt(partition, offset, range.leaderEpoch);
    if (record === undefined || record.outcome === 'aborted') continue;
    const name = `${slotOf(range)}@${offset}`;
    if (record.outcome === 'open') violated(`${table.name} holds ${name} of an open transaction`);
    expected.records++;
    if (record.kind === 'malformed') expected.quarantine.set(name, record.n);
    else if (record.kind === 'void' && !table.keepsVoid) expected.filtered++;
    else expected.rows.set(name, record.n);
  }
}

export function compareRows(
  of: {
    readonly place: string;
    readonly expected: ReadonlyMap<string, number>;
    readonly rows: readonly LakeRow[];
  },
  violated: (what: string) => void,
): void {
  const { place, expected, rows } = of;
  const seen = new Set<string>();
  for (const row of rows) {
    const name = `${slotOf(row)}@${row.offset}`;
    const n = expected.get(name);
    if (seen.has(name)) violated(`${place}: ${name} stands there twice`);
    else if (n === undefined) violated(`${place}: ${name} does not belong there`);
    else if (row.n !== null && row.n !== n) violated(`${place}: ${name} holds ${row.n} and not ${n}`);
    seen.add(name);
  }
  for (const name of expected.keys()) if (!seen.has(name)) violated(`${place}: ${name} is missing`);
}
