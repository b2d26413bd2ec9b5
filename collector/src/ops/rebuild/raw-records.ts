// Records out of a raw table, as an agent would have sent them: range by range, each counted against what the
// window's entry says of it, so that a record that is missing, or there twice, ends the rebuild by name.
import { SluiceError } from '@sluice/shared/errors.ts';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { segmentOfRecords } from '@sluice/shared/record-segment.ts';
import type { KafkaRecord } from '@sluice/shared/records.ts';
import type { LedgerRange, StagedSegment, TableConfig } from '../../contracts.ts';
import type { StandingOutput } from '../../ledger/standing-objects.ts';
import { blobBytes, type Database, openDatabase } from '../../transform/duckdb.ts';
import { bytesOfText, headersOfText } from '../../transform/record-texts.ts';
import { literal } from '../../transform/sql/types.ts';
import { joinedRows, type LakeReader } from '../lake-reader.ts';
import { WHOLE_BATCHES } from '../replay/quarantined-rows.ts';
import type { RawSources, RecordsOptions, WindowRecords } from './raw-table.ts';

/** Where records are read. */
const MEMORY_BYTES_MAX = 512_000_000;

/** Records and bytes of one segment, and so of what is in memory at a time. */
const SEGMENT_RECORDS_MAX = 1_000;
const SEGMENT_BYTES_MAX = 2 ** 20;

const PLACE = ['_topic', '_partition', '_offset', '_timestamp', '_key', '_headers'];
/** Columns without which a record is not what it was, by output. */
const NEEDED = { rows: [...PLACE, 'value'], quarantine: [...PLACE, 'raw', 'code'] };

/** Objects of one kind of a raw table. */
interface Wanted {
  readonly raw: TableConfig;
  readonly kind: keyof typeof NEEDED;
}

/** What of a local file is meant. */
type HeldRows = Pick<StandingOutput, 'rows' | 'joined'> & { readonly path: string };

/** On a DuckDB of its own. */
export async function openRawRecords(sources: RawSources, options: RecordsOptions): Promise<WindowRecords> {
  const { reader, directories, scratch: spillDirectory } = options;
  const limits = { memoryBytesMax: MEMORY_BYTES_MAX, threads: 1 };
  const database = await openDatabase({ directories, spillDirectory, ...limits });
  return new RawRecords(sources, { reader, database });
}

class RawRecords implements WindowRecords {
  readonly #sources: RawSources;
  readonly #reader: LakeReader;
  readonly #database: Database;
  /** Local copies by key. */
  readonly #held = new Map<string, string>();

  constructor(sources: RawSources, { reader, database }: { reader: LakeReader; database: Database }) {
    this.#sources = sources;
    this.#reader = reader;
    this.#database = database;
  }

  close(): void {
    this.#database.close();
  }

  async *segments(ranges: readonly LedgerRange[]): AsyncGenerator<StagedSegment> {
    for (const range of ranges) {
      if (range.counts.records === 0) continue;
      const parts = await this.#gather(range);
      for (let part = 0; part <= parts; part++) {
        const records = await this.#records(part);
        if (records.length === 0) continue;
        const { leaderEpoch } = range;
        const segment = segmentOfRecords(range, records, { codec: 'none', leaderEpoch });
        yield { segment, fromOffset: segment.startOffset };
      }
    }
  }

  /** Local copies that none of these ranges needs are given up. */
  async keepFor(ranges: readonly LedgerRange[]): Promise<void> {
    const keys = new Set(ranges.flatMap((range) => this.#sources.holding(range).map((o) => o.finalKey)));
    for (const key of this.#held.keys()) {
      if (keys.has(key)) continue;
      this.#held.delete(key);
      await this.#reader.release(key);
    }
  }

  /** The records of a range as a table, cut into segments; resolves with the number of the last one. */
  async #gather(range: LedgerRange): Promise<number> {
    const { raw } = this.#sources.of(range);
    const outputs = this.#sources.holding(range);
    const rows = await this.#files(outputs, { raw, kind: 'rows' });
    const quarantine = await this.#files(outputs, { raw, kind: 'quarantine' });
    const keys = raw.record.key === 'bytes' ? 'NULL::VARCHAR AS k, _key AS b' : '_key AS k, NULL::BLOB AS b';
    const headers = raw.record.headers === 'map' ? 'to_json(_headers)' : '_headers';
    const place = '_partition::BIGINT AS p, _offset::BIGINT AS o, epoch_ms(_timestamp) AS t';
    const of = `_topic = ${literal(range.topic)} AND _partition = ${range.partition}`;
    const where = `WHERE ${of} AND _offset >= ${range.start} AND _offset < ${range.next}`;
    const good = `SELECT ${place}, ${keys}, ${headers}::VARCHAR AS h, value AS v, NULL::VARCHAR AS code FROM ${filesOf(rows)} ${where}`;
    const bad =
      `SELECT ${place}, _key::VARCHAR AS k, NULL::BLOB AS b, _headers::VARCHAR AS h, raw AS v, code ` +
      `FROM ${filesOf(quarantine)} ${where}`;
    // What was quarantined and run again stands in both.
    const both = [
      ...(rows.length > 0 ? [good] : []),
      ...(quarantine.length > 0 && rows.length > 0
        ? [`${bad} AND _offset NOT IN (SELECT _offset FROM ${filesOf(rows)} ${where})`]
        : []),
      ...(quarantine.length > 0 && rows.length === 0 ? [bad] : []),
    ];
    const texts = 'coalesce(strlen(k), 0) + coalesce(strlen(h), 0)';
    const size = `sum(coalesce(octet_length(v), 0) + coalesce(octet_length(b), 0) + ${texts})`;
    const part = `((row_number() OVER w - 1) // ${SEGMENT_RECORDS_MAX} + (${size} OVER w) // ${SEGMENT_BYTES_MAX})::BIGINT`;
    await this.#database.run(
      'CREATE OR REPLACE TEMP TABLE source AS SELECT *, ' +
        `${part} AS part FROM (${both.join(' UNION ALL BY NAME ')}) WINDOW w AS (ORDER BY o) ORDER BY o`,
    );
    return this.#assertCounted(range, raw);
  }

  async #assertCounted(range: LedgerRange, raw: TableConfig): Promise<number> {
    const codes = WHOLE_BATCHES.map(literal).join(', ');
    const [found] = await this.#database.rows(
      'SELECT count(*) AS n, count(DISTINCT o) AS d, coalesce(max(part), 0) AS parts, ' +
        `count(*) FILTER (code IN (${codes})) AS whole FROM source`,
    );
    const [n, distinct, whole] = [Number(found?.['n']), Number(found?.['d']), Number(found?.['whole'])];
    const { records } = range.counts;
    const name = `${partitionName(range)} [${range.start}, ${range.next})`;
    const place = { place: raw.name };
    if (whole > 0) {
      const message = `${whole} records of ${name} came in a batch that could not be read: what is kept is no record`;
      throw new SluiceError('REBUILD_REFUSED', message, place);
    }
    if (n !== records || distinct !== records) {
      const message = `${name} has ${distinct} of its ${records} records there${n === distinct ? '' : ', some more than once'}`;
      throw new SluiceError('REBUILD_SOURCE_INCOMPLETE', message, place);
    }
    return Number(found?.['parts']);
  }

  async #records(part: number): Promise<KafkaRecord[]> {
    const rows = await this.#database.rows(
      `SELECT o, t, k, b, h, v FROM source WHERE part = ${part} ORDER BY o`,
    );
    return rows.map((row) => ({
      offset: Number(row['o']),
      timestamp: row['t'] === null ? -1 : Number(row['t']),
      key: typeof row['k'] === 'string' ? bytesOfText(row['k']) : blobBytes(row['b']),
      value: blobBytes(row['v']),
      headers: headersOfText(row['h']),
    }));
  }

  async #files(outputs: readonly StandingOutput[], of: Wanted): Promise<readonly HeldRows[]> {
    const files: HeldRows[] = [];
    for (const { rows, joined, ...output } of outputs) {
      if (output.output !== of.kind) continue;
      const path = this.#held.get(output.finalKey) ?? (await this.#fetch(output, of));
      files.push({ path, rows, ...(joined === undefined ? {} : { joined }) });
    }
    return files;
  }

  async #fetch(
    { finalKey, sha256 }: Pick<StandingOutput, 'finalKey' | 'sha256'>,
    of: Wanted,
  ): Promise<string> {
    const path = await this.#reader.local(finalKey);
    const place = { place: of.raw.name };
    if (path === undefined)
      throw new SluiceError('REBUILD_SOURCE_INCOMPLETE', `${finalKey} is not there: see \`verify\``, place);
    if ((await sha256OfFile(path)) !== sha256)
      throw new SluiceError('REBUILD_SOURCE_INCOMPLETE', `${finalKey} was replaced: see \`verify\``, place);
    await this.#assertKept(path, finalKey, of);
    this.#held.set(finalKey, path);
    return path;
  }

  /** A column that is not there would be read as NULL beside files that have it. */
  async #assertKept(path: string, key: string, { raw, kind }: Wanted): Promise<void> {
    const described = await this.#database.rows(`DESCRIBE SELECT * FROM ${filesOf([{ path, rows: 0 }])}`);
    const there = new Set(described.map((row) => row['column_name']));
    const lacking = NEEDED[kind].filter((name) => !there.has(name));
    if (lacking.length === 0) return;
    const message = `${key} has no ${lacking.join(', ')}: it was written when the table did not keep that`;
    throw new SluiceError('REBUILD_SOURCE_INCOMPLETE', message, { place: raw.name });
  }
}

/** Whole files are read at once; of joined ones no row beside those that are meant is there twice. */
function filesOf(files: readonly HeldRows[]): string {
  const whole = files.filter(({ joined }) => joined === undefined).map(({ path }) => literal(path));
  const parts = files.filter(({ joined }) => joined !== undefined);
  if (parts.length === 0) return wholeFiles(whole);
  const some = parts.map((part) => joinedRows(part.path, part));
  const all = [...(whole.length === 0 ? [] : [wholeFiles(whole)]), ...some];
  return `(${all.map((file) => `SELECT * FROM ${file}`).join(' UNION ALL BY NAME ')})`;
}

const wholeFiles = (paths: readonly string[]) =>
  `read_parquet([${paths.join(', ')}], union_by_name = true, hive_partitioning = false)`;
