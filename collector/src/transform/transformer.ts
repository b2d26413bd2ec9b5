// The main thread's side of the transform: windows queue for one worker thread, segments are copied to it a few at a
// time, and a worker that dies takes one attempt with it and nothing else.
import { Worker } from 'node:worker_threads';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { TableConfig, Transformer, TransformRequest, TransformResult } from '../contracts.ts';
import { compileTable } from './sql/compile.ts';
import { planFields } from './sql/fields.ts';
import type { TransformLimits } from './window-transform.ts';
import type { FromWorker, ToWorker } from './worker-protocol.ts';

/** Segments on their way to the worker: copies, so that this bounds memory. */
const SEGMENTS_AHEAD_MAX = 4;

export interface TransformerWithChecks extends Transformer {
  /** What is wrong with a table, found without data; `directory` must exist. */
  validate(table: TableConfig, directory: string): Promise<readonly string[]>;
}

export function createTransformer(limits: TransformLimits): TransformerWithChecks {
  let worker: WorkerCalls | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(task: (calls: WorkerCalls) => Promise<T>): Promise<T> {
    const run = turn.then(() => {
      worker ??= startWorker(limits, () => {
        worker = undefined;
      });
      return task(worker);
    });
    turn = run.catch(() => {});
    return run;
  }

  return {
    run: (request) => inTurn((calls) => runWindow(calls, request)),
    validate: (table, directory) =>
      inTurn(async (calls) => {
        const reply = await calls.call({ kind: 'validate', table, directory });
        return reply.kind === 'problems' ? reply.problems : [];
      }),
    explain(table) {
      const { createStaged, insertStaged, partitionValues, selectRows, selectQuarantine } = compile(table);
      const values = table.partitionBy.map((spec) => `<${spec.column}>`);
      return [
        createStaged,
        insertStaged('checked'),
        partitionValues,
        `COPY (${selectRows(values)})`,
        `COPY (${selectQuarantine})`,
      ]
        .map((sql) => `${sql};`)
        .join('\n\n');
    },
    schema: (table) => compile(table).schemas,
    async close() {
      await turn;
      await worker?.stop();
    },
  };
}

function compile(table: TableConfig) {
  const plan = planFields(table);
  const [first] = plan.problems;
  if (first !== undefined) throw new SluiceError('TRANSFORM_FAILED', first, { place: table.name });
  return compileTable(table, plan, { separator: '<separator>', nullMark: '<null>' });
}

async function runWindow(calls: WorkerCalls, request: TransformRequest): Promise<TransformResult> {
  const { table, openedMs, directory } = request;
  await calls.call({ kind: 'begin', request: { table, openedMs, directory } });
  const ahead: Promise<FromWorker>[] = [];
  try {
    for (const staged of request.segments) {
      const { segment, fromOffset } = staged;
      const call = calls.call({ kind: 'segment', staged: { segment, fromOffset } });
      call.catch(() => {});
      ahead.push(call);
      if (ahead.length >= SEGMENTS_AHEAD_MAX) await ahead.shift();
    }
    await Promise.all(ahead);
    const reply = await calls.call({ kind: 'finish' });
    if (reply.kind === 'result') return reply.result;
    throw new SluiceError('TRANSFORM_FAILED', `the worker answered ${reply.kind} to finish`);
  } catch (error) {
    await Promise.allSettled(ahead);
    await calls.call({ kind: 'abort' }).catch(() => {});
    throw error;
  }
}

interface WorkerCalls {
  /** Answers come in the order of the calls; rejects with the worker's SluiceError. */
  call(message: ToWorker): Promise<FromWorker>;
  stop(): Promise<unknown>;
}

function startWorker(limits: TransformLimits, ended: () => void): WorkerCalls {
  const worker = new Worker(new URL('./transform-worker.ts', import.meta.url), { workerData: limits });
  const waiting: { resolve: (reply: FromWorker) => void; reject: (error: Error) => void }[] = [];
  worker.on('message', (reply: FromWorker) => {
    const call = waiting.shift();
    if (reply.kind === 'failed')
      call?.reject(
        new SluiceError(reply.code, reply.message, reply.place === undefined ? {} : { place: reply.place }),
      );
    else call?.resolve(reply);
  });
  let over: SluiceError | undefined;
  const end = (why: string) => {
    over ??= new SluiceError('TRANSFORM_FAILED', why);
    ended();
    for (const call of waiting.splice(0)) call.reject(over);
  };
  worker.on('error', (error) => end(`the transform thread failed: ${error.message}`));
  worker.on('exit', (code) => end(`the transform thread ended with code ${code}`));
  return {
    call: (message) =>
      new Promise((resolve, reject) => {
        if (over !== undefined) throw over; // a dead thread answers nobody
        worker.postMessage(message);
        waiting.push({ resolve, reject });
      }),
    stop: () => worker.terminate(),
  };
}
