// A spool at rest, looked at without a change: what each partition holds that is not committed, and which
// files are of a newer format. Whoever opens a spool asks here first: SQLite alters a file by opening it.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@sluice/shared/errors.ts';
import { bothCommitted, type CommittedPrefix } from '@sluice/shared/offset-range.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import { assertKnownFormat } from '@sluice/shared/stored-format.ts';
import type { OffsetRange } from '../contracts.ts';
import { KNOWN_SPOOL, lockDirectory, readSpoolFile, SPOOL_FORMAT } from './sqlite-file.ts';
import { isWanted, NOTHING, runsOf } from './wanted-ranges.ts';

export interface SpooledPartition extends PartitionId {
  /** Spooled and not committed, ascending; ranges that touch are one. */
  readonly runs: readonly OffsetRange[];
  readonly records: number;
  readonly segments: number;
  readonly bytes: number;
}

export interface UnreadableFile {
  readonly topic: string;
  readonly path: string;
  readonly reason: string;
}

export interface SpoolContents {
  readonly partitions: readonly SpooledPartition[];
  /** Of a newer format, or broken: what they hold cannot be told. */
  readonly unreadable: readonly UnreadableFile[];
}

interface FoundFile {
  readonly topic: string;
  readonly path: string;
}

export function spoolRoot(dataDirectory: string): string {
  return join(dataDirectory, 'spool');
}

/** SPOOL_LOCKED where another process has the directory, which must exist. */
export function holdSpool(dataDirectory: string): { release(): void } {
  return lockDirectory(join(dataDirectory, 'lock.db'));
}

/** SPOOL_FORMAT_NEWER where any file is of a format that this version does not know; nothing is changed. */
export function assertFormats(dataDirectory: string): void {
  for (const { topic, path } of findFiles(dataDirectory))
    assertKnownFormat(formatOf(path, topic), KNOWN_SPOOL, path);
}

/** A broken one is found, and set aside, when it is opened. */
function formatOf(path: string, topic: string): number {
  try {
    return readSpoolFile(path, topic).format;
  } catch {
    return 0;
  }
}

/** The caller holds the directory. */
export function inspectSpool(dataDirectory: string): SpoolContents {
  const unreadable: UnreadableFile[] = [];
  const found = new Map<string, Found>();
  const committed = new Map<string, CommittedPrefix>();
  for (const { topic, path } of findFiles(dataDirectory)) {
    try {
      const file = readSpoolFile(path, topic);
      if (file.format > SPOOL_FORMAT) {
        unreadable.push({ topic, path, reason: `format ${file.format}, which this version cannot read` });
        continue;
      }
      for (const { topicId, partition, ...prefix } of file.committed) {
        const key = partitionKey({ topic, topicId, partition });
        committed.set(key, bothCommitted(committed.get(key) ?? NOTHING, prefix));
      }
      for (const header of file.headers) {
        const key = partitionKey(header);
        const list = found.get(key) ?? [];
        list.push(header);
        found.set(key, list);
      }
    } catch (error) {
      unreadable.push({ topic, path, reason: messageOf(error) });
    }
  }
  const partitions = [...found].flatMap(([key, headers]) => summed(headers, committed.get(key) ?? NOTHING));
  return { partitions: partitions.sort(byName), unreadable };
}

type Found = ReturnType<typeof readSpoolFile>['headers'][number][];

/** Counts whole segments: one that is committed in part is still here. */
function summed(headers: Found, committed: CommittedPrefix): SpooledPartition[] {
  const live = headers.filter((header) => isWanted(header, committed));
  const [first] = live;
  if (first === undefined) return [];
  const { topic, topicId, partition } = first;
  const runs = runsOf(live, committed);
  const sum = (of: (header: Found[number]) => number) =>
    live.reduce((total, header) => total + of(header), 0);
  return [
    {
      ...{ topic, topicId, partition, runs, segments: live.length },
      records: sum(({ counts }) => counts.records),
      bytes: sum(({ payloadBytes }) => payloadBytes),
    },
  ];
}

function byName(a: PartitionId, b: PartitionId): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}

/** Files that were set aside as broken are not part of the spool any more. */
function findFiles(dataDirectory: string): FoundFile[] {
  const root = spoolRoot(dataDirectory);
  return namesIn(root).flatMap((encoded) => {
    const directory = join(root, encoded);
    if (!statSync(directory).isDirectory()) return [];
    const topic = decodeURIComponent(encoded);
    const files = namesIn(directory).filter((name) => /^\d{20}\.db$/.test(name));
    return files.map((name) => ({ topic, path: join(directory, name) }));
  });
}

/** None where there is no such directory. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
