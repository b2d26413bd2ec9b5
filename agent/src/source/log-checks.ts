// Whether Kafka's log still has what was read from it. A leader that was elected uncleanly may have less:
// then the log was cut, and other records stand, or will stand, under offsets that were read. That can be
// only where the leader epoch rises, so there Kafka is asked where the log of the epoch before ended, and no
// batch of the new epoch is taken before it has answered.
import type { Clock } from '@sluice/shared/clock.ts';
import { idOf, type LogPlace, type PartitionId, partitionKey, slotKey } from '@sluice/shared/position.ts';
import type { SourceBatch, SourceHandler } from '../contracts.ts';
import type { Events } from '../events.ts';
import type { EpochEnd } from './epoch-request.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { PacedQuestion } from './paced-question.ts';
import {
  CHECKS_LOG,
  LOG_CUT,
  OUT_OF_RANGE,
  type PartitionRow,
  type PartitionTable,
} from './partition-table.ts';
import type { SourceTiming } from './source-timing.ts';

/** Kafka's error code where this principal may not ask. */
const TOPIC_AUTHORIZATION_FAILED = 29;

export interface LogChecksOptions {
  readonly cluster: KafkaCluster;
  readonly table: PartitionTable;
  readonly clock: Clock;
  readonly events: Events;
  readonly timing: SourceTiming;
  /** The topic of some row may be another one. */
  readonly describe: () => void;
  readonly applyPause: (rows: readonly PartitionRow[]) => void;
  /** Undefined once the source has stopped. */
  readonly handler: () => SourceHandler | undefined;
}

/** A partition that is not read here: others ask about places in its log. */
interface OtherLog extends PartitionId {
  places: readonly LogPlace[];
}

type AskedLog = PartitionRow | OtherLog;

const isRead = (log: AskedLog): log is PartitionRow => 'readEpoch' in log;

interface Asked {
  readonly row: AskedLog;
  readonly place: LogPlace;
  readonly currentEpoch: number;
}

interface Answered extends Asked {
  readonly end: EpochEnd | undefined;
}

export class LogChecks {
  readonly #options: LogChecksOptions;
  /** By `partitionKey`. */
  readonly #others = new Map<string, OtherLog>();
  readonly #question: PacedQuestion;

  constructor(options: LogChecksOptions) {
    this.#options = options;
    const { clock, events, timing } = options;
    this.#question = new PacedQuestion({
      ...{ clock, everyMs: timing.describeRetryMs, retryMs: timing.describeRetryMs },
      isWanted: () => this.#toAsk().length > 0,
      ask: () => this.#ask(this.#toAsk()),
      failed: events.sourceLookupFailed,
    });
  }

  #toAsk(): readonly AskedLog[] {
    const read = this.#options.table.rows().filter((row) => row.checkFor >= 0 || row.places.length > 0);
    return [...read, ...this.#others.values()];
  }

  /** Whether a batch may follow what was read of the row; if not, the row waits until Kafka was asked. */
  accepts(row: PartitionRow, { leaderEpoch }: SourceBatch): boolean {
    if (row.readEpoch < 0 || leaderEpoch <= comparedEpoch(row)) return true;
    row.checkFor = Math.max(row.checkFor, leaderEpoch);
    row.waits.add(CHECKS_LOG);
    this.#options.applyPause([row]);
    this.now();
    return false;
  }

  /** The metadata say that another leader may have come. */
  leadersKnown(): void {
    for (const row of this.#options.table.rows())
      if (row.readEpoch >= 0 && row.leaderEpoch > comparedEpoch(row))
        row.checkFor = Math.max(row.checkFor, row.leaderEpoch);
    this.now();
  }

  /** The position lies behind the end of the log. */
  beyondEnd(row: PartitionRow): void {
    row.checkFor = Math.max(row.checkFor, row.leaderEpoch, 0);
    this.now();
  }

  /** With what was asked of it before it was read here: one answer says that all of it is there. */
  prove(row: PartitionRow, places: readonly LogPlace[]): void {
    const before = this.#others.get(partitionKey(row))?.places ?? [];
    this.#others.delete(partitionKey(row));
    row.places = [...row.places, ...before, ...places];
    this.now();
  }

  /** Of a partition that others read, or nobody any more. */
  proveOther(id: PartitionId, places: readonly LogPlace[]): void {
    this.#others.set(partitionKey(id), { ...idOf(id), places });
    this.now();
  }

  now(): void {
    this.#question.now();
  }

  /** Never rejects. */
  whenDue(): Promise<void> {
    return this.#question.whenDue();
  }

  async #ask(rows: readonly AskedLog[]): Promise<void> {
    const epochs = await this.#epochsOf(rows);
    const asked = rows.flatMap((row) => {
      const currentEpoch = epochs.get(row);
      if (currentEpoch === undefined) return [];
      return placesOf(row).map((place): Asked => ({ row, place, currentEpoch }));
    });
    const ends = await this.#endsOf(asked);
    // Again, since what answered may have been another topic of that name.
    const after = await this.#epochsOf(rows);
    if (this.#options.handler() === undefined) return;
    for (const row of rows) {
      const epoch = epochs.get(row);
      if (epoch === undefined || !after.has(row)) continue;
      const answers = asked.flatMap((one, i) => (one.row === row ? [{ ...one, end: ends[i] }] : []));
      if (!isRead(row)) this.#judgeOther(row, answers);
      // Assigned anew meanwhile: what is to be asked then is asked then.
      else if (this.#options.table.row(row) === row) this.#judge(row, answers, epoch);
    }
  }

  /** The leader epochs now, of those rows whose topic is the one that was read. */
  async #epochsOf(rows: readonly AskedLog[]): Promise<ReadonlyMap<AskedLog, number>> {
    const topics = await this.#options.cluster.topics([...new Set(rows.map(({ topic }) => topic))]);
    const epochs = new Map<AskedLog, number>();
    for (const row of rows) {
      const found = topics.find(({ topic, errorCode }) => topic === row.topic && errorCode === 0);
      const partition = found?.partitions.find((p) => p.partition === row.partition);
      if (partition !== undefined && found?.topicId === row.topicId) epochs.set(row, partition.leaderEpoch);
      else if (found !== undefined && isRead(row)) this.#options.describe();
      else if (found !== undefined) this.#cannotTell(row);
    }
    return epochs;
  }

  /** One request may name a partition once: places of one partition go one after the other. */
  async #endsOf(asked: readonly Asked[]): Promise<(EpochEnd | undefined)[]> {
    const ends: (EpochEnd | undefined)[] = asked.map(() => undefined);
    const nth = new Map<string, number>();
    const rounds = Map.groupBy([...asked.keys()], (i) => {
      const key = slotKey(asked[i]?.row ?? { topic: '', partition: 0 });
      const round = nth.get(key) ?? 0;
      nth.set(key, round + 1);
      return round;
    });
    for (const indexes of rounds.values()) {
      const questions = indexes.flatMap((i) => {
        const one = asked[i];
        if (one === undefined) return [];
        const { row, place, currentEpoch } = one;
        const { topic, partition } = row;
        return [{ topic, partition, leaderEpoch: place.leaderEpoch, currentEpoch }];
      });
      const answers = await this.#options.cluster.epochEnds(questions);
      for (const i of indexes) {
        const row = asked[i]?.row;
        if (row !== undefined) ends[i] = answers.find((end) => slotKey(end) === slotKey(row));
      }
    }
    return ends;
  }

  /** Its topic is gone: nobody will ever know, and what is spooled of it is all that there is. */
  #cannotTell(log: OtherLog): void {
    if (this.#others.get(partitionKey(log)) !== log) return;
    this.#others.delete(partitionKey(log));
    this.#options.events.sourceLogNotChecked({ topic: log.topic, partition: log.partition });
    this.#options.handler()?.proven(log);
  }

  #judgeOther(log: OtherLog, answers: readonly Answered[]): void {
    if (this.#others.get(partitionKey(log)) !== log || !this.#areAnswers(log, answers)) return;
    this.#others.delete(partitionKey(log));
    const cuts = cutsOf(answers);
    if (cuts.length === 0) this.#options.handler()?.proven(log);
    for (const cut of cuts) this.#options.handler()?.truncated(log, placeOf(cut), reasonOf(cut));
  }

  #areAnswers({ topic, partition }: AskedLog, answers: readonly Answered[]): boolean {
    const isRefused = answers.some(({ end }) => end?.errorCode === TOPIC_AUTHORIZATION_FAILED);
    if (isRefused) this.#options.events.sourceLogNotChecked({ topic, partition });
    return isRefused || answers.every(({ end }) => (end?.errorCode ?? 0) === 0);
  }

  #judge(row: PartitionRow, answers: readonly Answered[], epoch: number): void {
    const { handler } = this.#options;
    if (!this.#areAnswers(row, answers)) return; // asked again
    const cuts = cutsOf(answers);
    const hadPlaces = row.places.length > 0;
    const read = readPlaceOf(row);
    const isCompared = read === undefined || answers.some(({ place }) => isSame(place, read));
    // What was asked for meanwhile is not answered yet.
    row.places = cuts.length > 0 ? [] : row.places.filter((p) => !answers.some((a) => isSame(a.place, p)));
    if (read !== undefined && isCompared)
      row.proven = { place: read, epoch: Math.max(comparedEpoch(row), row.checkFor, epoch) };
    // Answers for other places say nothing of where it is read: what waits for that is asked again.
    if (isCompared || cuts.length > 0 || !row.waits.has(CHECKS_LOG)) {
      row.checkFor = -1;
      row.waits.delete(CHECKS_LOG);
    }
    const slot = { topic: row.topic, partition: row.partition };
    if (cuts.length === 0) {
      this.#options.applyPause([row]);
      if (hadPlaces && row.places.length === 0) handler()?.proven(slot);
      return;
    }
    row.waits.delete(OUT_OF_RANGE);
    row.waits.add(LOG_CUT);
    row.position = undefined;
    this.#options.applyPause([row]);
    for (const cut of cuts) handler()?.truncated(slot, placeOf(cut), reasonOf(cut));
  }
}

function placesOf(log: AskedLog): LogPlace[] {
  const { places } = log;
  const read = isRead(log) && log.checkFor >= 0 ? readPlaceOf(log) : undefined;
  const all = new Map(
    [...(read === undefined ? [] : [read]), ...places].map((place) => [
      `${place.offset}/${place.leaderEpoch}`,
      place,
    ]),
  );
  return [...all.values()];
}

const isSame = (a: LogPlace, b: LogPlace) => a.offset === b.offset && a.leaderEpoch === b.leaderEpoch;

/** Where the row is read next, if it is known of which epoch is what lies before. */
function readPlaceOf({ position: offset, readEpoch: leaderEpoch }: PartitionRow): LogPlace | undefined {
  return offset === undefined || leaderEpoch < 0 ? undefined : { offset, leaderEpoch };
}

/** The newest epoch whose log is known to have what was read: of the last batch, or of Kafka's answer. */
function comparedEpoch(row: PartitionRow): number {
  const [read, { proven }] = [readPlaceOf(row), row];
  const isProven = read !== undefined && proven !== undefined && isSame(proven.place, read);
  return Math.max(row.readEpoch, isProven ? proven.epoch : -1);
}

interface FoundCut {
  readonly place: LogPlace;
  readonly end: EpochEnd;
}

const placeOf = ({ place, end }: FoundCut): LogPlace => {
  return { offset: end.endOffset, leaderEpoch: place.leaderEpoch };
};

const reasonOf = ({ place, end }: FoundCut): string =>
  `the log of leader epoch ${place.leaderEpoch} ends at ${end.endOffset}, and ${place.offset} was read`;

/**
 * Where the log was cut: the lowest place of each epoch, the oldest first. A log that knows nothing of an
 * epoch says nothing about it.
 */
function cutsOf(answers: readonly Answered[]): readonly FoundCut[] {
  const cuts = answers.flatMap(({ place, end }) =>
    end !== undefined && end.errorCode === 0 && end.endOffset >= 0 && end.endOffset < place.offset
      ? [{ place, end }]
      : [],
  );
  const lowest = new Map<number, FoundCut>();
  for (const cut of cuts.sort((a, b) => b.end.endOffset - a.end.endOffset))
    lowest.set(cut.place.leaderEpoch, cut);
  return [...lowest.values()].sort((a, b) => a.place.leaderEpoch - b.place.leaderEpoch);
}
