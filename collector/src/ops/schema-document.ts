// Schemas that values name by Confluent's id, for a command beside a running collector: only an agent can ask
// the registry, and the command knows none. It asks that collector over its HTTP port, whose document
// /schemas is answered by an agent of the topic. Both ends are here.
import { SluiceError } from '@sluice/shared/errors.ts';
import { whyFetchFailed } from '@sluice/shared/fetch-failure.ts';
import { z } from 'zod';
import type { FoundSchema, SchemaSource, SchemaWant } from '../contracts.ts';

/** The collector gives each of its agents 20 s. */
const ANSWER_MS_MAX = 60_000;
/** A schema with all that it names: an agent takes 4 MiB of each. */
const ANSWER_BYTES_MAX = 64 * 2 ** 20;
/** Of a refusal: what is no collector may answer with a page, or with control characters. */
const REFUSAL_CHARACTERS_MAX = 300;
/** Of a URL in a message: a command's errors are kept in logs. */
const CREDENTIALS = /(?<=:\/\/)[^/\s]*@/g;

const question = z.object({
  topic: z.string().min(1).max(249),
  topicId: z.string().max(64),
  id: z.string().regex(/^\d{1,10}$/),
});
const answer = z.object({
  /** null where the registry has none of that id. */
  found: z
    .object({ type: z.string(), schema: z.string(), references: z.array(z.string()).readonly() })
    .nullable(),
});

/** /schemas?topic=claims&topicId=...&id=7. SCHEMA_UNAVAILABLE. */
export async function schemaDocument(
  query: URLSearchParams,
  find: (want: SchemaWant) => Promise<FoundSchema | undefined>,
): Promise<z.infer<typeof answer>> {
  const asked = question.safeParse(Object.fromEntries(query));
  if (!asked.success) throw new Error('/schemas takes topic, topicId and id, a number');
  return { found: (await find({ framing: 'confluent', ...asked.data })) ?? null };
}

/** Of the collector whose HTTP port is at `base`. */
export function collectorSchemas(base: string): SchemaSource {
  return {
    async find({ topic, topicId, id }) {
      const url = `${base.replace(/\/+$/, '')}/schemas?${new URLSearchParams({ topic, topicId, id })}`;
      const reply = await bodyOf(url).catch((error: unknown) => {
        throw unavailable(`no collector answers at ${base}: ${whyFetchFailed(error)}`);
      });
      if (reply.status !== 200) throw unavailable(`the collector at ${base}: ${shown(reply.body)}`);
      const told = answer.safeParse(parsed(reply.body));
      if (told.success) return told.data.found ?? undefined;
      throw unavailable(`what answers at ${base} is no collector of this version`);
    },
  };
}

const unavailable = (message: string) =>
  new SluiceError('SCHEMA_UNAVAILABLE', message.replace(CREDENTIALS, ''));

const shown = (refusal: string) =>
  refusal
    .trim()
    .slice(0, REFUSAL_CHARACTERS_MAX)
    .replace(/\p{C}+/gu, ' ');

async function bodyOf(url: string): Promise<{ readonly status: number; readonly body: string }> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of reply.body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`its answer has more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return { status: reply.status, body: Buffer.concat(parts).toString() };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
