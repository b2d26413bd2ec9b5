// Small objects as parts of larger ones: fetched, held to the ledger, and put one behind the other as their
// format has it. Only files of one kind come together, and each format says what that is: Parquet that was
// written before a column was there stays apart from what was written after.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256OfFile } from '@sluice/shared/file-hash.ts';
import type { TableConfig } from '../../contracts.ts';
import { fileName } from '../../lake/object-keys.ts';
import type { WrittenFile } from '../../transform/joined-files.ts';
import type { LakeReader } from '../lake-reader.ts';
import type { SmallObject } from './plan.ts';

/** Files that become one: those of Parquet are read by one statement. */
const PARTS_MAX = 1_000;
/** Objects that are fetched at the same time, and their bytes, which are in memory then; one at least. */
const FETCHES_MAX = 8;
const FETCHED_BYTES_MAX = 256 * 2 ** 20;
/** Kinds of files of which parts are kept at a time: each is at most an object's bytes of the disk. */
const OPEN_MAX = 4;

/** What keeps a partition as it is, for people. */
export class Unjoinable extends Error {}

/** How files of a format become one. */
export interface JoiningFormat {
  /** Files of one kind are joined with each other. Unjoinable. */
  kindOf(part: LocalPart): Promise<string>;
  /** Written to `path`, and the same in the same places: a part's are those that the ledger will look for. */
  joined(parts: readonly LocalPart[], path: string): Promise<JoinedFile>;
}

export interface JoinerOptions {
  readonly reader: LakeReader;
  /** Private; files lie here until they are released. */
  readonly directory: string;
  readonly objectBytes: number;
  readonly format: JoiningFormat;
}

export interface JoinedFile extends WrittenFile {
  readonly textBytes?: number;
  readonly parts: readonly SmallObject[];
}

/** What joins objects for one compaction. */
export interface ObjectJoiner {
  /** In their order. Each file is removed when the next one is asked for. Unjoinable. */
  join(parts: readonly SmallObject[]): AsyncIterable<JoinedFile>;
  close(): Promise<void>;
}

export interface JoiningOptions {
  readonly reader: LakeReader;
  /** That may be read and written. */
  readonly directories: readonly string[];
  /** Private. */
  readonly scratch: string;
  readonly output: TableConfig['output'];
  readonly objectBytes: number;
}

export type OpenJoiner = (options: JoiningOptions) => Promise<ObjectJoiner>;

export interface LocalPart {
  readonly object: SmallObject;
  readonly path: string;
}

interface OpenGroup {
  readonly kind: string;
  parts: LocalPart[];
  bytes: number;
}

export class Joiner {
  readonly #options: JoinerOptions;
  /** By their kind, the one that was begun first at the front. */
  readonly #open = new Map<string, OpenGroup>();
  /** Keys of which local copies may lie there. */
  readonly #held = new Set<string>();
  #made = 0;

  constructor(options: JoinerOptions) {
    this.#options = options;
  }

  /** Each file is removed when the next one is asked for. Unjoinable. */
  async *join(parts: readonly SmallObject[]): AsyncGenerator<JoinedFile> {
    try {
      for await (const part of this.#fetched(parts)) {
        const { object } = part;
        const kind = await this.#options.format.kindOf(part);
        const group = this.#open.get(kind) ?? { kind, parts: [], bytes: 0 };
        const isFull = group.bytes + object.bytes > this.#options.objectBytes;
        if (isFull || group.parts.length === PARTS_MAX) yield* this.#end(group);
        group.parts.push(part);
        group.bytes += object.bytes;
        this.#open.set(kind, group);
        const [oldest] = this.#open.values();
        if (this.#open.size > OPEN_MAX && oldest !== undefined) yield* this.#end(oldest);
      }
      for (const group of this.#open.values()) yield* this.#end(group);
    } finally {
      await this.#release([...this.#held]);
    }
  }

  /** In their order, some at a time. */
  async *#fetched(parts: readonly SmallObject[]): AsyncGenerator<LocalPart> {
    for (const some of fetches(parts)) {
      for (const { from } of some) this.#held.add(from);
      const fetched = await Promise.allSettled(some.map((object) => this.#fetch(object)));
      const failed = fetched.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      for (const one of fetched) if (one.status === 'fulfilled') yield one.value;
    }
  }

  /** The bytes that the ledger has, as a local file. */
  async #fetch(object: SmallObject): Promise<LocalPart> {
    const { from, sha256 } = object;
    const path = await this.#options.reader.local(from);
    if (path === undefined) throw new Unjoinable(`${from} is not there: see \`verify\``);
    if ((await sha256OfFile(path)) === sha256) return { object, path };
    throw new Unjoinable(`${from} was replaced: see \`verify\``);
  }

  async *#end(group: OpenGroup): AsyncGenerator<JoinedFile> {
    this.#open.delete(group.kind);
    try {
      const [first, second] = group.parts;
      if (first === undefined || second === undefined) return;
      const { directory, format } = this.#options;
      await mkdir(directory, { recursive: true });
      const path = join(directory, `${this.#made++}.${extensionOf(first.object.from)}`);
      try {
        yield await format.joined(group.parts, path);
      } finally {
        await rm(path, { force: true });
      }
    } finally {
      await this.#release(group.parts.map(({ object }) => object.from));
      group.parts = [];
      group.bytes = 0;
    }
  }

  async #release(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await this.#options.reader.release(key);
      this.#held.delete(key);
    }
  }
}

/** All parts of a file have the same: `parquet`, `json.gz`. */
export function extensionOf(key: string): string {
  const name = fileName(key);
  return name.slice(name.indexOf('.') + 1);
}

/** As many at a time as are fetched together. */
function* fetches(parts: readonly SmallObject[]): Generator<readonly SmallObject[]> {
  let some: SmallObject[] = [];
  let bytes = 0;
  for (const part of parts) {
    bytes += part.bytes;
    if (some.length === FETCHES_MAX || (some.length > 0 && bytes > FETCHED_BYTES_MAX)) {
      yield some;
      some = [];
      bytes = part.bytes;
    }
    some.push(part);
  }
  if (some.length > 0) yield some;
}
