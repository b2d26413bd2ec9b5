// The worker thread's entry: DuckDB and decoding, away from the thread that talks to agents. Of each job one
// message at a time; while one window waits for DuckDB another is decoded.
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@sluice/shared/clock.ts';
import { messageOf, SluiceError } from '@sluice/shared/errors.ts';
import { freeBytes } from '@sluice/shared/free-bytes.ts';
import type { FoundSchema, SchemaWant } from '../contracts.ts';
import { SchemaShelf } from './decode/schemas.ts';
import { Places } from './places.ts';
import { StatementWatches } from './statement-watch.ts';
import { tableProblems } from './table-check.ts';
import { WindowSurvey } from './window-survey.ts';
import { marks, type TransformLimits, WindowTransform } from './window-transform.ts';
import type { FromWorker, OfJob, SchemaAnswer, SchemaQuestion, Stop, ToWorker } from './worker-protocol.ts';

const limits = workerData as TransformLimits;

interface Job {
  window: WindowTransform | WindowSurvey | undefined;
  turn: Promise<void>;
}

const jobs = new Map<number, Job>();

const statements = new Places(limits.threads);
const watches = new StatementWatches({
  clock: systemClock,
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
});
const shelf = new SchemaShelf();
const asked = new Map<number, PromiseWithResolvers<FoundSchema | undefined>>();
let questions = 0;

function askSchema(want: SchemaWant): Promise<FoundSchema | undefined> {
  const ask = questions++;
  const answer = Promise.withResolvers<FoundSchema | undefined>();
  asked.set(ask, answer);
  parentPort?.postMessage({ kind: 'schema wanted', ask, want } satisfies SchemaQuestion);
  return answer.promise;
}

function schemaTold({ ask, found, failed }: SchemaAnswer): void {
  const answer = asked.get(ask);
  asked.delete(ask);
  if (failed === undefined) answer?.resolve(found);
  else answer?.reject(new SluiceError('SCHEMA_UNAVAILABLE', failed));
}

parentPort?.on('message', (message: OfJob<ToWorker> | SchemaAnswer | Stop) => {
  if (message.kind === 'schema told') return schemaTold(message);
  if (message.kind === 'stop') return watches.stop();
  const job = jobs.get(message.job) ?? { window: undefined, turn: Promise.resolve() };
  jobs.set(message.job, job);
  job.turn = job.turn.then(async () => {
    const reply = await answer(job, message);
    parentPort?.postMessage({ ...reply, job: message.job } satisfies OfJob<FromWorker>);
    // Its files wait for nobody; what it held is free before another message is read.
    if (reply.kind === 'result') await close(job);
    if (job.window === undefined) jobs.delete(message.job);
  });
});

async function answer(job: Job, message: ToWorker): Promise<FromWorker> {
  try {
    return await handle(job, message);
  } catch (error) {
    await close(job);
    if (error instanceof SluiceError)
      return { kind: 'failed', code: error.code, message: error.message, place: error.place };
    const text = messageOf(error);
    const code = text.startsWith('Out of Memory') ? 'TRANSFORM_OUT_OF_MEMORY' : 'TRANSFORM_FAILED';
    return { kind: 'failed', code, message: text.slice(0, 2_000), place: undefined };
  }
}

async function handle(job: Job, message: ToWorker): Promise<FromWorker> {
  switch (message.kind) {
    case 'begin':
      job.window = await WindowTransform.open(message.request, {
        limits,
        clock: systemClock,
        statements: message.request.isSlow === true ? new Places(limits.threads) : statements,
        watches,
        shelf,
        askSchema,
      });
      return { kind: 'done' };
    case 'begin survey':
      job.window = new WindowSurvey(message.survey, { shelf, askSchema });
      return { kind: 'done' };
    case 'segment':
      await job.window?.add(message.staged);
      freeBytes(message.staged.segment.payload);
      return { kind: 'done' };
    case 'finish': {
      if (job.window === undefined) throw new SluiceError('TRANSFORM_FAILED', 'no window is open');
      if (job.window instanceof WindowSurvey) {
        const news = job.window.finish();
        await close(job);
        return { kind: 'surveyed', news };
      }
      return { kind: 'result', result: await job.window.finish() };
    }
    case 'abort':
      await close(job);
      return { kind: 'done' };
    case 'validate':
      return {
        kind: 'problems',
        problems: await tableProblems(message.table, {
          directory: message.directory,
          references: message.references,
          marks,
          watches,
        }),
      };
  }
}

async function close(job: Job): Promise<void> {
  const { window } = job;
  job.window = undefined;
  if (window instanceof WindowTransform) await window.close();
}
