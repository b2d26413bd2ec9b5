// What a failed chaos run leaves for whoever looks into it, since broker and emulated S3 go with the run: the
// lake with its ledgers, each row's number and position, and what Kafka itself holds.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Journal } from './journal.ts';
import { BUCKET, type Stage, TABLES, TOPICS } from './stage.ts';

export async function saveEvidence(stage: Stage, journal: Journal): Promise<void> {
  const saved = await Promise.allSettled([saveLake(stage), saveRows(stage), saveTopics(stage)]);
  for (const part of saved)
    if (part.status === 'rejected') journal.say(`evidence is missing: ${String(part.reason)}`);
}

/** Every object of the bucket, ledgers and staged ones included, below `lake/`. */
async function saveLake({ lake, directory }: Stage): Promise<void> {
  const bucket = `${lake.endpoint}/${BUCKET}`;
  for (let after = ''; ; ) {
    const query = new URLSearchParams({ 'list-type': '2', 'start-after': after });
    const page = await (await fetch(`${bucket}?${query}`)).text();
    const keys = [...page.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key);
    for (const key of keys) {
      const path = join(directory, 'lake', key);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, Buffer.from(await (await fetch(`${bucket}/${key}`)).arrayBuffer()));
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
