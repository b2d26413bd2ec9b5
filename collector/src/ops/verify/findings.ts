// What `verify` can find wrong, by name: each code says what to do about it. docs/findings.md is generated
// from this table. A ledger that cannot be read is found under its error's own code (docs/errors.md).
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';

export const FINDINGS = {
  TABLE_NOT_CATALOGUED: {
    means: 'Objects are committed, and the catalog does not have their table: no reader finds it.',
    remedy:
      'Start a collector with this table in its config: it creates the table. If someone dropped it, find out who.',
  },
  PARTITION_NOT_REGISTERED: {
    means: 'The ledger says that an object is published, and the catalog does not have its partition.',
    remedy:
      'Add the partition to the catalog again, with the location named: no collector registers what is published.',
  },
  PARTITION_MISPLACED: {
    means:
      'A rebuild or a compaction has moved a partition, and the catalog has it at another place: readers see what was there before.',
    remedy:
      'A request that was very late, or a hand, has moved it. In Glue a collector that writes the table puts it back within 45 minutes, and at once on SIGHUP; without one set its location in the catalog to the place named.',
  },
  OBJECT_NOT_PUBLISHED: {
    means: 'An entry has been committed for longer than publishing takes, and its staged copy still waits.',
    remedy:
      'Start a collector: it publishes what it finds. If one runs, its `status` says why the table is parked. Nothing is lost.',
  },
  OBJECT_DELETED: {
    means: 'The object was published and is gone: its rows have been taken from the readers.',
    remedy:
      'Put the object back under the key named, from the staged copy if one is named, else from a version or a backup with the SHA-256 named. Then find what deleted it: a lifecycle rule, another job, a person.',
  },
  OBJECT_REPLACED: {
    means: 'The bytes under the key are not those that were committed.',
    remedy:
      'Put the object with the SHA-256 named back, from a version or a backup, and find what writes below the table.',
  },
  OBJECT_UNREADABLE: {
    means: 'The object cannot be read as the table is defined.',
    remedy:
      'If it was replaced, too, put the right one back. Else compare the config with the one that wrote it: its version is in the entry.',
  },
  OBJECT_UNKNOWN: {
    means:
      'An object lies below the table and no entry names it: readers see its rows beside the right ones.',
    remedy: 'Move it away from below the table, and find what wrote it: Sluice did not.',
  },
  ROWS_MISCOUNTED: {
    means: 'An object holds another number of rows than its entry says.',
    remedy:
      'If it was replaced, too, put the right one back. Else this is a defect in Sluice: keep the ledger and report it.',
  },
  CLASSES_MISCOUNTED: {
    means: 'The objects of an entry hold another number of emitted or quarantined records than it says.',
    remedy:
      'If one was replaced, too, put the right one back. Else this is a defect in Sluice: keep the ledger and report it.',
  },
  OFFSET_DUPLICATED: {
    means: 'A record is in the table, or in table and quarantine together, more than once.',
    remedy:
      'If an object was replaced, too, put the right one back. Else this is a defect in Sluice: keep ledger and objects and report it.',
  },
  OFFSET_MISSING: {
    means:
      'A record that the entry counts has no row anywhere, and the entry says of none that it was left out.',
    remedy:
      'If an object was replaced, too, put the right one back. Else this is a defect in Sluice: keep ledger and objects and report it.',
  },
  OFFSET_OUT_OF_RANGE: {
    means: 'An object holds a record that neither its entry nor any other answers for.',
    remedy:
      'If it was replaced, too, put the right one back. Else this is a defect in Sluice: keep ledger and objects and report it.',
  },
  REPLAY_UNFOUNDED: {
    means: 'A replay says that it took records which the quarantine object that it names does not hold.',
    remedy:
      'If the object was replaced, too, put the right one back. Else this is a defect in Sluice: keep ledger and objects and report it.',
  },
  SWAP_UNFOUNDED: {
    means:
      'A rebuild says other numbers of the windows that it replaced than the ledger has, or a compaction of the objects that it joined, or a joined object does not hold the lines that were joined in it, or either has left an object where its partition was.',
    remedy: 'This is a defect in Sluice: keep ledger and objects and report it.',
  },
  KAFKA_LOG_BEHIND: {
    means: 'The table holds offsets that Kafka does not have: its log ends before where the table goes on.',
    remedy:
      'Find out what cut the log: an unclean leader election, a restored broker disk. The agent waits at that position; new records there would be taken for old ones.',
  },
  KAFKA_LOG_AHEAD: {
    means: 'Kafka’s log begins behind where the table goes on, and the ledger has no gap for what is gone.',
    remedy:
      'Those records are lost to this table. If the agent runs, it records the gap when it comes to it; if the table is parked or detached, help it first. Then raise the topic’s retention.',
  },
} as const satisfies Record<string, { readonly means: string; readonly remedy: string }>;

export type FindingCode = keyof typeof FINDINGS;

export interface Finding {
  /** One of FINDINGS, or an error's code where the ledger cannot be read. */
  readonly code: string;
  readonly table: string;
  /** An object's key, an entry's number, a partition's prefix or a table's name. */
  readonly place: string;
  readonly message: string;
  readonly remedy: string;
}

export function finding(
  code: FindingCode,
  { table, place }: { readonly table: string; readonly place: string },
  message: string,
): Finding {
  return { code, table, place, message, remedy: FINDINGS[code].remedy };
}

/** Beyond these a list is no help any more; the others are counted. */
const FINDINGS_MAX = 10_000;

/** Each finding once, however many objects lead to it. */
export class FindingList {
  readonly #list: Finding[] = [];
  readonly #seen = new Set<string>();
  #omitted = 0;

  add(...findings: readonly Finding[]): void {
    for (const one of findings) {
      const key = [one.code, one.table, one.place, one.message].join('\0');
      if (this.#seen.has(key)) continue;
      if (this.#list.length === FINDINGS_MAX) {
        this.#omitted++;
        continue;
      }
      this.#seen.add(key);
      this.#list.push(one);
    }
  }

  get all(): readonly Finding[] {
    return this.#list;
  }

  get omitted(): number {
    return this.#omitted;
  }
}

/** What kept a table from being judged at all. */
export function failure(table: string, error: unknown): Finding {
  const message = messageOf(error);
  if (!(error instanceof SluiceError))
    return {
      code: 'UNEXPECTED',
      table,
      place: 'ledger',
      message,
      remedy: 'Run it again; if it comes back, report it.',
    };
  return { code: error.code, table, place: error.place ?? 'ledger', message, remedy: error.remedy };
}
