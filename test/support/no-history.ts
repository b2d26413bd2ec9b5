// A log that nobody reads: for agents whose collectors ask for no history.
import type { LogReader } from '@sluice/agent/contracts.ts';

export const noHistory: LogReader = {
  read: () => Promise.reject(new Error('no history is asked for here')),
  close: () => Promise.resolve(),
};
