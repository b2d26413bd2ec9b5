// The object store on S3. Creation is conditional (If-None-Match: *), publishing is a server-side copy, and
// what stands at a key is proved by its length and the SHA-256 in its metadata. Errors become STORE_* with
// the action and the key.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { SluiceError } from '@sluice/shared/errors.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { ObjectStore } from '../contracts.ts';
import { rulesThatTouch } from './bucket-lifecycle.ts';

export interface S3Settings {
  readonly bucket: string;
  /** Without slashes at the ends; may be empty. */
  readonly prefix: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
}

const ATTEMPTS_MAX = 4;
const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 60_000;
const REQUEST_TIMEOUT_MS = 600_000;
const SOCKETS_MAX = 32;
const DELETE_BATCH_MAX = 1_000;
/** Without one the SDK writes to the console where an upload fails, which is said as an error already. */
const silently = () => {};
const SILENT = { debug: silently, info: silently, warn: silently, error: silently };
/** S3 takes and copies more than this only in parts (Amazon S3 API Reference, PutObject and CopyObject). */
const OBJECT_BYTES_MAX = 5 * 2 ** 30;

/** With time-outs and sockets of our own choice. */
export function s3Client(settings: Pick<S3Settings, 'region' | 'endpoint'>): S3Client {
  return new S3Client({
    ...(settings.region === undefined ? {} : { region: settings.region }),
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint, forcePathStyle: true }),
    maxAttempts: ATTEMPTS_MAX,
    logger: SILENT,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: IDLE_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      httpsAgent: { maxSockets: SOCKETS_MAX },
      httpAgent: { maxSockets: SOCKETS_MAX },
    }),
  });
}

export function createS3ObjectStore(settings: S3Settings): ObjectStore {
  const client = s3Client(settings);
  const { bucket: Bucket } = settings;
  const root = settings.prefix === '' ? '' : `${settings.prefix}/`;
  const Key = (key: string) => `${root}${key}`;

  async function head(key: string) {
    try {
      const found = await client.send(new HeadObjectCommand({ Bucket, Key: Key(key) }));
      return { bytes: found.ContentLength ?? 0, sha256: found.Metadata?.['sha256'] };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw storeError('s3:GetObject', key, error);
    }
  }

  async function createIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    try {
      await client.send(new PutObjectCommand({ Bucket, Key: Key(key), Body: body, IfNoneMatch: '*' }));
      return 'created';
    } catch (error) {
      if (statusOf(error) === 412) return 'exists';
      throw storeError('s3:PutObject', key, error);
    }
  }

  async function publish(stagedKey: string, finalKey: string, expected: { bytes: number; sha256: string }) {
    const found = await head(finalKey);
    if (found !== undefined) return checkSame(finalKey, found, expected);
    const CopySource = `${Bucket}/${Key(stagedKey).split('/').map(encodeURIComponent).join('/')}`;
    try {
      await client.send(new CopyObjectCommand({ Bucket, Key: Key(finalKey), CopySource, IfNoneMatch: '*' }));
    } catch (error) {
      const now = await head(finalKey);
      if (now !== undefined) return checkSame(finalKey, now, expected);
      if (statusOf(error) === 404)
        throw new SluiceError('STORE_STAGED_MISSING', `${stagedKey} is gone`, {
          place: finalKey,
          cause: error,
        });
      throw storeError('s3:PutObject', finalKey, error);
    }
  }

  async function* list(prefix: string, startAfter?: string) {
    for (let token: string | undefined; ; ) {
      const page = await client
        .send(
          new ListObjectsV2Command({
            Bucket,
            Prefix: Key(prefix),
            ...(startAfter === undefined ? {} : { StartAfter: Key(startAfter) }),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        )
        .catch((error: unknown) => {
          throw storeError('s3:ListBucket', prefix, error);
        });
      for (const { Key: key = '', Size: bytes = 0 } of page.Contents ?? [])
        yield { key: key.slice(root.length), bytes };
      token = page.NextContinuationToken;
      if (token === undefined) return;
    }
  }

  async function remove(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += DELETE_BATCH_MAX) {
      const Objects = keys.slice(from, from + DELETE_BATCH_MAX).map((key) => ({ Key: Key(key) }));
      try {
        const reply = await client.send(
          new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
        );
        const [refused] = reply.Errors ?? [];
        if (refused !== undefined)
          throw storeError('s3:DeleteObject', (refused.Key ?? '').slice(root.length), refusedKey(refused));
      } catch (error) {
        throw storeError('s3:DeleteObject', keys[from] ?? '', error);
      }
    }
  }

  return {
    url: (key) => `s3://${Bucket}/${Key(key)}`,
    createIfAbsent,
    async put(key, body) {
      await client
        .send(new PutObjectCommand({ Bucket, Key: Key(key), Body: body }))
        .catch((error: unknown) => {
          throw storeError('s3:PutObject', key, error);
        });
    },
    async read(key) {
      try {
        const found = await client.send(new GetObjectCommand({ Bucket, Key: Key(key) }));
        return await found.Body?.transformToByteArray();
      } catch (error) {
        if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
        throw storeError('s3:GetObject', key, error);
      }
    },
    head,
    list,
    async stage(path, key, sha256) {
      const { size: ContentLength } = await stat(path);
      if (ContentLength > OBJECT_BYTES_MAX)
        throw new SluiceError('STORE_OBJECT_TOO_LARGE', `${ContentLength} bytes are above S3's 5 GiB`, {
          place: key,
        });
      const Body = createReadStream(path);
      const put = new PutObjectCommand({ Bucket, Key: Key(key), Body, ContentLength, Metadata: { sha256 } });
      try {
        await client.send(put);
      } catch (error) {
        throw storeError('s3:PutObject', key, error);
      } finally {
        // A refused upload leaves it open.
        Body.destroy();
      }
    },
    publish,
    remove,
    async probe() {
      const key = `_sluice/tmp/probe-${systemRandom.hex(8)}`;
      await createIfAbsent(key, Buffer.from('probe'));
      if ((await createIfAbsent(key, Buffer.from('again'))) !== 'exists')
        throw new SluiceError('STORE_UNCONDITIONAL', 'If-None-Match is not honoured here', { place: Bucket });
      await remove([key]);
    },
    async expiring(prefixes) {
      try {
        const { Rules = [] } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
        return rulesThatTouch(Rules, prefixes.map(Key));
      } catch (error) {
        if (error instanceof Error && error.name === 'NoSuchLifecycleConfiguration') return [];
        throw storeError('s3:GetLifecycleConfiguration', Bucket, error);
      }
    },
    close: () => client.destroy(),
  };
}

function checkSame(
  key: string,
  found: { bytes: number; sha256: string | undefined },
  expected: { bytes: number; sha256: string },
): void {
  if (found.bytes === expected.bytes && found.sha256 === expected.sha256) return;
  throw new SluiceError('STORE_OBJECT_CONFLICT', 'other bytes stand there', { place: key });
}

/** Of a batch, keys are refused one by one, in a reply that is a success. */
function refusedKey({ Code, Message }: { Code?: string | undefined; Message?: string | undefined }): Error {
  const error = Object.assign(new Error(Message), { name: Code ?? 'refused' });
  return Code === 'AccessDenied' ? Object.assign(error, { $metadata: { httpStatusCode: 403 } }) : error;
}

export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** 401 and 403 are for a human; everything else (5xx, 409, time-outs) may pass. */
export function storeError(action: string, key: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const status = statusOf(error);
  const denied = status === 401 || status === 403;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const code = denied ? 'STORE_DENIED' : 'STORE_UNAVAILABLE';
  return new SluiceError(code, `${action}: ${text}`, { place: key, cause: error });
}
