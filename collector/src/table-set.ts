// The tables of a running collector: each with its writer and its lane, and how they come, go and change
// while agents send. A config is taken wholly or not at all: what the catalog cannot take of it is found
// before anything has changed.
import type { ConfigProblem } from '@sluice/shared/config-file.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import { partitionName } from '@sluice/shared/position.ts';
import type { ConfigChange } from './config-change.ts';
import type { TableConfig, TableWriter } from './contracts.ts';
import type { Events } from './events.ts';
import { namesTopic, readsTopic, topicsOf } from './table-topics.ts';
import type { TableLane } from './window/lane.ts';
import type { TableChanges } from './window/table-changes.ts';

export interface TableParts {
  readonly writer: TableWriter;
  readonly lane: TableLane;
  /** Throws where the catalog cannot take what a changed config makes. */
  fits(table: TableConfig): Promise<void>;
  /** From the next window on. */
  configure(table: TableConfig): void;
}

export interface TableSetOptions {
  readonly events: Events;
  readonly drainMs: number;
  create(table: TableConfig, how: { readonly joins: boolean }): TableParts;
  /** Throws where the catalog cannot take what a new table makes. */
  fits(table: TableConfig): Promise<void>;
  sequencer(): TableChanges;
}

export class TableSet {
  readonly #options: TableSetOptions;
  /** Those of the config, and those that still write what they have. */
  readonly #tables: TableParts[];

  constructor(tables: readonly TableConfig[], options: TableSetOptions) {
    this.#options = options;
    this.#tables = tables.map((table) => options.create(table, { joins: false }));
  }

  all(): readonly TableParts[] {
    return this.#tables;
  }

  load({ writer, lane }: TableParts): Promise<void> {
    return writer
      .load()
      .catch((error: unknown) =>
        this.#options.events.tableNotLoaded({ table: lane.table.name, reason: describeError(error) }),
      );
  }

  /** All that is in the way of a change; nothing has changed. */
  async unfit({
    added,
    changed,
  }: Pick<ConfigChange, 'added' | 'changed'>): Promise<readonly ConfigProblem[]> {
    const problems: ConfigProblem[] = [...this.#stillLeaving(added), ...this.#topicsLeaving(changed)];
    const asked = [
      ...added.map((table) => ({ table, fits: () => this.#options.fits(table) })),
      ...this.#standing(changed).map(({ table, parts }) => ({ table, fits: () => parts.fits(table) })),
    ];
    for (const { table, fits } of asked)
      await fits().catch((error: unknown) => {
        const remedy = error instanceof SluiceError ? error.remedy : 'send SIGHUP again when this is over';
        problems.push({ line: 0, path: `tables.${table.name}`, message: describeError(error), remedy });
      });
    return problems;
  }

  #standing(changed: readonly TableConfig[]) {
    return this.#tables.flatMap((parts) => {
      const table = changed.find(({ name }) => name === parts.lane.table.name);
      return table === undefined ? [] : [{ table, parts }];
    });
  }

  #stillLeaving(added: readonly TableConfig[]): ConfigProblem[] {
    const leaving = this.#tables.filter(({ lane }) => added.some(({ name }) => name === lane.table.name));
    return leaving.map(({ lane }) => ({
      line: 0,
      path: `tables.${lane.table.name}`,
      message: 'it was taken out before, and its windows are still written',
      remedy: 'send SIGHUP again when `status` does not name it any more',
    }));
  }

  #topicsLeaving(changed: readonly TableConfig[]): ConfigProblem[] {
    return this.#standing(changed).flatMap(({ table, parts }) => {
      const topic = parts.lane.topics.leaving().find((one) => readsTopic(table, one));
      const message = `topic ${topic} was taken out before, and what came of it is still written`;
      const remedy = 'send SIGHUP again when the log says that it is removed';
      return topic === undefined ? [] : [{ line: 0, path: `tables.${table.name}.topics`, message, remedy }];
    });
  }

  change({ added, changed, removed }: Pick<ConfigChange, 'added' | 'changed' | 'removed'>): void {
    for (const { table, parts } of this.#standing(changed)) {
      const { name, configVersion: to } = table;
      this.#options.events.tableChanged({ table: name, from: parts.lane.table.configVersion, to });
      void this.#configure(parts, table);
    }
    const gone = this.#tables.filter(({ lane }) => removed.includes(lane.table.name));
    for (const parts of gone) void this.#remove(parts);
    for (const table of added) this.#add(table);
  }

  /** From the next window on; which opens now where the table has other topics. */
  async #configure(parts: TableParts, next: TableConfig): Promise<void> {
    const { events, drainMs, sequencer } = this.#options;
    const { lane, writer } = parts;
    const { table: before } = lane;
    const configure = () => parts.configure(next);
    const removed = topicsOf(before).filter((topic) => !readsTopic(next, topic));
    const isSame = removed.length === 0 && topicsOf(before).length === topicsOf(next).length;
    if (isSame && namesTopic(before) === namesTopic(next)) return configure();
    for (const topic of removed) events.topicLeaves({ table: next.name, topic });
    const reason = await sequencer().changeTopics(parts, { removed, configure }, drainMs);
    for (const topic of removed) {
      const left = writer.partitions().filter((p) => p.topic === topic);
      const at = left.map((p) => `${partitionName(p)}@${writer.position(p)}`);
      if (reason === undefined) events.topicRemoved({ table: next.name, topic, at });
      else events.topicGivenUp({ table: next.name, topic, at, reason });
    }
  }

  #add(table: TableConfig): void {
    const { name, configVersion } = table;
    const topic = topicsOf(table).join(', ');
    const parts = this.#options.create(table, { joins: true });
    this.#options.events.tableAdded({ table: name, topic, configVersion });
    this.#tables.push(parts);
    this.#options.sequencer().add(parts);
    void this.load(parts);
  }

  async #remove(parts: TableParts): Promise<void> {
    const { sequencer, events, drainMs } = this.#options;
    const { lane, writer } = parts;
    const { name: table } = lane.table;
    const topic = topicsOf(lane.table).join(', ');
    events.tableLeaves({ table, topic });
    const reason = await sequencer().remove(parts, drainMs);
    const at = writer.partitions().map((p) => `${partitionName(p)}@${writer.position(p)}`);
    if (reason === undefined) events.tableRemoved({ table, topic, at });
    else events.tableGivenUp({ table, topic, at, reason });
    this.#tables.splice(this.#tables.indexOf(parts), 1);
    this.#stop(parts);
  }

  #stop({ lane, writer }: TableParts): void {
    lane.stop();
    writer.close();
  }

  stop(): void {
    for (const parts of this.#tables) this.#stop(parts);
  }
}
