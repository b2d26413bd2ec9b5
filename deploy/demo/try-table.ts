// What was detected as a table of collector.yaml: for the run, for the reader to paste, for the file beside
// the lake.
import { safeName } from '@sluice/collector/transform/column-names.ts';
import type { Detection } from '@sluice/collector/transform/detect-columns.ts';
import { Document, isSeq, visit } from 'yaml';
import type { Json } from '../local/site.ts';

const NAME_CHARACTERS_MAX = 100;

/** `Claims.v1` → `claims_v1`; a quarantine's name is left to quarantines. */
export function tableName(topic: string): string {
  const name = safeName(topic).slice(0, NAME_CHARACTERS_MAX).replace(/^_+/, '');
  if (name === '') return 'topic';
  return name.endsWith('_quarantine') ? `${name}_topic` : name;
}

export function tableOf(
  topic: string,
  { format, delimiter, columns }: Detection,
  every: string,
): { readonly [key: string]: Json } {
  const common = { name: tableName(topic), topic };
  const window = { every };
  switch (format) {
    case 'json': {
      const mappings = columns.map(({ source, name, type }) => [source, type, name, type]);
      return { ...common, format, window, steps: [{ apply_mapping: mappings }] };
    }
    case 'csv': {
      const types = Object.fromEntries(columns.map(({ name, type }) => [name, type]));
      return {
        ...common,
        format: delimiter === ',' ? format : { csv: { delimiter: delimiter ?? ',' } },
        window,
        columns: types,
      };
    }
    default:
      return { ...common, format, window };
  }
}

/** The `tables` section with one mapping a line, as a person would write it. */
export function tableYaml(table: { readonly [key: string]: Json }): string {
  const document = new Document({ tables: [table] });
  visit(document, {
    Seq(_key, seq) {
      if (!seq.items.some(isSeq) && seq.items.length === 4) seq.flow = true;
    },
    Map(_key, map) {
      if (map.has('every') || map.has('delimiter')) map.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}
