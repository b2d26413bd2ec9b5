// Chosen records in parts: what goes through the transform at a time, and stands in one ledger entry. A part
// has few enough records, bytes and objects, and no two records of one partition and offset, so that those
// that fail again can be told from the others.
import { slotKey } from '@sluice/shared/position.ts';
import {
  type ImpossibleReason,
  type OpenedObject,
  openObject,
  pageOf,
  type RowsTask,
  type SeenRow,
} from './quarantined-rows.ts';
import { isTaken, type Picked, type Quarantine } from './taken.ts';

/** An entry names each of its records in the worst case: some 150 bytes. */
export const PART_RECORDS_MAX = 20_000;
const PART_BYTES_MAX = 64 * 2 ** 20;
/** Objects whose local copies are kept at a time. */
const PART_OBJECTS_MAX = 200;

/** Where a part begins: objects before are done, and of this one the rows up to `row`. */
export interface Place {
  readonly object: number;
  readonly row: number;
}

export interface OpenedPick extends Picked {
  readonly opened: OpenedObject;
  readonly rows: readonly SeenRow[];
}

export interface Part {
  readonly picks: readonly OpenedPick[];
  readonly records: number;
  /** Chosen records that an earlier replay took. */
  readonly earlier: number;
  /** Chosen records that cannot be run again, by reason. */
  readonly impossible: ReadonlyMap<ImpossibleReason, number>;
  readonly next: Place;
  /** Nothing is left behind it. */
  readonly isLast: boolean;
}

export async function partFrom(task: RowsTask, quarantine: Quarantine, from: Place): Promise<Part> {
  const making = new PartInMaking();
  for (let index = from.object; index < quarantine.objects.length; index++) {
    const object = quarantine.objects[index];
    if (object === undefined) break;
    let row = index === from.object ? from.row : 0;
    if (making.picks.length >= PART_OBJECTS_MAX) return making.part({ object: index, row }, false);
    const opened = await openObject(task, object);
    if (typeof opened === 'string') {
      addTo(making.impossible, opened, object.output.rows);
      continue;
    }
    const taken = quarantine.taken.get(object.output.finalKey) ?? [];
    making.begin(opened);
    for (let page = await pageOf(task, opened, row); page.length > 0; page = await pageOf(task, opened, row))
      for (const seen of page) {
        if (isTaken(taken, seen)) making.earlier++;
        else if (!making.add(seen)) return making.part({ object: index, row }, false);
        ({ row } = seen);
      }
    if (making.endObject()) await task.reader.release(object.at);
  }
  return making.part({ object: quarantine.objects.length, row: 0 }, true);
}

class PartInMaking {
  readonly picks: (OpenedPick & { readonly rows: SeenRow[] })[] = [];
  readonly impossible = new Map<ImpossibleReason, number>();
  earlier = 0;
  #records = 0;
  #bytes = 0;
  readonly #places = new Set<string>();

  begin(opened: OpenedObject): void {
    this.picks.push({ object: opened.object, opened, rows: [] });
  }

  /** False where the part is full. */
  add(seen: SeenRow): boolean {
    const { impossible, bytes, id, offset } = seen;
    if (impossible !== undefined) {
      addTo(this.impossible, impossible, 1);
      return true;
    }
    const place = recordKey(id, offset);
    const isFull = this.#records === PART_RECORDS_MAX || this.#bytes + bytes > PART_BYTES_MAX;
    if (this.#records > 0 && (isFull || this.#places.has(place))) return false;
    this.#places.add(place);
    this.picks.at(-1)?.rows.push(seen);
    this.#records++;
    this.#bytes += bytes;
    return true;
  }

  /** Whether nothing of the object is in the part. */
  endObject(): boolean {
    if (this.picks.at(-1)?.rows.length !== 0) return false;
    this.picks.pop();
    return true;
  }

  part(next: Place, isLast: boolean): Part {
    const picks = this.picks.filter(({ rows }) => rows.length > 0);
    const { impossible, earlier } = this;
    return { picks, records: this.#records, earlier, impossible, next, isLast };
  }
}

/** Names a record by topic, partition and offset. */
export function recordKey(
  id: { readonly topic: string; readonly partition: number },
  offset: number,
): string {
  return `${slotKey(id)}:${offset}`;
}

export function addTo<K>(counts: Map<K, number>, key: K, n: number): void {
  counts.set(key, (counts.get(key) ?? 0) + n);
}
