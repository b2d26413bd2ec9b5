// All files of the spool, as the worker thread sees them: one run of files per topic, the newest takes
// appends, the drained ones are unlinked, a broken segment is deleted alone, a broken file is renamed aside.
// Synchronous; it knows nothing of threads.
import { join } from 'node:path';
import { crc32c } from '@sluice/shared/crc32c.ts';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { bothCommitted, type CommittedPrefix, commonRanges } from '@sluice/shared/offset-range.ts';
import { type LogPlace, type PartitionId, partitionKey, partitionName } from '@sluice/shared/position.ts';
import type { Segment } from '@sluice/shared/segment.ts';
import type { SpoolCommit, SpoolPartition } from '../contracts.ts';
import { type SpoolDisk, sqliteDisk } from './spool-disk.ts';
import type { CutSegment, DroppedSegment, SetAside } from './spool-losses.ts';
import { ifSound, isCorrupt, isSpoolCorrupt, type SpooledHeader, type SpoolFile } from './sqlite-file.ts';
import { epochStarts, isWanted, NOTHING, runsOf, soundRanges } from './wanted-ranges.ts';

export interface SpoolFilesOptions {
  readonly directory: string;
  /** A file takes no more segments beyond this. */
  readonly fileBytesMax: number;
  readonly nowMs: () => number;
  /** Default: SQLite files. */
  readonly disk?: SpoolDisk;
}

interface Entry {
  readonly header: SpooledHeader;
  readonly file: FileState;
}

interface FileState {
  readonly file: SpoolFile;
  readonly number: number;
  payloadBytes: number;
  live: number;
}

export class SpoolFiles {
  readonly #options: SpoolFilesOptions;
  readonly #disk: SpoolDisk;
  readonly #files = new Map<string, FileState[]>();
  /** Live segments per partition, by start offset. */
  readonly #entries = new Map<string, Entry[]>();
  readonly #committed = new Map<string, CommittedPrefix>();
  readonly setAside: SetAside[] = [];
  readonly dropped: DroppedSegment[] = [];
  readonly cutOff: CutSegment[] = [];

  constructor(options: SpoolFilesOptions) {
    this.#options = options;
    this.#disk = options.disk ?? sqliteDisk;
    this.#disk.makeDirectory(this.#root);
    for (const name of this.#disk.directories(this.#root)) this.#openTopic(name);
  }

  get #root(): string {
    return join(this.#options.directory, 'spool');
  }

  #openTopic(encoded: string): void {
    const directory = join(this.#root, encoded);
    // Whoever was killed between making a file and its schema left one that does not know its topic.
    const topic = decodeURIComponent(encoded);
    for (const name of this.#disk
      .files(directory)
      .filter((n) => /^\d{20}\.db$/.test(n))
      .sort()) {
      this.#openFile(join(directory, name), { topic, number: Number(name.slice(0, 20)) });
    }
    // What is committed stands in the newest file, which was read last.
    for (const [key, [first]] of this.#entries)
      if (first !== undefined)
        this.#keep(first.header, (header) => isWanted(header, this.#committed.get(key) ?? NOTHING));
    for (const files of this.#files.values()) this.#unlinkDrained(files);
  }

  #openFile(path: string, { topic, number }: { topic: string; number: number }): void {
    let file: SpoolFile;
    try {
      file = this.#disk.open(path, topic);
    } catch (error) {
      if (!isSpoolCorrupt(error)) throw error;
      this.#moveAside(path, error.message);
      return;
    }
    ifSound(() => this.#adopt(file, number));
  }

  /** SPOOL_CORRUPT: what is in it cannot be read, and it was set aside. */
  #adopt(file: SpoolFile, number: number): FileState {
    const state: FileState = { file, number, payloadBytes: 0, live: 0 };
    const files = this.#files.get(file.topic) ?? [];
    files.push(state);
    this.#files.set(file.topic, files);
    try {
      this.#takeRows(state);
    } catch (error) {
      throw isCorrupt(error) ? this.#setAside(state, error) : error;
    }
    return state;
  }

  #takeRows(state: FileState): void {
    const { file } = state;
    for (const { topicId, partition, ...prefix } of file.committed()) {
      const key = partitionKey({ topic: file.topic, topicId, partition });
      this.#committed.set(key, bothCommitted(this.#committed.get(key) ?? NOTHING, prefix));
    }
    for (const header of file.headers()) {
      if (header.broken !== undefined) {
        file.remove(header, header.startOffset);
        this.#tellDropped(file, header, header.broken);
        continue;
      }
      state.payloadBytes += header.payloadBytes;
      if (isWanted(header, this.#committed.get(partitionKey(header)) ?? NOTHING))
        this.#insert({ header, file: state });
    }
  }

  #insert(entry: Entry): void {
    const key = partitionKey(entry.header);
    const entries = this.#entries.get(key) ?? [];
    const start = entry.header.startOffset;
    const at = entries.findLastIndex((e) => e.header.startOffset < start) + 1;
    const replaced = entries[at]?.header.startOffset === start ? entries[at] : undefined;
    if (replaced !== undefined) replaced.file.live--;
    entries.splice(at, replaced === undefined ? 0 : 1, entry);
    entry.file.live++;
    this.#entries.set(key, entries);
  }

  append(segments: readonly Segment[]): void {
    const byTopic = Map.groupBy(segments, (s) => s.topic);
    for (const [topic, list] of byTopic) {
      const spooledMs = this.#options.nowMs();
      const fresh = this.#fresh(list);
      const state = this.#appendTo(topic, (file) => file.append(fresh, spooledMs));
      for (const { payload, ...header } of fresh) {
        const payloadBytes = payload.byteLength;
        state.payloadBytes += payloadBytes;
        this.#insert({ header: { ...header, payloadBytes, spooledMs }, file: state });
      }
    }
  }

  /** A file that nobody needs gives its room to what comes: a full disk may have no other. */
  #appendTo(topic: string, write: (file: SpoolFile) => void): FileState {
    const state = this.#fileFor(topic);
    try {
      this.#writeTo(state, write);
      return state;
    } catch (error) {
      if (isSpoolCorrupt(error) || state.live > 0 || state.payloadBytes === 0) throw error;
      this.#unlink(state);
      return this.#appendTo(topic, write);
    }
  }

  /**
   * Without what was read twice: committed meanwhile, or part of a segment that is here. It must not replace
   * that.
   */
  #fresh(segments: readonly Segment[]): Segment[] {
    const fresh = new Map<string, Segment[]>();
    for (const segment of segments) {
      const { startOffset, nextOffset } = segment;
      const key = partitionKey(segment);
      const list = fresh.get(key) ?? [];
      const here = (this.#entries.get(key) ?? []).findLast((e) => e.header.startOffset <= startOffset);
      const coming = list.findLast((other) => other.startOffset <= startOffset);
      const coveredTo = Math.max(here?.header.nextOffset ?? 0, coming?.nextOffset ?? 0);
      if (nextOffset <= Math.max(coveredTo, this.#committed.get(key)?.nextOffset ?? 0)) continue;
      list.push(segment);
      fresh.set(key, list);
    }
    return [...fresh.values()].flat();
  }

  #writeTo(state: FileState, write: (file: SpoolFile) => void): void {
    try {
      write(state.file);
    } catch (error) {
      throw isCorrupt(error) ? this.#setAside(state, error) : error;
    }
  }

  #fileFor(topic: string): FileState {
    const last = this.#files.get(topic)?.at(-1);
    if (last !== undefined && last.payloadBytes < this.#options.fileBytesMax) return last;
    const number = (last?.number ?? 0) + 1;
    const directory = join(this.#root, encodeURIComponent(topic));
    this.#disk.makeDirectory(directory);
    const path = join(directory, `${String(number).padStart(20, '0')}.db`);
    return this.#adopt(this.#openOrSetAside(path, topic), number);
  }

  /** A broken file that could not be renamed when it broke is now; the next append makes a new one. */
  #openOrSetAside(path: string, topic: string): SpoolFile {
    try {
      return this.#disk.open(path, topic);
    } catch (error) {
      if (isSpoolCorrupt(error)) this.#moveAside(path, error.message);
      throw error;
    }
  }

  /**
   * From the segment that covers `fromOffset` on. SEGMENT_CORRUPT: a broken one was dropped; SPOOL_CORRUPT:
   * its file is broken and was set aside; SPOOL_IO: later.
   */
  read(id: PartitionId, fromOffset: number, bytesMax: number): Segment[] {
    const entries = this.#entries.get(partitionKey(id)) ?? [];
    const found: Segment[] = [];
    let next = fromOffset;
    let bytes = 0;
    const sound = soundRanges(entries.map(({ header }) => header));
    for (const [i, { header, file }] of entries.entries()) {
      const { nextOffset: end } = sound[i] ?? header;
      if (end <= next || header.startOffset > next) continue;
      const segment = this.#readChecked(file, header);
      found.push(segment);
      next = end;
      bytes += segment.payload.byteLength;
      if (bytes >= bytesMax) break;
    }
    return found;
  }

  #readChecked(state: FileState, header: SpooledHeader): Segment {
    const { path } = state.file;
    let segment: Segment | undefined;
    try {
      segment = state.file.read(header, header.startOffset);
    } catch (error) {
      if (isCorrupt(error)) throw this.#setAside(state, error);
      // A disk that fails for a moment has lost nothing: the file stays and is read again.
      throw new SluiceError('SPOOL_IO', messageOf(error), { place: path, cause: error });
    }
    if (segment !== undefined && crc32c(segment.payload) === segment.crc32c) return segment;
    const reason = segment === undefined ? 'the segment is not in its file' : 'its CRC-32C is wrong';
    this.#dropSegment(state, header, reason);
    throw new SluiceError('SEGMENT_CORRUPT', reason, {
      place: `${partitionName(header)} [${header.startOffset}, ${header.nextOffset}) in ${path}`,
    });
  }

  #dropSegment(state: FileState, header: SpooledHeader, reason: string): void {
    const key = partitionKey(header);
    try {
      state.file.remove(header, header.startOffset);
    } catch (error) {
      if (isCorrupt(error)) throw this.#setAside(state, error);
      // A row that stays is found, and dropped again, after a restart, unless a good copy was spooled behind
      // it.
    }
    this.#entries.set(
      key,
      (this.#entries.get(key) ?? []).filter((entry) => entry.header !== header),
    );
    state.live--;
    state.payloadBytes -= header.payloadBytes;
    this.#tellDropped(state.file, header, reason);
    this.#unlinkDrained(this.#files.get(header.topic) ?? []);
  }

  #tellDropped({ path, topic }: SpoolFile, header: SpooledHeader, reason: string): void {
    const { partition, startOffset, nextOffset } = header;
    this.dropped.push({ topic, partition, startOffset, nextOffset, path, reason });
  }

  /** The error that says so. The next append makes a new file. */
  #setAside(state: FileState, cause: unknown): SluiceError {
    const { path } = state.file;
    this.#dropFile(state);
    this.#moveAside(path, messageOf(cause));
    return new SluiceError('SPOOL_CORRUPT', messageOf(cause), { place: path, cause });
  }

  #dropFile(state: FileState): void {
    state.file.close();
    const files = this.#files.get(state.file.topic) ?? [];
    files.splice(files.indexOf(state), 1);
    for (const [key, entries] of this.#entries)
      this.#entries.set(
        key,
        entries.filter((e) => e.file !== state),
      );
  }

  #moveAside(path: string, reason: string): void {
    const aside = `${path}.corrupt-${this.#options.nowMs()}`;
    this.#disk.setAside(path, aside);
    this.setAside.push({ path: aside, reason });
  }

  committed({ partition: id, nextOffset, openGaps, setsBack }: SpoolCommit): void {
    const before = this.#committed.get(partitionKey(id)) ?? NOTHING;
    if (setsBack && nextOffset < before.nextOffset) this.askedAgain(id, nextOffset);
    const told = { nextOffset, open: commonRanges(openGaps, [{ startOffset: 0, nextOffset }]) };
    const after = bothCommitted(this.#committed.get(partitionKey(id)) ?? NOTHING, told);
    if (JSON.stringify(after) === JSON.stringify(before)) return;
    this.#committed.set(partitionKey(id), after);
    this.#keep(id, (header) => isWanted(header, after));
    const files = this.#files.get(id.topic) ?? [];
    this.#unlinkDrained(files);
    const newest = files.at(-1);
    if (newest !== undefined) this.#writeTo(newest, (file) => file.writeCommitted(id, after));
  }

  /** What is not kept is here no more; its file goes when all of it has gone. */
  #keep(id: PartitionId, isKept: (header: SpooledHeader) => boolean): void {
    const entries = this.#entries.get(partitionKey(id)) ?? [];
    const kept = entries.filter(({ header }) => isKept(header));
    for (const { header, file } of entries) if (!isKept(header)) file.live--;
    if (kept.length > 0) this.#entries.set(partitionKey(id), kept);
    else this.#entries.delete(partitionKey(id));
  }

  /**
   * From `offset` on nothing is committed, in every file that says so. What was forgotten may come again. In
   * memory first: where the disk fails, what is spooled now is lost to a restart, which reads it again.
   */
  askedAgain(id: PartitionId, offset: number): void {
    const { nextOffset, open } = this.#committed.get(partitionKey(id)) ?? NOTHING;
    if (nextOffset <= offset) return;
    const prefix = { nextOffset: offset, open: commonRanges(open, [{ startOffset: 0, nextOffset: offset }]) };
    this.#committed.set(partitionKey(id), prefix);
    this.#writeToAll(id.topic, (file) => file.writeCommitted(id, prefix));
  }

  /** Of a file that turns out to be broken nothing is left, which is as good. */
  #writeToAll(topic: string, write: (file: SpoolFile) => void): void {
    for (const state of [...(this.#files.get(topic) ?? [])]) ifSound(() => this.#writeTo(state, write));
  }

  cut(id: PartitionId, cut: LogPlace): void {
    this.#writeToAll(id.topic, (file) => file.removeCut(id, cut));
    this.askedAgain(id, cut.offset);
    const isCut = (h: SpooledHeader) => h.nextOffset > cut.offset && h.leaderEpoch <= cut.leaderEpoch;
    const entries = this.#entries.get(partitionKey(id)) ?? [];
    for (const { header, file } of entries.filter((entry) => isCut(entry.header))) {
      file.payloadBytes -= header.payloadBytes;
      const { topic, partition, startOffset, nextOffset, leaderEpoch, counts } = header;
      this.cutOff.push({ topic, partition, startOffset, nextOffset, leaderEpoch, records: counts.records });
    }
    this.#keep(id, (h) => !isCut(h));
    this.#unlinkDrained(this.#files.get(id.topic) ?? []);
  }

  /** The newest file of a topic stays, unless it is full: it takes the next append. */
  #unlinkDrained(files: FileState[]): void {
    for (const state of [...files]) {
      const isNewest = state === files.at(-1);
      if (state.live > 0 || (isNewest && state.payloadBytes < this.#options.fileBytesMax)) continue;
      this.#unlink(state);
    }
  }

  #unlink(state: FileState): void {
    const { path, topic } = state.file;
    const files = this.#files.get(topic) ?? [];
    state.file.close();
    files.splice(files.indexOf(state), 1);
    this.#disk.remove(path);
  }

  partitions(): SpoolPartition[] {
    return [...this.#entries.values()].flatMap((entries) => {
      const [first] = entries;
      if (first === undefined) return [];
      const { topic, topicId, partition } = first.header;
      const { header: last } = entries.at(-1) ?? first;
      const headers = entries.map(({ header }) => header);
      const runs = runsOf(soundRanges(headers), this.#committed.get(partitionKey(first.header)) ?? NOTHING);
      const epochs = epochStarts(headers);
      const { startOffset = 0, nextOffset = 0 } = runs.at(-1) ?? {};
      let bytes = 0;
      let oldestSpooledMs = first.header.spooledMs;
      for (const { header } of entries) {
        bytes += header.payloadBytes;
        oldestSpooledMs = Math.min(oldestSpooledMs, header.spooledMs);
      }
      const at = { topic, topicId, partition, startOffset, nextOffset, runs, leaderEpoch: last.leaderEpoch };
      return [{ ...at, epochs, bytes, segments: entries.length, oldestSpooledMs }];
    });
  }

  totals(): { files: number; diskBytes: number; freeBytes: number; freeInodes: number } {
    const all = [...this.#files.values()].flat();
    const diskBytes = all.reduce((sum, { file }) => sum + file.diskBytes(), 0);
    const [freeBytes, freeInodes] = [this.#disk.freeBytes(this.#root), this.#disk.freeInodes(this.#root)];
    return { files: all.length, diskBytes, freeBytes, freeInodes };
  }

  close(): void {
    for (const { file } of [...this.#files.values()].flat()) file.close();
  }
}
