// A process that appends until it is killed, and prints how many appends were acknowledged.
import { createEvents } from '@sluice/agent/events.ts';
import { createSqliteSpool } from '@sluice/agent/spool/sqlite-spool.ts';
import { systemClock } from '@sluice/shared/clock.ts';
import { silentLogger } from '@sluice/shared/log.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { segmentOf } from '../../support/segments.ts';

const spool = await createSqliteSpool({
  directory: process.argv[2] ?? '',
  bytesMax: 2 ** 30,
  freeSpaceMin: 0,
  clock: systemClock,
  events: createEvents(silentLogger, createMetrics()),
});
for (let i = 0; ; i++) {
  await spool.append([segmentOf([Buffer.alloc(5_000, i % 251)], { baseOffset: i })]);
  process.stdout.write(`${i + 1}\n`);
}
