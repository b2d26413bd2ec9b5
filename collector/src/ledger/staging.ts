// The files of one window under staged keys, which no reader lists, until an entry names them. Each attempt
// has a random name of its own. A sweep that names a key is heard here: what was staged is then taken for
// gone, and staged again.
import type { Random } from '@sluice/shared/random.ts';
import type { LedgerEntry, LedgerOutput, ObjectStore, WindowCommit } from '../contracts.ts';
import { finalKey, outputLocation, stagedKey } from '../lake/object-keys.ts';
import type { TableCondition } from './condition.ts';

const UPLOADS_MAX = 8;

export interface StagedWindow {
  readonly outputs: readonly LedgerOutput[];
  /** Resolves when every file is uploaded. */
  readonly uploaded: Promise<void>;
  /** Another process may be deleting what was staged. */
  readonly isSwept: () => boolean;
  /** The window is committed or given up: nobody waits for its sweep any more. */
  end(): void;
}

/** What there is to upload of a window, whatever its entry will say of it. */
export type MadeWindow = Pick<WindowCommit, 'windowId' | 'files' | 'table'>;

export interface StagingOptions {
  readonly store: ObjectStore;
  readonly random: Random;
  readonly condition: TableCondition;
}

export class Staging {
  readonly #options: StagingOptions;
  readonly #pending = new Set<{ readonly keys: ReadonlySet<string>; swept: boolean }>();

  constructor(options: StagingOptions) {
    this.#options = options;
  }

  /** Begins to upload. */
  stage(window: MadeWindow): StagedWindow {
    const outputs = outputsOf(this.#options, window);
    const pending = { keys: new Set(outputs.map((o) => o.stagedKey)), swept: false };
    this.#pending.add(pending);
    const uploaded = this.#upload(window, outputs);
    uploaded.catch(() => {});
    return {
      outputs,
      uploaded,
      isSwept: () => pending.swept,
      end: () => void this.#pending.delete(pending),
    };
  }

  /** Whether a window of this process that is not committed yet has staged that key. */
  holds(key: string): boolean {
    return [...this.#pending].some(({ keys }) => keys.has(key));
  }

  entryFolded(entry: LedgerEntry): void {
    if (entry.kind !== 'sweep') return;
    for (const pending of this.#pending) pending.swept ||= entry.keys.some((key) => pending.keys.has(key));
  }

  async #upload(window: MadeWindow, outputs: readonly LedgerOutput[]): Promise<void> {
    const { condition, store } = this.#options;
    for (let from = 0; from < outputs.length; from += UPLOADS_MAX) {
      const batch = outputs.slice(from, from + UPLOADS_MAX);
      await Promise.all(
        batch.map(({ stagedKey: key, sha256 }, i) =>
          condition.retrying('uploading', () => store.stage(window.files[from + i]?.path ?? '', key, sha256)),
        ),
      );
    }
  }
}

function outputsOf({ random }: StagingOptions, window: MadeWindow): LedgerOutput[] {
  const { table } = window;
  const attempt = random.hex(8);
  return window.files.map((file) => {
    const { output, index, extension, partition, bytes, rows, sha256 } = file;
    const location = outputLocation(table, output);
    return {
      output,
      stagedKey: stagedKey(table.name, `${window.windowId}-${attempt}`, `${index}.${extension}`),
      finalKey: finalKey(location, partition, { windowId: window.windowId, index, extension }),
      bytes,
      sha256,
      rows,
      partition,
    };
  });
}
