// An agent's data directory in memory: it outlives the agent's process, may be copied, lost or set back to an
// older copy, and fails as disks do. Files of the spool are maps of rows; the spool's own code decides what
// is in them.
import type { SpoolDisk } from '@sluice/agent/spool/spool-disk.ts';
import type { SpooledHeader, SpooledPrefix, SpoolFile } from '@sluice/agent/spool/sqlite-file.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';

interface StoredFile {
  readonly topic: string;
  readonly rows: Map<string, Segment & { readonly spooledMs: number }>;
  readonly committed: Map<string, SpooledPrefix>;
  broken: boolean;
}

/** Why a call fails, as SQLite says it. */
export type DiskFault = 'SQLITE_FULL' | 'SQLITE_IOERR' | 'SQLITE_CORRUPT';

const rowKey = (id: PartitionId, startOffset: number) => `${partitionKey(id)}@${startOffset}`;
const failed = (code: DiskFault) => Object.assign(new Error(`disk: ${code}`), { code });

export class SimDisk implements SpoolDisk {
  instanceId: string;
  /** Drawn for each write and read. */
  faults: (call: 'append' | 'read') => DiskFault | undefined = () => undefined;
  free = Number.MAX_SAFE_INTEGER;
  #files = new Map<string, StoredFile>();

  constructor(instanceId: string) {
    this.instanceId = instanceId;
  }

  /** A backup. */
  copy(): ReadonlyMap<string, StoredFile> {
    return new Map(
      [...this.#files].map(([path, { rows, committed, ...file }]) => {
        return [path, { ...file, rows: new Map(rows), committed: new Map(committed) }];
      }),
    );
  }

  restore(backup: ReadonlyMap<string, StoredFile>): void {
    this.#files = new Map(backup);
  }

  /** The directory was deleted. */
  clear(instanceId: string): void {
    this.#files = new Map();
    this.instanceId = instanceId;
  }

  /** One file's pages are damaged: false where there is none. */
  damage(pick: number): boolean {
    const files = [...this.#files.values()].filter(({ rows, broken }) => rows.size > 0 && !broken);
    const file = files[Math.floor(pick * files.length)];
    if (file !== undefined) file.broken = true;
    return file !== undefined;
  }

  /** What is not committed, as far as the disk knows. */
  spooled(): Segment[] {
    return [...this.#files.values()].flatMap(({ rows, committed, broken }) =>
      broken
        ? []
        : [...rows.values()].filter((s) => s.nextOffset > (committed.get(partitionKey(s))?.nextOffset ?? 0)),
    );
  }

  makeDirectory(): void {}

  directories(root: string): readonly string[] {
    const paths = [...this.#files.keys()].map((path) => path.slice(root.length + 1));
    return [...new Set(paths.map((path) => path.split('/')[0] ?? ''))].sort();
  }

  files(directory: string): readonly string[] {
    const paths = [...this.#files.keys()].filter((path) => path.startsWith(`${directory}/`));
    return paths.map((path) => path.slice(directory.length + 1));
  }

  setAside(path: string): void {
    this.#files.delete(path);
  }

  remove(path: string): void {
    this.#files.delete(path);
  }

  freeBytes(): number {
    return this.free;
  }

  freeInodes(): number {
    return Number.POSITIVE_INFINITY;
  }

  isReadOnly(): boolean {
    return false;
  }

  open(path: string, topic: string): SpoolFile {
    const file: StoredFile = this.#files.get(path) ?? {
      topic,
      rows: new Map(),
      committed: new Map(),
      broken: false,
    };
    if (file.broken) throw new SluiceError('SPOOL_CORRUPT', 'the file is damaged', { place: path });
    this.#files.set(path, file);
    const check = (call: 'append' | 'read') => {
      const fault = file.broken ? 'SQLITE_CORRUPT' : this.faults(call);
      if (fault !== undefined) throw failed(fault);
    };
    return {
      path,
      topic: file.topic,
      headers: () => [...file.rows.values()].map(headerOf),
      committed: () => [...file.committed.values()],
      append(segments, spooledMs) {
        check('append');
        for (const segment of segments)
          file.rows.set(rowKey(segment, segment.startOffset), { ...segment, spooledMs });
      },
      read(id, startOffset) {
        check('read');
        return file.rows.get(rowKey(id, startOffset));
      },
      remove(id, startOffset) {
        check('append');
        file.rows.delete(rowKey(id, startOffset));
      },
      removeCut({ topicId, partition }, { offset, leaderEpoch }) {
        check('append');
        for (const [key, row] of file.rows) {
          const isOfIt = row.topicId === topicId && row.partition === partition;
          if (isOfIt && row.nextOffset > offset && row.leaderEpoch <= leaderEpoch) file.rows.delete(key);
        }
      },
      writeCommitted({ topicId, partition, ...id }, prefix) {
        check('append');
        file.committed.set(partitionKey({ ...id, topicId, partition }), { topicId, partition, ...prefix });
      },
      diskBytes: () => [...file.rows.values()].reduce((sum, { payload }) => sum + payload.byteLength, 0),
      close() {},
    };
  }
}

function headerOf({ payload, ...header }: Segment & { readonly spooledMs: number }): SpooledHeader {
  return { ...header, payloadBytes: payload.byteLength };
}
