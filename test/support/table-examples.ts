// Tables with examples, as a test writes them or a page of the docs shows them, run as `sluice-collector
// test` does.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadCollectorConfig } from '@sluice/collector/config.ts';
import { runExamples } from '@sluice/collector/ops/examples.ts';
import { parse, stringify } from 'yaml';

export interface DocumentedTable {
  readonly name: string;
  readonly steps?: readonly Readonly<Record<string, unknown>>[];
}

export const documentedText = (page: string) =>
  readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8');

/** Every block of YAML on a page of docs. */
export function documentedTables(page: string): readonly DocumentedTable[] {
  return [...documentedText(page).matchAll(/^```yaml\n(.*?)^```$/gms)].map(
    ([, block = '']) => parse(block) as DocumentedTable,
  );
}

/** Files that the tables name lie in `directory`. */
export async function runTableExamples(directory: string, tables: readonly object[]) {
  const file = join(directory, 'collector.yaml');
  const config = {
    listen: { address: '0.0.0.0:8443', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'c-key.pem' } },
    agents: [{ id: 'plant-7', topics: ['*'] }],
    lake: { store: './lake', catalog: 'file' },
    tables,
  };
  writeFileSync(file, stringify(config));
  return await runExamples(loadCollectorConfig(file), []);
}
