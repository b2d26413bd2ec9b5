// A command that reworks tables, called as its users do, with a config of three of which the second has no
// partitions.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temp.ts';

const program = join(import.meta.dirname, '../../collector/bin/sluice-collector.mjs');
const table = (name: string, more: object) => ({ name, topic: 'claims', ...more });
const tables = [
  table('first', { format: 'json', columns: { n: 'int' }, partitionBy: [{ ingest: 'day' }] }),
  table('second', { format: 'json', columns: { n: 'int' } }),
  table('third', { format: 'json', columns: { n: 'int' }, partitionBy: [{ ingest: 'day' }] }),
  table('raw', { format: 'bytes', provenance: 'full' }),
];

export function calledOnThree(...call: readonly string[]) {
  const config = join(temporaryDirectory(), 'collector.yaml');
  const document = {
    listen: { address: '127.0.0.1:0', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'k.pem' } },
    agents: [{ id: 'plant-7', topics: ['claims'] }],
    lake: { store: './lake', catalog: 'file' },
    tables,
  };
  writeFileSync(config, JSON.stringify(document));
  return spawnSync(process.execPath, [program, ...call, '--config', config], { encoding: 'utf8' });
}
