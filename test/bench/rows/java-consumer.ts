// Kafka's own consumer as its performance test drives it: how fast records can be had at all, opened but not
// looked at.
import { join } from 'node:path';
import { startProcess } from '@sluice/deploy/local/child-process.ts';
import { kafkaJarsPath } from '@sluice/deploy/local/kafka-jars.mjs';
import { ForeignLoad } from '../measure/foreign-load.ts';
import { endedChildrenCpuSeconds, peakRssBytes } from '../measure/process-usage.ts';
import { type Row, row } from '../measure/row.ts';
import type { Stage } from '../stage.ts';

const MEGABYTE = 2 ** 20;
const PEAK_EVERY_MS = 25;
/** What it prints as megabytes is rounded to this. */
const MEGABYTES_EXACT = 1e-3;

export async function javaConsumer(stage: Stage): Promise<Row> {
  const { broker, filled, orders } = stage;
  const foreign = new ForeignLoad();
  const cpuBefore = endedChildrenCpuSeconds();
  let output = '';
  const log4j = `-Dlog4j2.configurationFile=${join(broker.directory, 'log4j2.properties')}`;
  const java = startProcess(
    'java',
    [
      ...['-Xmx512m', log4j, '-cp', join(kafkaJarsPath(), '*'), 'org.apache.kafka.tools.ConsumerPerformance'],
      ...['--bootstrap-server', broker.plaintext, '--topic', filled.topic, '--group', 'java-consumer'],
      ...['--num-records', String(orders.records), '--timeout', '30000'],
    ],
    {
      cwd: broker.directory,
      onOutput: (text) => {
        output += text;
      },
    },
  );
  let peak = 0;
  const looking = setInterval(() => {
    peak = Math.max(peak, peakRssBytes(java.child.pid ?? 0));
  }, PEAK_EVERY_MS);
  const code = await java.ended;
  clearInterval(looking);
  if (code !== 0) throw new Error(`ConsumerPerformance ended with ${code}\n${java.tail()}`);
  const told = parse(output);
  if (
    told.records !== orders.records ||
    Math.abs(told.megabytes - filled.valueBytes / MEGABYTE) > MEGABYTES_EXACT
  )
    throw new Error(`the Java consumer read ${told.records} records of ${told.megabytes} MB\n${output}`);
  return row('javaConsumer', told.records, {
    seconds: told.seconds,
    cpuSeconds: endedChildrenCpuSeconds() - cpuBefore,
    peakRssBytes: peak,
    foreignCpuShare: foreign.share(),
    details: {
      measured: 'its own clock, joining the group included; CPU of the whole JVM, start-up included',
      proven: 'number of records, bytes of values',
      recordsPerSecondOfFetchPhase: Math.round(told.fetchRecordsPerSecond),
    },
  });
}

/**
 * Names over values, comma-separated: start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, ...
 */
function parse(output: string) {
  const lines = output.split('\n').map((line) => line.split(',').map((cell) => cell.trim()));
  const head = lines.findIndex(([first]) => first === 'start.time');
  const cells = new Map(lines[head]?.map((name, i) => [name, lines[head + 1]?.[i] ?? '']));
  const number = (name: string) => Number(cells.get(name));
  const time = (name: string) => Date.parse(`${cells.get(name)?.replace(/:(\d+)$/, '.$1')}Z`);
  return {
    records: number('data.consumed.in.nMsg'),
    megabytes: number('data.consumed.in.MB'),
    seconds: (time('end.time') - time('start.time')) / 1_000,
    fetchRecordsPerSecond: number('fetch.nMsg.sec'),
  };
}
