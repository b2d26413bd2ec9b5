// What stands of each entry after all swaps: its window as it was made last, and its objects where they are
// now. Pure. Of a ledger only the swaps are kept; every other entry is asked about as it is read.
import type { JoinedObject, LedgerEntry, LedgerOutput, ObjectsEntry, SwapEntry } from '../contracts.ts';
import { fileName } from '../lake/object-keys.ts';

export interface StandingOutput extends LedgerOutput {
  /** Number of the entry that says that it is there, its own or a swap's, and when that was written. */
  readonly placedBy: number;
  readonly placedAt: string;
  /** Set where the object is a joined one: it has rows of others as well. */
  readonly joined?: JoinedRows;
}

/** The rows of an entry in a joined object: as many as its output says, from number `first` on. */
export interface JoinedRows {
  readonly first: number;
  /** Of the object in all. */
  readonly rows: number;
  /** Set where the object is lines, whose place is known by their bytes. */
  readonly text?: JoinedText;
}

/** The lines of an entry in the unpacked text of a joined object. */
export interface JoinedText {
  /** Number of their first byte. */
  readonly first: number;
  readonly bytes: number;
  /** As when they were an object of their own. */
  readonly sha256: string;
  /** Bytes of all of the object's text. */
  readonly of: number;
}

export type StandingEntry = ObjectsEntry & { readonly outputs: readonly StandingOutput[] };

/** What became of an object: it lies elsewhere, or is rows of another one. */
interface Moved extends Pick<StandingOutput, 'stagedKey' | 'finalKey' | 'placedBy' | 'placedAt'> {
  readonly into?: Required<Pick<StandingOutput, 'bytes' | 'sha256' | 'joined'>>;
}

interface Remade {
  /** Number of the swap. */
  readonly by: number;
  readonly now: Pick<ObjectsEntry, 'classes' | 'rows' | 'configVersion' | 'partitionedBy'> & {
    readonly outputs: readonly StandingOutput[];
  };
}

export class StandingObjects {
  readonly #remade = new Map<number, Remade>();
  readonly #takenBack = new Set<number>();
  /** By the key that an object had before. */
  readonly #moved = new Map<string, Moved>();
  hasJoined = false;
  /** Window of each object that a swap made, by the key that it gave. */
  readonly #windows = new Map<string, number>();

  static async of(entries: AsyncIterable<LedgerEntry>): Promise<StandingObjects> {
    const standing = new StandingObjects();
    for await (const entry of entries) standing.add(entry);
    return standing;
  }

  /** In the order of the ledger. */
  add(entry: LedgerEntry): void {
    if (entry.kind !== 'swap') return;
    const made = new Map<number, StandingOutput[]>();
    const by = { placedBy: entry.sequence, placedAt: entry.writtenAt };
    for (const { output, partition, to, made: objects, carried, joined = [] } of entry.moves) {
      for (const { entry: window, name, bytes, sha256, rows } of objects) {
        const key = `${to}${name}`;
        const of = { output, stagedKey: key, finalKey: key, bytes, sha256, rows, partition };
        const outputs = made.get(window) ?? [];
        made.set(window, outputs);
        outputs.push({ ...of, ...by });
        this.#windows.set(key, window);
      }
      for (const { from } of carried)
        this.#moved.set(from, { stagedKey: from, finalKey: `${to}${fileName(from)}`, ...by });
      for (const object of joined) this.#join(object, `${to}${object.name}`, by);
    }
    this.#remake(entry, made);
    for (const replay of entry.replays) this.#takenBack.add(replay);
  }

  #join(object: JoinedObject, key: string, by: Pick<Moved, 'placedBy' | 'placedAt'>): void {
    const { bytes, sha256, rows, parts, textBytes: of = 0 } = object;
    this.hasJoined = true;
    let first = 0;
    let firstByte = 0;
    for (const part of parts) {
      const text = part.text === undefined ? {} : { text: { ...part.text, first: firstByte, of } };
      const into = { bytes, sha256, joined: { first, rows, ...text } };
      this.#moved.set(part.from, { stagedKey: key, finalKey: key, ...by, into });
      first += part.rows;
      firstByte += part.text?.bytes ?? 0;
    }
  }

  #remake(swap: SwapEntry, made: Map<number, StandingOutput[]>): void {
    const { sequence: by, configVersion, partitionedBy } = swap;
    for (const { entry, classes, rows } of swap.windows) {
      const now = { configVersion, partitionedBy, classes, rows, outputs: made.get(entry) ?? [] };
      this.#remade.set(entry, { by, now });
    }
  }

  /** undefined for a replay whose records were taken back into their windows. */
  now(entry: ObjectsEntry): StandingEntry | undefined {
    return this.#takenBack.has(entry.sequence) ? undefined : this.last(entry);
  }

  /** As it stood last, taken back or not. */
  last(entry: ObjectsEntry): StandingEntry {
    const remade = this.#remade.get(entry.sequence)?.now;
    const outputs = this.made(entry).map((output) => this.#last(output));
    return { ...entry, ...remade, outputs };
  }

  /** Its objects under the keys that whoever made them last gave them. */
  made(entry: ObjectsEntry): readonly StandingOutput[] {
    const by = { placedBy: entry.sequence, placedAt: entry.writtenAt };
    const remade = this.#remade.get(entry.sequence)?.now;
    return remade?.outputs ?? entry.outputs.map((output) => ({ ...output, ...by }));
  }

  #last<O extends Pick<StandingOutput, 'finalKey' | 'joined'>>(output: O): O {
    let last = output;
    for (;;) {
      const next = this.#moved.get(last.finalKey);
      if (next === undefined) return last;
      const { into, ...place } = next;
      last = { ...last, ...place, ...(into === undefined ? {} : within(into, last)) };
    }
  }

  /** Number of the swap that made a window last, or its own. */
  madeBy(window: number): number {
    return this.#remade.get(window)?.by ?? window;
  }

  /** Where the object is now that was made under this key. */
  keyNow(key: string): string {
    return this.#last({ finalKey: key }).finalKey;
  }

  /** Number of the window that an object is of, by the entry that named it first. */
  windowOf(entry: number, key: string): number {
    return this.#windows.get(key) ?? entry;
  }
}

/** Rows that were rows of a part are rows of what that became, and its text is some of the larger one. */
function within(
  { joined, ...object }: Required<Moved>['into'],
  { joined: before }: Pick<StandingOutput, 'joined'>,
) {
  const { text } = joined;
  const first = joined.first + (before?.first ?? 0);
  if (text === undefined || before?.text === undefined) return { ...object, joined: { ...joined, first } };
  const own = { ...before.text, first: text.first + before.text.first, of: text.of };
  return { ...object, joined: { ...joined, first, text: own } };
}
