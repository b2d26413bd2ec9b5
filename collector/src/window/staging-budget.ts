// How many bytes of segments this process holds between the link and the ledger: one budget for all tables.
// At 75 % the largest open window closes at once, like a memtable flush; at 100 % no stream gets credit. A
// segment that several tables read is counted once, until the last of them has committed it.

export interface StagingBudget {
  readonly bytesMax: number;
  bytes(): number;
  room(): number;
  /** Takes bytes for `holders` tables; each release gives its share up, the last one frees them. */
  take(bytes: number, holders: number): StagedBytes;
  isPressed(): boolean;
}

export interface StagedBytes {
  release(): void;
}

const PRESSED_SHARE = 0.75;

export function createStagingBudget(bytesMax: number, freed: (bytes: number) => void): StagingBudget {
  let held = 0;
  return {
    bytesMax,
    bytes: () => held,
    room: () => Math.max(0, bytesMax - held),
    isPressed: () => held >= bytesMax * PRESSED_SHARE,
    take(bytes, holders) {
      held += bytes;
      let left = holders;
      return {
        release() {
          left--;
          if (left !== 0) return;
          held -= bytes;
          freed(bytes);
        },
      };
    },
  };
}
