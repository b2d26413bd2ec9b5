// Makes kafkajs 2.2.4 hand over record batches unopened, never reset an offset by itself, not spin a timer,
// and go on soon after a pause. It replaces functions on objects that kafkajs exports and looks up at call
// time; no file of it is changed, so bundles work too. Version and shapes are checked: anything else is
// KAFKA_CLIENT_CHANGED before a single fetch.
import { SluiceError } from '@sluice/shared/errors.ts';
import { fetchResponseDecoder } from './fetch-response.ts';

const KAFKAJS_VERSION = '2.2.4';
/** v6 shares v5's response, v9 and v10 share v8's. */
const FETCH_VERSIONS = [4, 5, 7, 8, 11] as const;

/** With everything paused it looks again after this; without, it would sleep as long as a fetch may take. */
const PAUSED_LOOK_MS = 20;

export interface KafkajsInternals {
  readonly version: unknown;
  readonly fetchResponses: Readonly<Record<number, unknown>>;
  readonly consumerGroup: unknown;
  readonly requestQueue: unknown;
}

export interface OutOfRange {
  readonly memberId: string;
  readonly topic: string;
  readonly partition: number;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

const listeners = new Set<(event: OutOfRange) => void>();
const installed = new WeakSet<object>();

/** Tells of OFFSET_OUT_OF_RANGE in any consumer of this process; the partition is paused already. */
export function onOffsetOutOfRange(listener: (event: OutOfRange) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Idempotent. `nowMs` is wall time, which kafkajs's own throttle is kept in. */
export function installRawBatchSeam(internals: KafkajsInternals, nowMs: () => number): void {
  if (internals.version !== KAFKAJS_VERSION) {
    changed(`its version is ${String(internals.version)} and must be ${KAFKAJS_VERSION}`);
  }
  const responses = FETCH_VERSIONS.map((version) => {
    const response = internals.fetchResponses[version];
    if (!hasMethods(response, ['decode', 'parse'])) changed(`fetch response v${version} has another shape`);
    return { version, response };
  });
  const group = prototypeOf(internals.consumerGroup, ['recoverFromOffsetOutOfRange', 'fetch']);
  const queue = prototypeOf(internals.requestQueue, ['scheduleCheckPendingRequests']);
  if (installed.has(group)) return;
  installed.add(group);
  for (const { version, response } of responses) response['decode'] = fetchResponseDecoder(version);
  group['recoverFromOffsetOutOfRange'] = pauseAndTell;
  group['fetch'] = shortWhilePaused(group['fetch'] as Method);
  const schedule = queue['scheduleCheckPendingRequests'] as Method;
  queue['scheduleCheckPendingRequests'] = onlyWhenNeeded(schedule, nowMs);
}

/** kafkajs would commit -1 or -2 to the group and jump. */
async function pauseAndTell(this: unknown, error: unknown): Promise<void> {
  const group = this as {
    memberId: string;
    subscriptionState: { pause(topics: { topic: string; partitions: number[] }[]): void };
  };
  const { topic, partition } = error as { topic: string; partition: number };
  group.subscriptionState.pause([{ topic, partitions: [partition] }]);
  for (const listener of listeners) listener({ memberId: group.memberId, topic, partition });
}

/**
 * The time that a fetch may take is also how long kafkajs sleeps where it has nothing to fetch: read when
 * used.
 */
function shortWhilePaused(fetch: Method): Method {
  const known = new WeakSet<object>();
  return function fetchOrLookAgain(this: unknown, ...args: unknown[]) {
    const group = this as {
      maxWaitTime: number;
      subscriptionState: { active(): readonly { readonly partitions: readonly number[] }[] };
    };
    if (!known.has(group)) {
      known.add(group);
      const { maxWaitTime } = group;
      const isActive = () => group.subscriptionState.active().some(({ partitions }) => partitions.length > 0);
      const get = () => (isActive() ? maxWaitTime : PAUSED_LOOK_MS);
      Object.defineProperty(group, 'maxWaitTime', { get });
    }
    return fetch.apply(group, args);
  };
}

/** kafkajs re-arms a 1 ms timer for ever on each connection. */
function onlyWhenNeeded(schedule: Method, nowMs: () => number): Method {
  return function scheduleWhenNeeded(this: unknown) {
    const queue = this as { pending: unknown[]; throttledUntil: number };
    if (queue.pending.length === 0 && queue.throttledUntil <= nowMs()) return undefined;
    return schedule.call(this);
  };
}

function prototypeOf(type: unknown, methods: readonly string[]): Record<string, unknown> {
  const prototype = typeof type === 'function' ? (type.prototype as unknown) : undefined;
  if (!hasMethods(prototype, methods)) changed(`${methods.join(' or ')} is not where it was`);
  return prototype;
}

function hasMethods(target: unknown, names: readonly string[]): target is Record<string, unknown> {
  return (
    typeof target === 'object' &&
    target !== null &&
    names.every((name) => typeof (target as Record<string, unknown>)[name] === 'function')
  );
}

function changed(what: string): never {
  throw new SluiceError('KAFKA_CLIENT_CHANGED', `kafkajs is not the one this agent was made for: ${what}`);
}
