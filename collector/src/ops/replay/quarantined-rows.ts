// The rows of one quarantine object: which of them a replay may take, page by page, and then their records as
// segments. Why a record cannot be run again is told for each object or row; nothing is passed over in
// silence.
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import { segmentOfRecords } from '@sluice/shared/record-segment.ts';
import type { KafkaRecord } from '@sluice/shared/records.ts';
import type { StagedSegment } from '../../contracts.ts';
import { blobBytes, type Database } from '../../transform/duckdb.ts';
import { bytesOfText, headersOfText } from '../../transform/record-texts.ts';
import { identifier, literal } from '../../transform/sql/types.ts';
import type { LakeReader } from '../lake-reader.ts';
import type { ChosenRow, Picked, QuarantineObject } from './taken.ts';

/** Rows that are looked at, without their values, at a time. */
const PAGE_ROWS_MAX = 10_000;
/** Records and bytes of one segment, and so of what is read at a time. */
const SEGMENT_RECORDS_MAX = 1_000;
const SEGMENT_BYTES_MAX = 2 ** 20;

/** Codes of what is no record by itself: `raw` of the first holds a whole batch, the others nothing. */
export const WHOLE_BATCHES = ['RECORD_BATCH_CORRUPT', 'RECORD_BATCH_TOO_LARGE', 'SEGMENT_CORRUPT'];

export const IMPOSSIBLE = {
  OBJECT_NOT_THERE:
    'their quarantine object is not there: not published yet, or deleted; `verify` says which',
  OBJECT_REPLACED: 'the bytes of their quarantine object are not those that were committed: see `verify`',
  RAW_NOT_KEPT: 'their values were not kept: quarantine.raw was hash or drop when they came',
  KEY_NOT_KEPT: 'their keys were not kept, and the table reads keys now, which it did not when they came',
  HEADERS_NOT_KEPT: 'their headers were not kept, and the table reads headers now, which it did not then',
  BATCH_UNREADABLE: 'their record batch could not be read: what is kept is no record',
  OFFSET_AMBIGUOUS:
    'their object holds another record of the same offset, of the topic before it was created again',
  TOPIC_OTHER:
    'they are of a topic that the table does not read any more, and its rows name none: see `topics`',
} as const;

export type ImpossibleReason = keyof typeof IMPOSSIBLE;

/** What the table reads of a record beside its value. */
export interface ReadsBeside {
  readonly keys: boolean;
  readonly headers: boolean;
}

export interface RowsTask {
  readonly database: Database;
  readonly reader: LakeReader;
  /** SQL condition. */
  readonly selected: string;
  readonly reads: ReadsBeside;
  /** The only topic that its rows may be of, where they name none. */
  readonly onlyTopic: string | undefined;
}

/** A row that the selection chose, and what keeps it from being run again. */
export interface SeenRow extends ChosenRow {
  readonly bytes: number;
  readonly impossible: ImpossibleReason | undefined;
}

export interface OpenedObject {
  readonly object: QuarantineObject;
  readonly path: string;
  readonly columns: ReadonlySet<string>;
}

/** A local file with the bytes that were committed, or why there is none. */
export async function openObject(
  { reader, database }: RowsTask,
  object: QuarantineObject,
): Promise<OpenedObject | ImpossibleReason> {
  const path = await reader.local(object.at);
  if (path === undefined) return 'OBJECT_NOT_THERE';
  if ((await sha256OfFile(path)) !== object.output.sha256) return 'OBJECT_REPLACED';
  const described = await database.rows(`DESCRIBE SELECT * FROM ${fileOf(path)}`);
  return { object, path, columns: new Set(described.map((row) => String(row['column_name']))) };
}

/** Chosen rows behind number `after`, in order, up to a page of them. */
export async function pageOf(
  { database, selected, reads, onlyTopic }: RowsTask,
  { object, path, columns }: OpenedObject,
  after: number,
): Promise<SeenRow[]> {
  const missing = lacking(columns, reads);
  const bytes = ['raw', '_key']
    .filter((name) => columns.has(name))
    .map((name) => `coalesce(${name === 'raw' ? 'octet_length' : 'strlen'}(${identifier(name)}), 0)`);
  const numbered = 'row_number() OVER (ORDER BY _topic, _partition, _offset) AS i';
  const times = 'count(*) OVER (PARTITION BY _topic, _partition, _offset) AS n';
  const rows = await database.rows(
    `SELECT i, n, _topic AS c, _partition AS p, _offset AS o, code, bytes FROM (SELECT *, ${numbered}, ${times}, ` +
      `${bytes.join(' + ') || '0'} AS bytes FROM ${fileOf(path)}) ` +
      `WHERE i > ${after} AND ${selected} ORDER BY i LIMIT ${PAGE_ROWS_MAX}`,
  );
  return rows.map((row) => {
    const [topic, partition, offset] = [String(row['c']), Number(row['p']), Number(row['o'])];
    const owners = object.ranges.filter(
      (r) => r.topic === topic && r.partition === partition && r.start <= offset && offset < r.next,
    );
    const id = owners[0] ?? { topic, topicId: '', partition };
    const batch = WHOLE_BATCHES.includes(String(row['code'])) ? ('BATCH_UNREADABLE' as const) : undefined;
    const twin = owners.length === 1 && Number(row['n']) === 1 ? undefined : ('OFFSET_AMBIGUOUS' as const);
    const other = topic === (onlyTopic ?? topic) ? undefined : ('TOPIC_OTHER' as const);
    const impossible = missing ?? batch ?? twin ?? other;
    return { row: Number(row['i']), id, offset, bytes: Number(row['bytes']), impossible };
  });
}

function lacking(columns: ReadonlySet<string>, reads: ReadsBeside): ImpossibleReason | undefined {
  if (!columns.has('raw')) return 'RAW_NOT_KEPT';
  if (reads.keys && !columns.has('_key')) return 'KEY_NOT_KEPT';
  return reads.headers && !columns.has('_headers') ? 'HEADERS_NOT_KEPT' : undefined;
}

/** The records of picked rows, each once, as an agent would have sent them. */
export async function* segmentsOf(
  task: RowsTask,
  picks: readonly (Picked & { readonly opened: OpenedObject; readonly rows: readonly SeenRow[] })[],
): AsyncGenerator<StagedSegment> {
  for (const { opened, rows } of picks)
    for (const run of runsOf(rows)) {
      const records = await readRun(task, opened, run);
      const id = run[0]?.id ?? { topic: '', topicId: '', partition: 0 };
      const segment = segmentOfRecords(id, records, { codec: 'none', leaderEpoch: -1 });
      yield { segment, fromOffset: segment.startOffset };
    }
}

/** Rows of one partition, few enough for a segment. */
function* runsOf(rows: readonly SeenRow[]): Generator<readonly SeenRow[]> {
  let run: SeenRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const [first] = run;
    const isFull = run.length === SEGMENT_RECORDS_MAX || bytes + row.bytes > SEGMENT_BYTES_MAX;
    if (first !== undefined && (isFull || partitionKey(first.id) !== partitionKey(row.id))) {
      yield run;
      run = [];
      bytes = 0;
    }
    run.push(row);
    bytes += row.bytes;
  }
  if (run.length > 0) yield run;
}

async function readRun(
  { database, selected }: RowsTask,
  { path, columns }: OpenedObject,
  run: readonly SeenRow[],
): Promise<KafkaRecord[]> {
  const [first, last] = [run[0], run.at(-1)];
  const wanted = new Set(run.map(({ offset }) => offset));
  const beside = ['_key', '_headers'].map((name) => (columns.has(name) ? name : `NULL AS ${name}`));
  const rows = await database.rows(
    `SELECT _offset AS o, epoch_ms(_timestamp) AS t, raw, ${beside.join(', ')} FROM ${fileOf(path)} ` +
      `WHERE _topic = ${literal(first?.id.topic ?? '')} AND _partition = ${first?.id.partition} AND _offset BETWEEN ${first?.offset} AND ${last?.offset} ` +
      `AND ${selected} ORDER BY _offset`,
  );
  return rows.flatMap((row) => {
    const offset = Number(row['o']);
    if (!wanted.has(offset)) return [];
    const key = row['_key'];
    return [
      {
        offset,
        timestamp: row['t'] === null ? -1 : Number(row['t']),
        key: typeof key === 'string' ? bytesOfText(key) : null,
        value: blobBytes(row['raw']),
        headers: headersOfText(row['_headers']),
      },
    ];
  });
}

export const fileOf = (path: string) => `read_parquet([${literal(path)}], hive_partitioning = false)`;
