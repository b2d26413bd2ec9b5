// Which rows a window must hold of the records that were produced, and what is wrong with those that it
// holds. Pure.
import type { PartitionId } from '@sluice/shared/position.ts';
import { type OraclePartition, possibleRecords, type RecordOf } from './oracle-log.ts';
import type { OracleTable } from './oracle-table.ts';

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

/** The two kinds of rows that a window brings. */
export type WindowRows = Readonly<Record<'rows' | 'quarantine', readonly LakeRow[]>>;

interface CommittedRange {
  readonly table: Pick<OracleTable, 'name' | 'keepsVoid' | 'isRaw'>;
  readonly range: PartitionId & {
    readonly start: number;
    readonly next: number;
    readonly leaderEpoch: number;
  };
  readonly partition: OraclePartition | undefined;
}

export const nothingExpected = (): Expected => {
  return { rows: new Map(), quarantine: new Map(), filtered: 0, records: 0 };
};

/** Adds what a range's records must have become. Where nobody can tell which those are, `found` decides. */
export function expectRows(
  of: CommittedRange & { readonly found: WindowRows },
  expected: Expected,
  violated: (what: string) => void,
): void {
  const [truth, ...others] = possibleRecords(of.partition, of.range);
  if (truth === undefined) return;
  const fits = (recordOf: RecordOf) => isWhatIsFound(of, recordOf);
  const recordOf = others.length === 0 || fits(truth) ? truth : (others.find(fits) ?? truth);
  addExpected({ ...of, recordOf }, expected, violated);
}

function isWhatIsFound(of: CommittedRange & { readonly found: WindowRows }, recordOf: RecordOf): boolean {
  const expected = nothingExpected();
  const wrong: string[] = [];
  addExpected({ ...of, recordOf }, expected, () => undefined);
  for (const kind of ['rows', 'quarantine'] as const) {
    const rows = of.found[kind].filter((row) => isIn(of.range, row));
    compareRows({ place: kind, expected: expected[kind], rows }, (what) => wrong.push(what));
  }
  return wrong.length === 0;
}

const isIn = (range: CommittedRange['range'], row: LakeRow) =>
  slotOf(row) === slotOf(range) && row.offset >= range.start && row.offset < range.next;

function addExpected(
  of: CommittedRange & { readonly recordOf: RecordOf },
  expected: Expected,
  violated: (what: string) => void,
): void {
  const { table, range, recordOf } = of;
  for (let offset = range.start; offset < range.next; offset++) {
    const record = recordOf(offset);
    if (record === undefined || record.outcome === 'aborted') continue;
    const name = `${slotOf(range)}@${offset}`;
    if (record.outcome === 'open') violated(`${table.name} holds ${name} of an open transaction`);
    expected.records++;
    if (record.kind === 'malformed' && table.isRaw !== true) expected.quarantine.set(name, record.n);
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
