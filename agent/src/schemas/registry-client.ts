// The Confluent schema registry over HTTP, asked for schemas by id and for those that they name. What it has
// once said of an id never changes and is kept; every answer and every wait is bounded.
import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import type { Clock } from '@sluice/shared/clock.ts';
import { describeError, SluiceError } from '@sluice/shared/errors.ts';
import { readSecretFile } from '../config.ts';
import type { RegistrySchema, SchemaRegistry } from '../contracts.ts';

export interface RegistryOptions {
  readonly url: string;
  /** Absolute paths; read for each request, so that a renewed file counts. */
  readonly ca?: string | undefined;
  readonly username?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly clock: Clock;
}

const ANSWER_MS_MAX = 10_000;
const ANSWER_BYTES_MAX = 4 * 2 ** 20;
/** Schemas kept; the one that came first makes room. */
const SCHEMAS_MAX = 1_000;
/** Schemas that one may name, and those name in turn. */
const REFERENCES_MAX = 100;
/** The registry's own code for an id that it does not have. */
const SCHEMA_NOT_FOUND = 40403;

interface Answer {
  readonly schemaType?: string;
  readonly schema?: string;
  readonly references?: readonly { readonly subject: string; readonly version: number }[];
}

export function createRegistryClient(options: RegistryOptions): SchemaRegistry {
  const kept = new Map<number, RegistrySchema>();
  const asked = new Map<number, Promise<RegistrySchema | undefined>>();

  async function ask(schemaId: number): Promise<RegistrySchema | undefined> {
    const answer = await request(options, `/schemas/ids/${schemaId}`);
    if (answer === undefined) return undefined;
    const references: string[] = [];
    await addReferences(answer, references, new Set());
    const found = { type: answer.schemaType ?? 'AVRO', schema: answer.schema ?? '', references };
    const first = kept.keys().next().value;
    if (kept.size >= SCHEMAS_MAX && first !== undefined) kept.delete(first);
    kept.set(schemaId, found);
    return found;
  }

  /** Each behind those that it names. */
  async function addReferences(of: Answer, into: string[], seen: Set<string>): Promise<void> {
    for (const { subject, version } of of.references ?? []) {
      const path = `/subjects/${encodeURIComponent(subject)}/versions/${Number(version)}`;
      if (seen.has(path)) continue;
      seen.add(path);
      if (seen.size > REFERENCES_MAX) throw unavailable(`a schema names more than ${REFERENCES_MAX} others`);
      const named = await request(options, path);
      if (named === undefined) throw unavailable(`${subject} version ${version} is named and not there`);
      await addReferences(named, into, seen);
      into.push(named.schema ?? '');
    }
  }

  return {
    find(schemaId) {
      const known = kept.get(schemaId);
      if (known !== undefined) return Promise.resolve(known);
      const under = asked.get(schemaId);
      if (under !== undefined) return under;
      const answer = ask(schemaId).finally(() => asked.delete(schemaId));
      asked.set(schemaId, answer);
      return answer;
    },
  };
}

const unavailable = (message: string) => new SluiceError('SCHEMA_UNAVAILABLE', message);

/** undefined where the registry says that there is no such schema. */
async function request(options: RegistryOptions, path: string): Promise<Answer | undefined> {
  const url = new URL(options.url.replace(/\/+$/, '') + path);
  const abort = new AbortController();
  const cancel = options.clock.after(ANSWER_MS_MAX, () => abort.abort());
  try {
    const response = await send(options, url, abort.signal);
    const answer = JSON.parse(await bodyOf(response)) as Answer & { readonly error_code?: number };
    if (response.statusCode === 200 && typeof answer.schema === 'string') return answer;
    if (response.statusCode === 404 && answer.error_code === SCHEMA_NOT_FOUND) return undefined;
    throw unavailable(`it answered ${response.statusCode}`);
  } catch (error) {
    const why = abort.signal.aborted ? `no answer in ${ANSWER_MS_MAX / 1_000} s` : describeError(error);
    throw unavailable(`the registry at ${url.origin}: ${why}`);
  } finally {
    cancel();
  }
}

function send(options: RegistryOptions, url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const { ca, username, passwordFile } = options;
  const password = passwordFile === undefined ? '' : readSecretFile(passwordFile);
  const with_ = {
    signal,
    headers: { accept: 'application/vnd.schemaregistry.v1+json, application/json' },
    ...(username === undefined ? {} : { auth: `${username}:${password}` }),
    ...(ca === undefined ? {} : { ca: readSecretFile(ca) }),
  };
  return new Promise((resolve, reject) => {
    (url.protocol === 'https:' ? getHttps : getHttp)(url, with_, resolve).on('error', reject);
  });
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw unavailable(`its answer has more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
