// Opens partitions in the ledgers of their tables: each table for itself, so that one which cannot write - it
// is parked, or its store is gone - keeps no other waiting. Where a partition begins is resolved once, when
// its ledger was read, on the word of who reads its log then, if anybody does. What other collectors have
// committed meanwhile is read first: an agent that comes from one of them sends nothing twice.
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError } from '@sluice/shared/errors.ts';
import { idOf, type PartitionId, partitionKey } from '@sluice/shared/position.ts';
import type { DeclaredPartition, TableWriter } from '../contracts.ts';
import type { Events } from '../events.ts';
import { readsTopic } from '../table-topics.ts';
import type { DeclaredWords } from './declared-words.ts';
import { createLedgerRereads } from './ledger-rereads.ts';
import type { SequencedTable } from './sequenced-partition.ts';
import { resolveStart, type TablePlace } from './start-offset.ts';

export interface PartitionOpener {
  /**
   * Resolves when every table has opened or refused what it lacks. Never rejects; asked twice, it opens once.
   */
  open(partitions: readonly DeclaredPartition[]): Promise<void>;
  /**
   * Whether the table has opened all of these, and its ledger was read; if not, that is begun, once, and
   * `review` called behind it. Of what it has opened at another time its history may not be begun yet: that
   * is, too.
   */
  hasOpened(table: SequencedTable, wanted: readonly DeclaredPartition[]): boolean;
  /** Whether its ledger was read when it was asked for last. */
  isCurrent(writer: TableWriter): boolean;
}

export interface PartitionOpenerOptions {
  readonly clock: Clock;
  readonly events: Pick<Events, 'tableNotOpened' | 'tableWaits'>;
  /** What the streams of now say. */
  readonly words: DeclaredWords;
  /** Called behind each attempt: ledgers were read that somebody may wait for. */
  welcomeOpened(): void;
  /** A table has opened all that it was asked for, some time after it was asked. */
  review(): void;
}

export function createPartitionOpener(
  tables: readonly SequencedTable[],
  options: PartitionOpenerOptions,
): PartitionOpener {
  const { events, words } = options;
  const rereads = createLedgerRereads(options.clock, events);
  const opening = new Map<TableWriter, Map<string, Promise<void>>>();
  const current = new Set<TableWriter>();
  const catchingUp = new Set<TableWriter>();

  function siblingsOf(table: SequencedTable, partition: DeclaredPartition) {
    return tables
      .filter((other) => other !== table && other.lane.topics.all().includes(partition.topic))
      .map(({ writer }) => placeOf(writer, partition));
  }

  /** On the word that counts by now: who asked may only hold a spool, and who reads the log come since. */
  function openingOf(table: SequencedTable, asked: DeclaredPartition, siblings: readonly TablePlace[]) {
    const partition = words.wordOn(asked) ?? asked;
    const otherIncarnation = table.writer.partitions().some((p) => sameSlot(p, partition));
    const question = { configured: table.lane.table.startAt, partition, siblings, otherIncarnation };
    return { ...idOf(partition), leaderEpoch: partition.leaderEpoch, ...resolveStart(question) };
  }

  async function openIn(table: SequencedTable, partitions: readonly DeclaredPartition[]): Promise<void> {
    const { lane, writer } = table;
    const ours = partitions.filter((p) => readsTopic(lane.table, p.topic));
    if (ours.length === 0) return;
    writer.follow(true);
    // Where others are when a table that cannot be read now is read at last says nothing: they went on.
    const isReady = writer.status().state === 'ready';
    const siblingsNow = new Map(ours.map((p) => [p, isReady ? undefined : siblingsOf(table, p)]));
    // A table that is not loaded, halted or closed is told by `open`, where it matters.
    await readLedger(table);
    await openLacking(table, { ours, siblingsNow });
  }

  async function readLedger(table: SequencedTable): Promise<boolean> {
    const { lane, writer } = table;
    current.delete(writer);
    try {
      await writer.refresh();
      current.add(writer);
      rereads.over(writer);
      return true;
    } catch (error) {
      const failed = { name: lane.table.name, writer };
      rereads.failed(failed, describeError(error), () => void readAgain(table));
      return false;
    }
  }

  /** For the streams of now: what waits for the table, or is not opened yet. */
  async function readAgain(table: SequencedTable): Promise<void> {
    const { lane, writer } = table;
    if (!tables.includes(table) || words.declaredOf(lane.topics.all()).length === 0) {
      rereads.over(writer);
      return;
    }
    if (!(await readLedger(table))) return;
    const ours = words.declaredOf(lane.topics.all()).filter((p) => readsTopic(lane.table, p.topic));
    await openLacking(table, { ours, siblingsNow: new Map() });
    options.welcomeOpened();
    options.review();
  }

  async function openLacking(table: SequencedTable, { ours, siblingsNow }: Lacking): Promise<void> {
    const { lane, writer } = table;
    const pending = opening.get(writer) ?? new Map<string, Promise<void>>();
    opening.set(writer, pending);
    const lacking = ours.filter((p) => writer.position(p) === undefined);
    const fresh = lacking.filter((p) => !pending.has(partitionKey(p)));
    const waited = new Set(lacking.flatMap((p) => pending.get(partitionKey(p)) ?? []));
    if (fresh.length > 0) {
      const asked = fresh.map((p) => openingOf(table, p, siblingsNow.get(p) ?? siblingsOf(table, p)));
      const asking = writer
        .open(asked)
        .catch((error: unknown) =>
          events.tableNotOpened({ table: lane.table.name, reason: describeError(error) }),
        )
        .finally(() => {
          for (const p of fresh) pending.delete(partitionKey(p));
        });
      for (const p of fresh) pending.set(partitionKey(p), asking);
      waited.add(asking);
    }
    await Promise.all(waited);
    void lane.history.begin(ours);
  }

  const open = async (partitions: readonly DeclaredPartition[]) => {
    await Promise.all(tables.map((table) => openIn(table, partitions)));
    options.welcomeOpened();
  };

  return {
    isCurrent: (writer) => current.has(writer),
    open,
    hasOpened({ lane, writer }, wanted) {
      const isThere = () =>
        wanted.every((partition) => lane.next(partition) !== undefined) &&
        (wanted.length === 0 || current.has(writer));
      if (isThere()) {
        void lane.history.begin(wanted);
        return true;
      }
      if (catchingUp.has(writer)) return false;
      catchingUp.add(writer);
      void open(wanted).then(() => {
        catchingUp.delete(writer);
        if (isThere()) options.review();
      });
      return false;
    },
  };
}

interface Lacking {
  readonly ours: readonly DeclaredPartition[];
  /** Where the topic's other tables were, where that counts and not where they are. */
  readonly siblingsNow: ReadonlyMap<DeclaredPartition, readonly TablePlace[] | undefined>;
}

function placeOf(writer: TableWriter, id: PartitionId): TablePlace {
  return { acked: writer.acked(id), next: writer.position(id), leaderEpoch: writer.leaderEpoch(id) };
}

function sameSlot(a: PartitionId, b: PartitionId): boolean {
  return a.topic === b.topic && a.partition === b.partition && a.topicId !== b.topicId;
}
