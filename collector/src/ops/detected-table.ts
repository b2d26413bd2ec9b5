// What was detected, as a table of collector.yaml for people to paste. Pure.
import { Document, isMap, isScalar, visit } from 'yaml';
import { safeName } from '../transform/column-names.ts';
import type { Detection } from '../transform/detect-columns.ts';

const NAME_CHARACTERS_MAX = 100;
/** Sections of few keys, which a person would write on one line. */
const ONE_LINE = ['window', 'csv', 'json'];

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** As `tables:` takes it. */
export type TableDocument = { readonly [key: string]: Json };

/** `Claims.v1` → `claims_v1`; a quarantine's name is left to quarantines. */
export function tableName(topic: string): string {
  const name = safeName(topic).slice(0, NAME_CHARACTERS_MAX).replace(/^_+/, '');
  if (name === '') return 'topic';
  return name.endsWith('_quarantine') ? `${name}_topic` : name;
}

export function tableOf(topic: string, detection: Detection, every: string): TableDocument {
  const { columns } = detection;
  const common = { name: tableName(topic), topic, format: formatOf(detection), window: { every } };
  if (columns.length === 0) return common;
  const renamed = columns.filter(({ source, name }) => source !== name);
  const names = Object.fromEntries(renamed.map(({ source, name }) => [source, name]));
  return {
    ...common,
    columns: Object.fromEntries(columns.map(({ source, type }) => [source, type])),
    ...(renamed.length === 0 ? {} : { steps: [{ rename_field: names }] }),
  };
}

function formatOf({ format, delimiter, header, wrapping, grok }: Detection): Json {
  const { frame, at, array } = wrapping ?? {};
  if (frame !== undefined || at !== undefined)
    return {
      json: {
        ...(frame === undefined ? {} : { frame }),
        ...(at === undefined ? {} : { at }),
        ...(array === undefined ? {} : { array }),
      },
    };
  if (grok !== undefined) return { text: { grok } };
  if (format !== 'csv' || (delimiter === ',' && !header)) return format;
  return { csv: { delimiter: delimiter ?? ',', ...(header ? { header: 'line' } : {}) } };
}

/** The `tables` section with a column a line, as a person would write it. */
export function tableYaml(table: TableDocument): string {
  const document = new Document({ tables: [table] });
  visit(document, {
    Pair(_at, { key, value }) {
      if (isScalar(key) && ONE_LINE.includes(String(key.value)) && isMap(value)) value.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}
