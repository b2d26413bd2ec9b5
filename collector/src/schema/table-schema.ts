// The schema of one table that detects its columns, as this process knows it. The steps by which it grows,
// and what a crash right after each leaves behind:
//   1 create   the next number of the schema log: decided for everybody; whoever reads it does the rest
//   2 catalog  the table takes rows of it; a crash before leaves that to whoever uses the schema next
// Only then a window is committed under it. Each step may be repeated, by anybody.
import type { Clock } from '@sluice/shared/clock.ts';
import { assert, SluiceError } from '@sluice/shared/errors.ts';
import type { Catalog, Column, DetectedColumn, DetectedSchema, TableConfig } from '../contracts.ts';
import { withSchema } from '../detected-schema.ts';
import type { Events } from '../events.ts';
import type { SchemaLog } from './schema-log.ts';

export interface TableSchemaOptions {
  readonly table: TableConfig;
  readonly log: SchemaLog;
  readonly catalog: Pick<Catalog, 'tables'>;
  /** Has the catalog take rows of the table under a schema; `grow` where it may be changed for that. */
  readonly ensure: (table: TableConfig, grow: boolean) => Promise<void>;
  readonly clock: Clock;
  readonly events: Events;
  /** Named in each schema, for people. */
  readonly writerId: string;
}

export class TableSchema {
  readonly #options: TableSchemaOptions;
  #table: TableConfig;
  #known: DetectedSchema | undefined;
  /** The catalog takes rows up to this version. */
  #ensured = 0;
  /** Windows side by side grow it one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: TableSchemaOptions) {
    this.#options = options;
    this.#table = options.table;
  }

  /** For the windows that come; the catalog is asked again before the next of them is made. */
  configure(table: TableConfig): void {
    this.#table = table;
    this.#ensured = 0;
  }

  /** Throws where the catalog cannot take what this config makes under the schema of now. */
  fits(table: TableConfig): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#known === undefined) await this.#readOn();
      if (this.#known === undefined) return assertLaidOutAlike(this.#table, table);
      await this.#options.ensure(withSchema(table, this.#known), !this.#known.isContract);
    });
  }

  /** The newest that is known here; without one what a table is before its first record with a value. */
  table(): TableConfig {
    return withSchema(this.#table, this.#known);
  }

  /** The same, once the catalog takes its rows; undefined before the first schema. */
  ready(): Promise<DetectedSchema | undefined> {
    return this.#inTurn(async () => {
      if (this.#known === undefined) await this.#readOn();
      await this.#ensure();
      return this.#known;
    });
  }

  /** Columns of a table that somebody else made: the catalog has it, and there is no schema. */
  async contract(): Promise<readonly Column[] | undefined> {
    const { table, catalog } = this.#options;
    const standing = (await catalog.tables()).find(({ name }) => name.toLowerCase() === table.name);
    if (standing === undefined) return undefined;
    const ours = /^_(topic|partition|offset|timestamp|key|headers|deleted|row)$/;
    return standing.columns.filter(({ name }) => !ours.test(name.toLowerCase()));
  }

  /**
   * The schema behind `after` has these columns, or those that somebody else was first with. Resolves when
   * the catalog takes its rows.
   */
  propose(
    columns: readonly DetectedColumn[],
    { after, isContract }: { readonly after: number; readonly isContract: boolean },
  ): Promise<void> {
    return this.#inTurn(async () => {
      const { log, clock, events, table, writerId: writer } = this.#options;
      const before = this.#known?.version ?? 0;
      assert(after <= before, `${table.name} has no schema ${after}`);
      if (before > after) return this.#ensure();
      const schema = { version: after + 1, isContract, columns };
      if (await log.create(schema, { writer, atMs: clock.wallMs() })) {
        const added = addedTo(this.#known?.columns ?? [], columns);
        this.#known = schema;
        events.schemaGrown({ table: table.name, version: schema.version, added });
      } else await this.#readBeyond(after);
      await this.#ensure();
    });
  }

  async #readOn(): Promise<void> {
    this.#known = (await this.#options.log.newest()) ?? this.#known;
  }

  /** Somebody else has created a later one, which is there to be read. */
  async #readBeyond(version: number): Promise<void> {
    await this.#readOn();
    if ((this.#known?.version ?? 0) > version) return;
    const message = `schema ${version + 1} exists and cannot be listed`;
    throw new SluiceError('STORE_UNAVAILABLE', message, { place: this.#options.table.name });
  }

  async #ensure(): Promise<void> {
    const { version = 0, isContract = false } = this.#known ?? {};
    if (version <= this.#ensured) return;
    await this.#options.ensure(this.table(), !isContract);
    this.#ensured = version;
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(task);
    this.#turn = run.catch(() => {});
    return run;
  }
}

/** Windows under way may yet make the table: as another config lays it out nobody could publish them. */
function assertLaidOutAlike(before: TableConfig, after: TableConfig): void {
  const layoutOf = ({ partitionBy, output }: TableConfig) =>
    `${output.kind} partitioned by (${partitionBy.map(({ column }) => column).join(', ')})`;
  const [theirs, ours] = [layoutOf(before), layoutOf(after)];
  if (theirs === ours) return;
  const message = `its first records make it ${theirs}, and the config writes ${ours}`;
  throw new SluiceError('CATALOG_INCOMPATIBLE', message, { place: after.name });
}

function addedTo(before: readonly DetectedColumn[], columns: readonly DetectedColumn[]): string[] {
  const types = new Map(before.map(({ name, type }) => [name, type]));
  return columns
    .filter(({ name, type }) => types.get(name) !== type)
    .map(({ name, type }) => `${name} ${type}`);
}
