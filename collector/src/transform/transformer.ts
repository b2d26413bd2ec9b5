// The main thread's side of the transform: windows queue for places in one worker thread, segments are copied
// to it a few at a time, and a worker that dies takes the attempts under way with it and nothing else.
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import type {
  SchemaSource,
  StagedSegment,
  SurveyRequest,
  TableConfig,
  Transformer,
  TransformRequest,
  TransformResult,
} from '../contracts.ts';
import { isRemote, type ReferenceSource } from '../reference-place.ts';
import { referenceFiles } from '../step-config.ts';
import type { SchemaNews } from '../tables.ts';
import { Places } from './places.ts';
import type { ReferenceCopies } from './references.ts';
import { SlowTables } from './slow-tables.ts';
import { compileTable } from './sql/compile.ts';
import { planFields } from './sql/fields.ts';
import type { TransformLimits } from './window-transform.ts';
import type { FromWorker, OfJob, SchemaAnswer, SchemaQuestion, Stop, ToWorker } from './worker-protocol.ts';

/** Segments of all windows on their way to the worker: copies, so that this bounds memory. */
const SEGMENTS_AHEAD_MAX = 4;
/** An open window that begins early, and a closed one; each has half of the memory. */
const WINDOWS_AT_ONCE_MAX = 2;

/**
 * MB of heap that the worker may fill before V8 collects all garbage: it lets go of buffers and strings of
 * megabytes as fast as it fills them, and a collection for each chunk took a ninth of the CPU. Read when a
 * thread's heap is made; what it uses stays below what DuckDB does.
 */
const WORKER_HEAP_FLAG = '--initial-old-space-size=256';

export interface TransformerWithChecks extends Transformer {
  /** What is wrong with a table, found without data; `directory` must exist. */
  validate(table: TableConfig, directory: string): Promise<readonly string[]>;
}

/** What windows may ask for; without a source nothing of its kind can be had. */
export interface TransformSources {
  readonly schemas?: SchemaSource | undefined;
  readonly references?: ReferenceSource | undefined;
}

export function createTransformer(
  limits: TransformLimits,
  { schemas, references }: TransformSources = {},
): TransformerWithChecks {
  // Who may be in the worker.
  const places = new Places(WINDOWS_AT_ONCE_MAX);
  const turns = new Turns(SEGMENTS_AHEAD_MAX);
  const slow = new SlowTables();
  const each = {
    memoryBytesMax: limits.memoryBytesMax / WINDOWS_AT_ONCE_MAX,
    // More than cores would only need the memory of their row groups.
    threads: Math.min(limits.threads, availableParallelism()),
  };
  let worker: WorkerCalls | undefined;
  let isClosed = false;

  function inPlace<T>(task: (calls: JobCalls) => Promise<T>): Promise<T> {
    return places.use(async () => {
      if (isClosed) throw new SluiceError('TRANSFORM_FAILED', 'the transform is closed');
      worker ??= startWorker({ limits: each, schemas }, () => {
        worker = undefined;
      });
      return await task(worker.job());
    });
  }

  return {
    run: (request) =>
      slow.run(request.table.name, (isSlow) =>
        inPlace((calls) => runWindow(calls, { turn: turns.of(), request, isSlow, references })),
      ),
    survey: (request) => inPlace((calls) => surveyWindow(calls, turns.of(), request)),
    hasRoom: () => places.free() > 1 && !slow.isTrying(),
    validate: (table, directory) =>
      inPlace(async (calls) => {
        const copies = references === undefined ? {} : await copiesOf(table, references);
        const reply = await calls({ kind: 'validate', table, directory, references: copies });
        return reply.kind === 'problems' ? reply.problems : [];
      }),
    explain(table) {
      const { createStaged, insertStaged, outputs, selectQuarantine } = compile(table);
      const written = outputs.flatMap(
        ({ table: { partitionBy }, windowWise, partitionValues, selectRows }) => [
          ...windowWise.map(({ sql }) => sql),
          partitionValues,
          `COPY (${selectRows(partitionBy.map((spec) => `<${spec.column}>`))})`,
        ],
      );
      return [...createStaged, ...insertStaged('checked'), ...written, `COPY (${selectQuarantine})`]
        .map((sql) => `${sql};`)
        .join('\n\n');
    },
    schema: (table) => compile(table).schemas,
    async close() {
      isClosed = true;
      worker?.endStatements();
      await places.empty();
      await worker?.stop();
    },
  };
}

function compile(table: TableConfig) {
  const plan = planFields(table);
  const [first] = plan.problems;
  if (first !== undefined) throw new SluiceError('TRANSFORM_FAILED', first, { place: table.name });
  return compileTable(table, plan, {
    separator: '<separator>',
    nullMark: '<null>',
    elementMark: '<element>',
  });
}

interface WindowRun {
  readonly turn: () => Promise<() => void>;
  readonly request: TransformRequest;
  readonly isSlow: boolean;
  readonly references: ReferenceSource | undefined;
}

async function runWindow(call: JobCalls, run: WindowRun): Promise<TransformResult> {
  const { turn, request, isSlow, references } = run;
  const { table, openedMs, directory, segments } = request;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const copies = await copiesOf(table, references);
  const made = { table, openedMs, directory, isSlow, references: copies };
  const begin: ToWorker = { kind: 'begin', request: made };
  const reply = await sendWindow(call, turn, { begin, segments });
  if (reply.kind === 'result') return reply.result;
  throw new SluiceError('TRANSFORM_FAILED', `the worker answered ${reply.kind} to finish`);
}

async function surveyWindow(
  call: JobCalls,
  turn: () => Promise<() => void>,
  { table, contract, segments }: SurveyRequest,
): Promise<SchemaNews> {
  const begin: ToWorker = { kind: 'begin survey', survey: { table, contract } };
  const reply = await sendWindow(call, turn, { begin, segments });
  if (reply.kind === 'surveyed') return reply.news;
  throw new SluiceError('TRANSFORM_FAILED', `the worker answered ${reply.kind} to finish`);
}

interface SentWindow {
  readonly begin: ToWorker;
  readonly segments: TransformRequest['segments'];
}

/** Resolves with the worker's last word. */
async function sendWindow(
  call: JobCalls,
  turn: () => Promise<() => void>,
  { begin, segments }: SentWindow,
): Promise<FromWorker> {
  const ahead = new Set<Promise<FromWorker>>();
  let failed: { readonly error: unknown } | undefined;
  try {
    await call(begin);
    for await (const segment of segments) {
      const { staged, handedOver } = await withPayload(segment);
      const over = await turn();
      const sent = call({ kind: 'segment', staged }, handedOver);
      ahead.add(sent);
      sent
        .catch((error: unknown) => {
          failed ??= { error };
        })
        .finally(() => {
          ahead.delete(sent);
          over();
        });
      if (failed !== undefined) throw failed.error;
    }
    await Promise.allSettled(ahead);
    if (failed !== undefined) throw failed.error;
    return await call({ kind: 'finish' });
  } catch (error) {
    await Promise.allSettled(ahead);
    await call({ kind: 'abort' }).catch(() => {});
    throw error;
  }
}

/** With its payload. What was read for it alone changes hands and is not copied. */
async function withPayload({ segment, fromOffset, stored }: StagedSegment) {
  if (stored === undefined) return { staged: { segment, fromOffset }, handedOver: [] };
  const payload = await stored.read();
  const staged = { segment: { ...segment, payload }, fromOffset };
  return { staged, handedOver: [payload.buffer as ArrayBuffer] };
}

/** Of the files on S3 that the table names. */
async function copiesOf(table: TableConfig, source: ReferenceSource | undefined): Promise<ReferenceCopies> {
  const copies: Record<string, string> = {};
  for (const url of new Set(referenceFiles(table.steps).filter(isRemote))) {
    if (source === undefined)
      throw new SluiceError('REFERENCE_UNUSABLE', 'S3 is not asked here', { place: url });
    copies[url] = await source.copyOf(url);
  }
  return copies;
}

/**
 * Who may send the next segment: of those that wait, the window that came first. So an older window is done,
 * and its memory free, before a younger one grows.
 */
class Turns {
  #free: number;
  #windows = 0;
  #granting = false;
  readonly #waiting: { readonly window: number; readonly take: () => void }[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** A new window's way to ask: resolves with what ends its turn. */
  of(): () => Promise<() => void> {
    const window = this.#windows++;
    return async () => {
      await new Promise<void>((take) => {
        const behind = this.#waiting.findIndex((other) => other.window > window);
        this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, { window, take });
        this.#grantSoon();
      });
      return () => {
        this.#free++;
        this.#grantSoon();
      };
    };
  }

  /**
   * One at a time, each after all that runs now: a window that has just sent asks again before another is
   * chosen.
   */
  #grantSoon(): void {
    if (this.#granting) return;
    this.#granting = true;
    setImmediate(() => {
      this.#granting = false;
      const next = this.#free > 0 ? this.#waiting.shift() : undefined;
      if (next === undefined) return;
      this.#free--;
      next.take();
      this.#grantSoon();
    });
  }
}

async function answerSchema(
  schemas: SchemaSource | undefined,
  { ask, want }: SchemaQuestion,
): Promise<SchemaAnswer> {
  const told = { kind: 'schema told' as const, ask };
  try {
    if (schemas === undefined) throw new Error(`no registry is asked for schema ${want.id} here`);
    return { ...told, found: await schemas.find(want), failed: undefined };
  } catch (error) {
    return { ...told, found: undefined, failed: messageOf(error) };
  }
}

/** Answers come in the order of the calls; rejects with the worker's SluiceError. */
type JobCalls = (message: ToWorker, handedOver?: readonly ArrayBuffer[]) => Promise<FromWorker>;

interface WorkerParts {
  readonly limits: TransformLimits;
  readonly schemas: SchemaSource | undefined;
}

interface WorkerCalls {
  /** A new job's calls. */
  job(): JobCalls;
  endStatements(): void;
  stop(): Promise<unknown>;
}

function startWorker({ limits, schemas }: WorkerParts, ended: () => void): WorkerCalls {
  setFlagsFromString(WORKER_HEAP_FLAG);
  const worker = new Worker(new URL('./transform-worker.ts', import.meta.url), { workerData: limits });
  const waiting = new Map<
    number,
    { resolve: (reply: FromWorker) => void; reject: (error: Error) => void }[]
  >();
  let jobs = 0;
  let over: string | undefined;
  worker.on('message', (reply: OfJob<FromWorker> | SchemaQuestion) => {
    if (reply.kind === 'schema wanted') {
      void answerSchema(schemas, reply).then((answer) => worker.postMessage(answer));
      return;
    }
    const calls = waiting.get(reply.job) ?? [];
    const call = calls.shift();
    if (calls.length === 0) waiting.delete(reply.job);
    if (reply.kind === 'failed')
      call?.reject(
        new SluiceError(reply.code, reply.message, reply.place === undefined ? {} : { place: reply.place }),
      );
    else call?.resolve(reply);
  });
  const end = (why: string) => {
    if (over !== undefined) return;
    over = why;
    ended();
    const calls = [...waiting.values()].flat();
    waiting.clear();
    for (const call of calls) call.reject(new SluiceError('TRANSFORM_FAILED', why));
  };
  worker.on('error', (error) => end(`the transform thread failed: ${error.message}`));
  worker.on('exit', (code) => end(`the transform thread ended with code ${code}`));
  return {
    job() {
      const job = ++jobs;
      return (message, handedOver = []) =>
        new Promise((resolve, reject) => {
          if (over !== undefined) return reject(new SluiceError('TRANSFORM_FAILED', over));
          const calls = waiting.get(job) ?? [];
          waiting.set(job, calls);
          calls.push({ resolve, reject });
          worker.postMessage({ ...message, job } satisfies OfJob<ToWorker>, handedOver);
        });
    },
    endStatements: () => worker.postMessage({ kind: 'stop' } satisfies Stop),
    stop: () => worker.terminate(),
  };
}
