// What a failed chaos run leaves for whoever looks into it, since broker and emulated S3 go with the run: the
// ledgers, each row's number and position, and what Kafka itself holds.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BUCKET, type Stage, TABLES, TOPICS } from './stage.ts';

export async function saveEvidence(stage: Stage): Promise<void> {
  await Promise.allSettled([saveLedgers(stage), saveRows(stage), saveTopics(stage)]);
}

async function saveLedgers({ lake, directory }: Stage): Promise<void> {
  const bucket = `${lake.endpoint}/${BUCKET}`;
  let after = '';
  for (;;) {
    const query = new URLSearchParams({ 'list-type': '2', prefix: 'acme/_sluice/', 'start-after': after });
    const page = await (await fetch(`${bucket}?${query}`)).text();
    const keys = [...page.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key);
    for (const key of keys.filter((k) => k.includes('/ledger/'))) {
      const path = join(directory, 'lake', key);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, await (await fetch(`${bucket}/${key}`)).text());
    }
    const last = keys.at(-1);
    if (last === undefined || !page.includes('<IsTruncated>true')) return;
    after = last;
  }
}

async function saveRows({ places: [{ site }], directory }: Stage): Promise<void> {
  for (const { name, numbers } of TABLES) {
    const sql = `select _partition, _offset, ${numbers} as n from ${name} order by all`;
    const { output } = await site.collector.command(['query', '--json', sql]);
    writeFileSync(join(directory, `rows-${name}.json`), output);
  }
}

/** `Partition:0 Offset:17 {"n":...` for each record. */
async function saveTopics({ broker, directory }: Stage): Promise<void> {
  for (const { topic } of TOPICS) {
    const shown = ['print.partition=true', 'print.offset=true'].flatMap((p) => ['--formatter-property', p]);
    const from = ['--bootstrap-server', broker.plaintext, '--topic', topic, '--from-beginning'];
    const output = await broker.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...from,
      ...['--timeout-ms', '8000'],
      ...shown,
    ]);
    writeFileSync(join(directory, `kafka-${topic}.txt`), output);
  }
}
