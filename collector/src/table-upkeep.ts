// What a table's writer takes beside windows: another config while it runs, and word from the stages before
// it that somebody has to help. Part of contracts.ts.
import type { ChangingSchemas, TableSchemas } from './contracts.ts';
import type { TableConfig } from './tables.ts';

export interface TableUpkeep {
  /** Windows of this config may come from now on. Entries of earlier ones are published as those had it. */
  configure(table: TableConfig, schemas: TableSchemas | ChangingSchemas): void;
  /** For a stage that cannot go on with this table until somebody corrects something. */
  park(): Parking;
}

/** The table is parked from the first `wait` to `end`. */
export interface Parking {
  /** Says why, and waits: each time longer, up to a bound, and no longer than until it is told to try now. */
  wait(reason: string): Promise<void>;
  /** Resolves when it is told to try now, or closed. */
  untilTold(): Promise<void>;
  end(): void;
}
