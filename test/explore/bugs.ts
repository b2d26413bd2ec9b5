// Mistakes that the protocol forbids, made on purpose around the product's code and never in it: an
// exploration that does not find them proves nothing.
import type { LedgerEntry, LedgerOutput, ObjectStore, SwapEntry } from '@sluice/collector/contracts.ts';
import type { Bug } from './collector-run.ts';

/** Runs around each append of a window: before it is written, and after it was. */
function aroundCommits(
  store: ObjectStore,
  around: {
    before?(outputs: readonly LedgerOutput[]): Promise<void>;
    after?(o: readonly LedgerOutput[]): Promise<void>;
  },
): ObjectStore {
  return {
    ...store,
    async createIfAbsent(key, body) {
      const outputs = outputsOf(key, body);
      await around.before?.(outputs);
      const outcome = await store.createIfAbsent(key, body);
      if (outcome === 'created') await around.after?.(outputs);
      return outcome;
    },
  };
}

function outputsOf(key: string, body: Uint8Array): readonly LedgerOutput[] {
  if (!key.startsWith('_sluice/ledger/')) return [];
  const entry = JSON.parse(Buffer.from(body).toString()) as LedgerEntry;
  return entry.kind === 'commit' ? entry.outputs : [];
}

const publish = (store: ObjectStore) => async (outputs: readonly LedgerOutput[]) => {
  for (const { stagedKey, finalKey, bytes, sha256 } of outputs)
    await store.publish(stagedKey, finalKey, { bytes, sha256 });
};

export const publishBeforeCommit: Bug = {
  touchesStaged: true,
  store: (store) => aroundCommits(store, { before: publish(store) }),
};

export const stagedDeletedBeforePublished: Bug = {
  touchesStaged: true,
  store: (store) =>
    aroundCommits(store, {
      after: async (outputs) => {
        if (outputs.length > 0) await store.remove(outputs.map((o) => o.stagedKey));
      },
    }),
};

export const sweepWithoutEntry: Bug = { touchesStaged: true, sweep: 'without entry' };

export const ackPastUnpublished: Bug = { acks: 'when committed' };

/** Entries are read back under another token: nobody recognises what he wrote himself. */
export const ownSuccessNotRecognised: Bug = {
  store: (store) => ({
    ...store,
    async read(key) {
      const bytes = await store.read(key);
      if (bytes === undefined || !key.startsWith('_sluice/ledger/')) return bytes;
      return Buffer.from(
        Buffer.from(bytes)
          .toString()
          .replace(/"token":"/, '"token":"not '),
      );
    },
  }),
};

/** A checkpoint is not looked for: a number that was freed by a deletion is taken for the next one. */
export const checkpointNotRead: Bug = {
  store: (store) => ({
    ...store,
    read: (key) => (key.startsWith('_sluice/checkpoints/') ? Promise.resolve(undefined) : store.read(key)),
  }),
};

/** What came while a rebuild was making is left where it was. */
export const laterWindowsForgotten: Bug = { rebuild: 'of what it knew when it began' };

/** The partition moves, and what goes along does not. */
export const carriedNotCopied: Bug = {
  store: (store) => ({
    ...store,
    publish: (from, to, expected) =>
      from.startsWith('_sluice/') ? store.publish(from, to, expected) : Promise.resolve(),
  }),
};

/** What a swap leaves is deleted as soon as the ledger names the swap. */
export const prunedBeforePublished: Bug = { prune: 'before it is published' };

/** An entry names a joined object that is put there afterwards. */
export const joinedAfterEntry: Bug = { join: 'before its object stands' };

/** What was joined is deleted as soon as the entry stands: readers of the catalog still look there. */
export const partsDeletedBeforeMoved: Bug = {
  store: (store) => ({
    ...store,
    async createIfAbsent(key, body) {
      const outcome = await store.createIfAbsent(key, body);
      const entry = key.startsWith('_sluice/ledger/') ? (JSON.parse(String(body)) as LedgerEntry) : undefined;
      if (outcome === 'created' && entry?.kind === 'swap')
        await store.remove(partsOf(entry).map(({ from }) => from));
      return outcome;
    },
  }),
};

const partsOf = ({ moves }: SwapEntry) =>
  moves.flatMap(({ joined = [] }) => joined.flatMap(({ parts }) => parts));
