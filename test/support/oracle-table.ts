// What the oracle of a lake is told of a table: which topics are its rows, and who goes on without it when.
// Pure.

export interface OracleTable {
  readonly name: string;
  readonly topic: string;
  /** Further topics whose records are its rows as well. */
  readonly others?: readonly string[];
  /** Its rows include records that are `void`. */
  readonly keepsVoid: boolean;
  /** And those that are malformed: it has records as they came. */
  readonly isRaw?: boolean;
  /** Its topic may go on without it: in the end it has everything, and until then it may be behind. */
  readonly mayStepAside?: boolean;
  /** It came later: its history is read beside, and until all know of it others go on without it. */
  readonly isAdded?: boolean;
  /** It begins where its topics are, and what Kafka has below that is read beside. */
  readonly readsHistory?: boolean;
  /** Its topics come and go. Those that have another table go on without it. */
  readonly named?: NamedTopics;
}

export interface NamedTopics {
  /** By the newest config. */
  now(): readonly string[];
  /** By the config that an entry says it was made with. */
  by(configVersion: string): readonly string[];
}

export const takes = ({ topic: first, others = [] }: OracleTable, topic: string) =>
  topic === first || others.includes(topic);

/** What is produced to the topic must become its rows. */
export const names = (table: OracleTable, topic: string) =>
  takes(table, topic) && (table.named === undefined || table.named.now().includes(topic));

export const readsHistory = ({ isAdded, readsHistory: reads }: OracleTable) =>
  isAdded === true || reads === true;

export const isAlwaysWaitedFor = ({ mayStepAside, isAdded, named }: OracleTable) =>
  mayStepAside !== true && isAdded !== true && named === undefined;

/** Of the tables of one topic those that it always waits for. A topic's only table is such a one. */
export function waitedFor<T extends { readonly table: OracleTable }>(readers: readonly T[]): readonly T[] {
  const always = readers.filter(({ table }) => isAlwaysWaitedFor(table));
  return always.length === 0 && readers.length === 1 ? readers : always;
}
