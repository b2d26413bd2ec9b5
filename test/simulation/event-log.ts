// What the programs say, as lines of the trace; their metrics go nowhere.
import type { Logger } from '@sluice/shared/log.ts';
import type { Metrics } from '@sluice/shared/metrics.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** Errors that mean that an invariant broke: no fault of the simulation's may lead there. */
const NEVER = /table halted|window given up here|batches were not taken/;

export function createEventLog(process: SimProcess, world: World): Logger {
  const log = (level: string) => (fields: Record<string, unknown>, message: string) => {
    if (!process.alive) return;
    process.say(`${level} ${message} ${JSON.stringify(fields)}`);
    if (NEVER.test(message)) world.violated(`${process.name}: ${message} ${JSON.stringify(fields)}`);
    if (message.startsWith('gap:')) world.trace.count('gap recorded');
    if (message.startsWith('backfill ended')) world.trace.count('backfill ended');
    if (message.startsWith('a spool has filled')) world.trace.count('gap filled');
    if (message.startsWith('Kafka cut its log: these')) world.trace.count('fork recorded');
    if (message.startsWith('a spooled segment was dropped: Kafka cut')) world.trace.count('spool cut off');
    if (message.startsWith('the agent is asked')) world.trace.count('rewind asked');
    if (message.startsWith('table detached')) world.trace.count('table detached');
    if (message.startsWith('table goes on')) world.trace.count('table taken back');
    if (message.startsWith('the spool is full')) world.trace.count('spool full');
    if (message.startsWith('topic removed from a table:')) world.trace.count('topic removed');
    if (message.startsWith('the table has opened a topic')) world.trace.count('topic taken in');
    if (message.startsWith('table removed:')) world.trace.count('table removed');
    if (message.startsWith('topic refused')) world.trace.count('topic refused');
    if (message.startsWith('windows were made again or objects joined'))
      world.trace.count(
        `swap published by ${process.name.startsWith('operator') ? 'its command' : 'a collector'}`,
      );
    if (message.startsWith('partitions were elsewhere')) world.trace.count('partitions put back');
    if (message.startsWith('stream handed on')) world.trace.count('stream handed on');
    if (message.startsWith('topic held')) world.trace.count('topic held');
  };
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
}

const nothing = { inc() {}, dec() {}, set() {}, observe() {} };

export function createNoMetrics(): Metrics {
  const none = () => nothing as never;
  return {
    counter: none,
    gauge: none,
    histogram: none,
    text: () => Promise.resolve(''),
    contentType: '',
    onCollect() {},
  };
}
