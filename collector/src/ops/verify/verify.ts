// `sluice-collector verify`: proves from ledger, catalog and objects that every offset of every partition has
// exactly one fate, or says what became of one offset. Without `deep` no object is read: each is only asked
// for.
import { UsageError } from '@sluice/shared/command-line.ts';
import type { TableConfig } from '../../contracts.ts';
import { namesTopic, readsTopic, topicsOf } from '../../table-topics.ts';
import { type Database, openDatabase } from '../../transform/duckdb.ts';
import type { LakeReader } from '../lake-reader.ts';
import type { QueryOptions } from '../query.ts';
import { auditTable, type TableVerdict } from './audit.ts';
import { type Fate, fatesOf } from './fate.ts';
import { type Finding, FindingList, failure } from './findings.ts';
import { compareWithKafka, type KafkaAnswers, type KafkaStanding } from './kafka.ts';
import type { AskedOffset } from './ledger-word.ts';
import { withCopies } from './object-copies.ts';
import { outputsOf } from './objects.ts';

const MEMORY_BYTES_MAX = 512_000_000;

export type VerifyMode = 'shallow' | 'deep' | 'offset';

/** What `--json` prints, whatever was asked: docs/verify.md. */
export interface Verification {
  readonly mode: VerifyMode;
  /** No finding. */
  readonly ok: boolean;
  readonly tables: readonly TableVerdict[];
  /** With `--offset`: one for each table of the topic, and for each incarnation of it. */
  readonly fates: readonly Fate[];
  /** With `--kafka`: each partition beside Kafka's log. */
  readonly kafka: readonly KafkaStanding[];
  readonly findings: readonly Finding[];
  /** Findings beyond those listed. */
  readonly omitted: number;
}

export interface VerifyOptions extends QueryOptions {
  readonly nowMs: number;
  /** Names of the tables to judge; all of them where there are none. */
  readonly only?: readonly string[];
  /** Offsets of one window that are compared at a time: OFFSETS_AT_ONCE_MAX. */
  readonly offsetsAtOnceMax?: number;
}

/** UsageError for a table that the config does not have. */
export function verify(given: VerifyOptions, mode: 'shallow' | 'deep' = 'shallow'): Promise<Verification> {
  const options = { ...given, reader: given.reader.readingOnce() };
  const tables: TableVerdict[] = [];
  return judged(options, mode, async (table, { database, findings }) => {
    const how = { ...options, database, deep: mode === 'deep', findings };
    tables.push(await withCopies(options.reader, (copies) => auditTable(table, { ...how, copies })));
  }).then((found) => ({ ...found, tables }));
}

/** Adds what Kafka has: `ask` is called after the ledgers were read. */
export async function withKafka(
  config: VerifyOptions['config'],
  verified: Verification,
  ask: () => Promise<KafkaAnswers>,
): Promise<Verification> {
  const tables = verified.tables.flatMap((verdict) => {
    const table = config.tables.find(({ name }) => name === verdict.table);
    return table === undefined ? [] : [{ config: table, verdict }];
  });
  const { standings, findings } = compareWithKafka(tables, await ask());
  const ok = verified.ok && findings.length === 0;
  return { ...verified, ok, kafka: standings, findings: [...verified.findings, ...findings] };
}

/** UsageError where no table reads the topic, or has read it. */
export async function verifyOffset(given: VerifyOptions, asked: AskedOffset): Promise<Verification> {
  const options = { ...given, reader: given.reader.readingOnce() };
  const { reader, config, nowMs } = options;
  const readers: TableConfig[] = [];
  for (const table of tablesOf(options))
    if (readsTopic(table, asked.topic) || (await hasRead(table, asked.topic, reader))) readers.push(table);
  if (readers.length === 0) {
    const topics = [...new Set(config.tables.flatMap(topicsOf))].join(', ');
    throw new UsageError(
      `no such table reads the topic '${asked.topic}'; those of the config read ${topics}`,
    );
  }
  const fates: Fate[] = [];
  const found = await judged(
    { ...options, only: readers.map(({ name }) => name) },
    'offset',
    async (table, { database, findings }) => {
      const { fold } = await reader.ledger(table.name);
      const outputs = await outputsOf(table, options);
      const at = { table, reader, fold, outputs, nowMs, database };
      const told = await withCopies(reader, (copies) => fatesOf({ ...at, copies }, asked));
      fates.push(...told.fates);
      findings.add(...told.findings);
    },
  );
  return { ...found, fates };
}

/** A table of several topics keeps the rows of those that were taken from it. */
async function hasRead(table: TableConfig, topic: string, reader: LakeReader): Promise<boolean> {
  if (!namesTopic(table)) return false;
  const { fold } = await reader.ledger(table.name);
  return [...fold.partitions.values()].some((partition) => partition.topic === topic);
}

function tablesOf({ config, only = [] }: VerifyOptions): readonly TableConfig[] {
  const tables = config.tables.filter(({ name }) => only.length === 0 || only.includes(name));
  const unknown = only.filter((name) => !tables.some((table) => table.name === name));
  if (unknown.length > 0) throw new UsageError(`the config has no table ${unknown.join(', ')}`);
  return tables;
}

/**
 * Each table by itself: what keeps one from being judged is a finding, and the others are judged all the
 * same.
 */
async function judged(
  options: VerifyOptions,
  mode: VerifyMode,
  judge: (table: TableConfig, at: { database: Database; findings: FindingList }) => Promise<void>,
): Promise<Verification> {
  const { directories, scratch } = options;
  const tables = tablesOf(options);
  const findings = new FindingList();
  const database = await openDatabase({
    directories,
    spillDirectory: scratch,
    memoryBytesMax: MEMORY_BYTES_MAX,
    threads: 1,
  });
  try {
    for (const table of tables) {
      try {
        await judge(table, { database, findings });
      } catch (error) {
        findings.add(failure(table.name, error));
      }
    }
  } finally {
    database.close();
  }
  const { all, omitted } = findings;
  return { mode, ok: all.length === 0, tables: [], fates: [], kafka: [], findings: all, omitted };
}
