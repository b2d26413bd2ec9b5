// One file of the spool: a SQLite database of segments. The only importer of better-sqlite3. Format 1; a
// newer one is refused untouched.
import { statSync } from 'node:fs';
import { SEGMENT_PLAIN_BYTES_MAX } from '@sluice/shared/codecs.ts';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import type { CommittedPrefix, OffsetRange } from '@sluice/shared/offset-range.ts';
import type { LogPlace, PartitionId } from '@sluice/shared/position.ts';
import {
  boundedTimestamp,
  SEGMENT_CODECS,
  type Segment,
  type SegmentCodec,
  type SegmentHeader,
  type SkippedSpan,
} from '@sluice/shared/segment.ts';
import { assertKnownFormat, type KnownFormat } from '@sluice/shared/stored-format.ts';
import Database from 'better-sqlite3';

export const SPOOL_FORMAT = 1;
export const KNOWN_SPOOL: KnownFormat = {
  format: SPOOL_FORMAT,
  code: 'SPOOL_FORMAT_NEWER',
  what: 'it',
  reader: 'this agent',
};

/** Segments are about 1 MiB: large pages keep their overflow chains short. */
const PAGE_BYTES = 16_384;

const SCHEMA = `
CREATE TABLE segments (
  topic_id TEXT NOT NULL, partition INTEGER NOT NULL, start_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL,
  leader_epoch INTEGER NOT NULL, records INTEGER NOT NULL, control INTEGER NOT NULL, aborted INTEGER NOT NULL,
  absent INTEGER NOT NULL, skipped TEXT NOT NULL, timestamp_max INTEGER NOT NULL, codec TEXT NOT NULL,
  plain_bytes INTEGER NOT NULL, crc32c INTEGER NOT NULL, spooled_ms INTEGER NOT NULL, payload BLOB NOT NULL,
  UNIQUE (topic_id, partition, start_offset)
);
CREATE TABLE committed (
  topic_id TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
  PRIMARY KEY (topic_id, partition)
) WITHOUT ROWID;
CREATE TABLE meta (topic TEXT NOT NULL);
`;

const HEADER =
  'topic_id, partition, start_offset, next_offset, leader_epoch, records, control, aborted, absent, skipped, ' +
  'timestamp_max, codec, plain_bytes, crc32c, spooled_ms, length(payload) AS payload_bytes';

interface Row {
  readonly topic_id: string;
  readonly partition: number;
  readonly start_offset: number;
  readonly next_offset: number;
  readonly leader_epoch: number;
  readonly records: number;
  readonly control: number;
  readonly aborted: number;
  readonly absent: number;
  readonly skipped: string;
  readonly timestamp_max: number;
  readonly codec: string;
  readonly plain_bytes: number;
  readonly crc32c: number;
  readonly spooled_ms: number;
  readonly payload_bytes: number;
  /** Of another type only where the disk has changed it. */
  readonly payload?: unknown;
}

export type SpooledHeader = SegmentHeader & {
  readonly spooledMs: number;
  /** What is wrong with the row itself, whose checksum covers the payload alone. */
  readonly broken?: string;
};

export interface SpooledPrefix extends CommittedPrefix {
  readonly topicId: string;
  readonly partition: number;
}

export interface SpoolFile {
  readonly path: string;
  readonly topic: string;
  headers(): SpooledHeader[];
  committed(): SpooledPrefix[];
  /** One transaction; on disk when it returns. */
  append(segments: readonly Segment[], spooledMs: number): void;
  /** The segment that begins at `startOffset`. */
  read(id: PartitionId, startOffset: number): Segment | undefined;
  remove(id: PartitionId, startOffset: number): void;
  /**
   * Whatever ends behind the cut, of epochs up to its own; also what was forgotten, which whoever opens the
   * file next would take for what is not committed.
   */
  removeCut(id: PartitionId, cut: LogPlace): void;
  writeCommitted(id: PartitionId, prefix: CommittedPrefix): void;
  diskBytes(): number;
  close(): void;
}

/** Opens or makes a file. SPOOL_FORMAT_NEWER, SPOOL_CORRUPT; other SQLite errors as they are. */
export function openSpoolFile(path: string, topic: string): SpoolFile {
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { timeout: 2_000 });
    const name = prepare(database, path, topic);
    return wrap(database, path, name);
  } catch (error) {
    database?.close();
    if (isCorrupt(error))
      throw new SluiceError('SPOOL_CORRUPT', messageOf(error), { place: path, cause: error });
    throw error;
  }
}

/** What a file at rest holds, read without changing it; only the format of one that is newer. */
export function readSpoolFile(path: string, topic: string) {
  const nothing = { format: 0, headers: [], committed: [] } as const;
  if (sizeOf(path) + sizeOf(`${path}-wal`) === 0) return nothing;
  const database = new Database(path, { readonly: true, fileMustExist: true });
  try {
    const format = database.pragma('user_version', { simple: true }) as number;
    if (format === 0 || format > SPOOL_FORMAT) return { ...nothing, format };
    return { format, headers: headersOf(database, topic), committed: readPrefixes(database) };
  } finally {
    database.close();
  }
}

function prepare(database: Database.Database, path: string, topic: string): string {
  const version = database.pragma('user_version', { simple: true }) as number;
  assertKnownFormat(version, KNOWN_SPOOL, path);
  if (version === 0) database.pragma(`page_size = ${PAGE_BYTES}`);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  if (version === 0) {
    database.transaction(() => {
      database.exec(SCHEMA);
      database.prepare('INSERT INTO meta VALUES (?)').run(topic);
      database.pragma(`user_version = ${SPOOL_FORMAT}`);
    })();
  }
  // Earlier versions could write a file without its topic.
  database.prepare("UPDATE meta SET topic = ? WHERE topic = ''").run(topic);
  const meta = database.prepare('SELECT topic FROM meta').get() as { topic: string };
  return meta.topic;
}

function wrap(database: Database.Database, path: string, topic: string): SpoolFile {
  const insert = database.prepare(
    `INSERT OR REPLACE INTO segments VALUES (${Array.from({ length: 16 }, () => '?').join(', ')})`,
  );
  const select = database.prepare(
    `SELECT ${HEADER}, payload FROM segments WHERE topic_id = ? AND partition = ? AND start_offset = ?`,
  );
  const remove = database.prepare(
    'DELETE FROM segments WHERE topic_id = ? AND partition = ? AND start_offset = ?',
  );
  const removeCut = database.prepare(
    'DELETE FROM segments WHERE topic_id = ? AND partition = ? AND next_offset > ? AND leader_epoch <= ?',
  );
  const append = database.transaction((segments: readonly Segment[], spooledMs: number) => {
    for (const s of segments) {
      const { records, control, aborted, absent } = s.counts;
      insert.run(
        s.topicId,
        s.partition,
        s.startOffset,
        s.nextOffset,
        s.leaderEpoch,
        records,
        control,
        aborted,
        absent,
        JSON.stringify(s.skipped),
        s.timestampMax,
        s.codec,
        s.plainBytes,
        s.crc32c,
        spooledMs,
        s.payload,
      );
    }
  });
  return {
    path,
    topic,
    headers: () => headersOf(database, topic),
    committed: () => readPrefixes(database),
    append: (segments, spooledMs) => append(segments, spooledMs),
    read(id, startOffset) {
      const row = select.get(id.topicId, id.partition, startOffset) as Row | undefined;
      return row === undefined || brokenOf(row) !== undefined
        ? undefined
        : { ...headerOf(topic, row), payload: Buffer.isBuffer(row.payload) ? row.payload : Buffer.alloc(0) };
    },
    remove: (id, startOffset) => void remove.run(id.topicId, id.partition, startOffset),
    removeCut: (id, cut) => void removeCut.run(id.topicId, id.partition, cut.offset, cut.leaderEpoch),
    writeCommitted: database.transaction((id: PartitionId, prefix: CommittedPrefix) => {
      writePrefix(database, id, prefix);
    }),
    diskBytes: () => sizeOf(path) + sizeOf(`${path}-wal`),
    close: () => void database.close(),
  };
}

function headersOf(database: Database.Database, topic: string): SpooledHeader[] {
  const rows = database.prepare(`SELECT ${HEADER} FROM segments ORDER BY rowid`).all() as Row[];
  return rows.map((row) => ({
    ...headerOf(topic, row),
    payloadBytes: row.payload_bytes,
    spooledMs: row.spooled_ms,
    ...brokenOf(row),
  }));
}

/** Made where something is kept; agents before it read such a file as if all below were committed. */
const KEPT =
  'CREATE TABLE IF NOT EXISTS kept (topic_id TEXT NOT NULL, partition INTEGER NOT NULL, ' +
  'start_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL)';

function keepsGaps(database: Database.Database): boolean {
  return database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'kept'").get() !== undefined;
}

function readPrefixes(database: Database.Database): SpooledPrefix[] {
  const prefixes = database
    .prepare('SELECT topic_id AS topicId, partition, next_offset AS nextOffset FROM committed')
    .all() as { topicId: string; partition: number; nextOffset: number }[];
  const columns = 'start_offset AS startOffset, next_offset AS nextOffset';
  const kept = keepsGaps(database)
    ? database.prepare(`SELECT ${columns} FROM kept WHERE topic_id = ? AND partition = ?`)
    : undefined;
  return prefixes.map((prefix) => {
    const open = (kept?.all(prefix.topicId, prefix.partition) ?? []) as OffsetRange[];
    return { ...prefix, open };
  });
}

function writePrefix(
  database: Database.Database,
  id: PartitionId,
  { nextOffset, open }: CommittedPrefix,
): void {
  const { topicId, partition } = id;
  database.prepare('INSERT OR REPLACE INTO committed VALUES (?, ?, ?)').run(topicId, partition, nextOffset);
  if (open.length > 0) database.exec(KEPT);
  else if (!keepsGaps(database)) return;
  database.prepare('DELETE FROM kept WHERE topic_id = ? AND partition = ?').run(topicId, partition);
  const keep = database.prepare('INSERT INTO kept VALUES (?, ?, ?, ?)');
  for (const range of open) keep.run(topicId, partition, range.startOffset, range.nextOffset);
}

function headerOf(topic: string, row: Row) {
  return {
    topic,
    topicId: row.topic_id,
    partition: row.partition,
    leaderEpoch: row.leader_epoch,
    startOffset: row.start_offset,
    nextOffset: row.next_offset,
    counts: { records: row.records, control: row.control, aborted: row.aborted, absent: row.absent },
    skipped: skippedOf(row) ?? [],
    timestampMax: boundedTimestamp(row.timestamp_max),
    codec: row.codec as SegmentCodec,
    plainBytes: row.plain_bytes,
    crc32c: row.crc32c,
  };
}

/** What no segment can have been spooled as. */
function brokenOf(row: Row): { readonly broken: string } | undefined {
  const { start_offset: start, next_offset: next, records, control, aborted, absent } = row;
  const counts = [records, control, aborted, absent];
  if (![start, next, ...counts].every(isCount) || next <= start)
    return { broken: `[${start}, ${next}) is no range, or ${counts.join(' + ')} are no counts` };
  if (counts.reduce((sum, count) => sum + count, 0) !== next - start)
    return { broken: `its counts ${counts.join(' + ')} are not its ${next - start} offsets` };
  if (skippedOf(row) === undefined) return { broken: 'its list of skipped offsets cannot be read' };
  if (!SEGMENT_CODECS.includes(row.codec as SegmentCodec))
    return { broken: `its codec '${row.codec}' is unknown` };
  if (!isCount(row.plain_bytes) || row.plain_bytes > SEGMENT_PLAIN_BYTES_MAX)
    return { broken: `it says that it holds ${row.plain_bytes} bytes` };
  return undefined;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;

function skippedOf({ skipped }: Row): SkippedSpan[] | undefined {
  try {
    const spans = JSON.parse(skipped) as SkippedSpan[];
    const isSpan = ({ kind, firstOffset, lastOffset, count }: SkippedSpan) =>
      (kind === 'control' || kind === 'aborted') && [firstOffset, lastOffset, count].every(isCount);
    return spans.every(isSpan) ? spans : undefined;
  } catch {
    return undefined;
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

export function isCorrupt(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^SQLITE_(CORRUPT|NOTADB)/.test(code);
}

/** As this file says that what is in it cannot be read. */
export function isSpoolCorrupt(error: unknown): error is SluiceError {
  return error instanceof SluiceError && error.code === 'SPOOL_CORRUPT';
}

/** Does it, or nothing where the file is broken. */
export function ifSound(task: () => void): void {
  try {
    task();
  } catch (error) {
    if (!isSpoolCorrupt(error)) throw error;
  }
}

/** Held until the process ends, however it ends. SPOOL_LOCKED where another process has it. */
export function lockDirectory(path: string): { release(): void } {
  const database = new Database(path, { timeout: 0 });
  try {
    database.pragma('locking_mode = EXCLUSIVE');
    database.exec('CREATE TABLE IF NOT EXISTS lock (pid INTEGER); BEGIN EXCLUSIVE; DELETE FROM lock;');
    database.prepare('INSERT INTO lock VALUES (?)').run(process.pid);
    database.exec('COMMIT');
  } catch (error) {
    database.close();
    if ((error as { code?: unknown }).code === 'SQLITE_BUSY')
      throw new SluiceError('SPOOL_LOCKED', 'another process holds the spool', { place: path });
    throw error;
  }
  return { release: () => void database.close() };
}
