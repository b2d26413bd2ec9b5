// `npm run bench -- [--json] [--records N] [--rows a,b] [--profile DIR] [--spark]`: how fast, for how much CPU and memory. stdout is one JSON object; what
// happens meanwhile, and a table at the end, go to stderr. Each row proves its result before it counts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Broker, startBroker } from '@sluice/deploy/local/kafka-broker.ts';
import { createSitePki, type SitePki } from '@sluice/deploy/local/site.ts';
import { journey } from './journey.ts';
import { expectation } from './orders.ts';
import { prefill } from './prefill.ts';

const TOPIC = 'orders';
process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { records: { type: 'string' }, json: { type: 'boolean' }, profile: { type: 'string' } },
  });
  const records = Number(values.records ?? 3_000_000);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  const pki: SitePki = await createSitePki(directory);
  const broker: Broker = await startBroker({
    directory: join(directory, 'kafka'),
    tls: { certificate: pki.broker, caPem: pki.caPem },
  });
  const filled = await prefill(broker.plaintext, TOPIC, { records, size: 'small' });
  process.stderr.write(`${JSON.stringify(filled)}\n`);
  const r = await journey({
    name: 'journey',
    directory: join(directory, 'journey'),
    pki,
    kafka: { brokers: [broker.plaintext] },
    topic: TOPIC,
    records,
    expected: expectation(records),
    profileDirectory: values.profile,
  });
  process.stdout.write(`${JSON.stringify(r, null, 2)}\n`);
  await broker.stop();
  return 0;
}
