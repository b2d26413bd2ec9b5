// Reference files of lookups that lie on S3, as copies on this disk: S3 is asked before a window whether a
// file is another one, at most every few seconds, and gives its bytes only where it is. A copy is replaced
// in one step, so that whoever reads it has one file or the other.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { REFERENCE_BYTES_MAX, type ReferenceSource } from '../reference-place.ts';
import { s3Client, statusOf, storeError } from './s3-object-store.ts';

/** How old an answer of S3 may be. */
const ASK_EVERY_MS = 10_000;
/** A window that waits for a file has a place that others want. */
const ANSWER_MS_MAX = 30_000;

export interface ReferenceOptions {
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  /** Made, and emptied of what an earlier run left. */
  readonly directory: string;
  readonly clock: Clock;
}

interface Copy {
  readonly path: string;
  readonly etag: string | undefined;
  readonly askedMs: number;
}

export function createS3References(options: ReferenceOptions): ReferenceSource {
  const { directory, clock } = options;
  const client = s3Client(options);
  const copies = new Map<string, Copy>();
  const asking = new Map<string, Promise<Copy>>();
  const emptied = rm(directory, { recursive: true, force: true }).then(() =>
    mkdir(directory, { recursive: true, mode: 0o700 }),
  );
  emptied.catch(() => {});

  async function ask(url: string): Promise<Copy> {
    await emptied;
    const askedMs = clock.monotonicMs();
    const before = copies.get(url);
    const etag = before !== undefined && (await isThere(before.path)) ? before.etag : undefined;
    const name = createHash('sha256').update(url).digest('hex').slice(0, 16) + extname(url);
    const path = join(directory, name);
    const abort = new AbortController();
    const cancel = clock.after(ANSWER_MS_MAX, () => abort.abort());
    try {
      const found = await getChanged(client, { url, etag, signal: abort.signal });
      if (found === undefined) return { path, etag, askedMs };
      await save(found.Body as Readable, { url, path, signal: abort.signal });
      return { path, etag: found.ETag, askedMs };
    } catch (error) {
      if (!abort.signal.aborted) throw storeError('s3:GetObject', url, error);
      throw storeError('s3:GetObject', url, new Error(`no answer in ${ANSWER_MS_MAX / 1_000} s`));
    } finally {
      cancel();
    }
  }

  return {
    async copyOf(url) {
      const known = copies.get(url);
      if (known !== undefined && clock.monotonicMs() - known.askedMs < ASK_EVERY_MS) return known.path;
      const under = asking.get(url) ?? ask(url).finally(() => asking.delete(url));
      asking.set(url, under);
      const copy = await under;
      copies.set(url, copy);
      return copy.path;
    },
    close: () => client.destroy(),
  };
}

/** undefined where it is still the one of this etag. */
async function getChanged(
  client: S3Client,
  {
    url,
    etag,
    signal,
  }: { readonly url: string; readonly etag: string | undefined; readonly signal: AbortSignal },
): Promise<GetObjectCommandOutput | undefined> {
  const [, Bucket = '', Key = ''] = /^s3:\/\/([^/]+)\/(.+)$/.exec(url) ?? [];
  const same = etag === undefined ? {} : { IfNoneMatch: etag };
  try {
    const found = await client.send(new GetObjectCommand({ Bucket, Key, ...same }), { abortSignal: signal });
    if ((found.ContentLength ?? 0) <= REFERENCE_BYTES_MAX) return found;
    (found.Body as Readable).destroy();
    throw unusable(url, `it has ${found.ContentLength} bytes, and ${REFERENCE_BYTES_MAX} may be`);
  } catch (error) {
    if (statusOf(error) === 304) return undefined;
    if (statusOf(error) === 404) throw unusable(url, 'it is not there', error);
    throw error;
  }
}

const unusable = (place: string, message: string, cause?: unknown) =>
  new SluiceError('REFERENCE_UNUSABLE', message, { place, cause });

/** What breaks off on the way leaves the copy that was. */
async function save(
  body: Readable,
  { url, path, signal }: { readonly url: string; readonly path: string; readonly signal: AbortSignal },
) {
  const fresh = `${path}.new`;
  const file = createWriteStream(fresh, { mode: 0o600 });
  let bytes = 0;
  try {
    await pipeline(
      body,
      async function* counted(pieces: AsyncIterable<Buffer>) {
        for await (const piece of pieces) {
          bytes += piece.length;
          if (bytes > REFERENCE_BYTES_MAX)
            throw unusable(url, `it has more than ${REFERENCE_BYTES_MAX} bytes`);
          yield piece;
        }
      },
      file,
      { signal },
    );
    await rename(fresh, path);
  } catch (error) {
    // It may be opened only now, and would be there again.
    if (!file.closed) await new Promise<void>((resolve) => file.destroy().once('close', resolve));
    await rm(fresh, { force: true });
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
