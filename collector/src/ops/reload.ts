// SIGHUP: the config is read again and handed to the running collector, one time after the other. A bad one
// changes nothing, and all that is wrong with it is said.
import { describeError } from '@sluice/shared/errors.ts';
import type { CollectorConfig } from '../config.ts';
import type { Events } from '../events.ts';
import { assertTables } from './check.ts';

export interface ConfigReaderOptions {
  /** Throws ConfigError. */
  read(): CollectorConfig;
  readonly collector: {
    /** How many tables came, changed and went. Throws ConfigError. */
    reconfigure(config: CollectorConfig): Promise<Parameters<Events['configTaken']>[0]>;
    /** What is parked for the config that was can go on with this one. */
    retryNow(): void;
  };
  readonly events: Events;
}

export function configReader({ read, collector, events }: ConfigReaderOptions): () => void {
  let turn = Promise.resolve();
  const take = async () => {
    try {
      const config = read();
      await assertTables(config);
      events.configTaken(await collector.reconfigure(config));
      collector.retryNow();
    } catch (error) {
      events.configRefused({ reason: describeError(error) });
    }
  };
  return () => {
    turn = turn.then(take);
  };
}
