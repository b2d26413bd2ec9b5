// Where the payloads of staged segments lie: in memory up to a limit, those that come beyond it in files.
// What the disk does not take stays in memory, which the budget of all that is staged bounds. What is read is
// what was kept, or an error that says so.
import type { Clock } from '@sluice/shared/clock.ts';
import { crc32c } from '@sluice/shared/crc32c.ts';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { freeBytes } from '@sluice/shared/free-bytes.ts';
import type { StoredPayload } from '../contracts.ts';
import type { Events } from '../events.ts';
import { DiskWatch } from './disk-watch.ts';
import { FileRoom } from './file-room.ts';
import { openPayloadFile, type PayloadFile } from './payload-file.ts';

/** Of one file, or of one payload that is larger. It goes when the last of what it holds was let go. */
const FILE_BYTES_MAX = 16 * 2 ** 20;
/** After a failure all stays in memory for so long. */
const REST_MS = 5_000;

export interface KeptPayload {
  /** Undefined where the bytes stay with the segment. Otherwise they are empty once they are written. */
  readonly stored: StoredPayload | undefined;
  /** Nobody reads it any more. Once. */
  drop(): void;
}

export interface StagedPayloadsOptions {
  readonly directory: string;
  readonly memoryBytesMax: number;
  readonly clock: Clock;
  readonly events: Pick<Events, 'stagedInMemory' | 'stagingDiskSilent'>;
  /** Default: a file without a name. */
  readonly openFile?: (directory: string) => Promise<PayloadFile>;
}

interface OpenFile {
  readonly file: PayloadFile;
  /** Without payloads that may still be read. */
  readonly room: FileRoom;
}

interface Place {
  readonly file: OpenFile;
  readonly position: number;
  readonly byteLength: number;
}

export class StagedPayloads {
  readonly #options: StagedPayloadsOptions;
  #memoryBytes = 0;
  readonly #files = new Set<OpenFile>();
  /** One is written after the other. */
  #written: Promise<unknown> = Promise.resolve();
  #restsUntilMs = 0;
  readonly #disk: DiskWatch;

  constructor(options: StagedPayloadsOptions) {
    this.#options = options;
    const { clock, events, directory } = options;
    const silent = (waitedMs: number) => events.stagingDiskSilent({ directory, waitedMs });
    this.#disk = new DiskWatch({ clock, silent });
  }

  /** How long the disk has not answered, if that is too long. */
  diskSilentMs(): number | undefined {
    return this.#disk.silentMs();
  }

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  keep(bytes: Uint8Array): KeptPayload {
    const { memoryBytesMax, clock } = this.#options;
    const { byteLength } = bytes;
    const hasRoom = byteLength === 0 || this.#memoryBytes + byteLength <= memoryBytesMax;
    if (!hasRoom && clock.monotonicMs() >= this.#restsUntilMs) return this.#file(bytes);
    this.#memoryBytes += byteLength;
    const drop = () => {
      this.#memoryBytes -= byteLength;
    };
    return { stored: undefined, drop };
  }

  #file(bytes: Uint8Array): KeptPayload {
    const { byteLength } = bytes;
    const checksum = crc32c(bytes);
    const placed = this.#written.then(() => this.#disk.watch(() => this.#write(bytes)));
    this.#written = placed;
    const read = async () => {
      const place = await placed;
      return place === undefined
        ? Uint8Array.from(bytes)
        : await this.#disk.watch(() => readAt(place, checksum));
    };
    const drop = () =>
      void placed.then((place) => {
        if (place !== undefined) this.#leave(place);
      });
    return { stored: { byteLength, read }, drop };
  }

  /** Undefined where the disk does not take it. */
  async #write(bytes: Uint8Array): Promise<Place | undefined> {
    const { clock, events } = this.#options;
    let place: Place | undefined;
    try {
      place = await this.#placeFor(bytes.byteLength);
      await place.file.file.write(bytes, place.position);
      freeBytes(bytes);
      return place;
    } catch (error) {
      if (place !== undefined) this.#leave(place);
      this.#restsUntilMs = clock.monotonicMs() + REST_MS;
      events.stagedInMemory({ reason: messageOf(error) });
      return undefined;
    }
  }

  /** Taken with the file: whoever leaves it meanwhile does not close it. */
  async #placeFor(byteLength: number): Promise<Place> {
    for (const file of this.#files) {
      const position = file.room.take(byteLength);
      if (position !== undefined) return { file, position, byteLength };
    }
    const { directory, openFile = openPayloadFile } = this.#options;
    const room = new FileRoom(Math.max(FILE_BYTES_MAX, byteLength));
    const file = { file: await openFile(directory), room };
    this.#files.add(file);
    return { file, position: room.take(byteLength) ?? 0, byteLength };
  }

  #leave({ file, position, byteLength }: Place): void {
    file.room.giveBack(position, byteLength);
    if (!file.room.isEmpty) return;
    this.#files.delete(file);
    // What was in it is wanted by nobody.
    file.file.close().catch(() => {});
  }
}

async function readAt({ file, position, byteLength }: Place, checksum: number): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await file.file.read(position, byteLength);
  } catch (error) {
    throw new SluiceError('STAGING_UNREADABLE', messageOf(error), { cause: error });
  }
  if (crc32c(bytes) === checksum) return bytes;
  throw new SluiceError('STAGING_UNREADABLE', 'the disk gave back other bytes than were written');
}
