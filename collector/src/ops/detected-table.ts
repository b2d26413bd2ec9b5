// What was detected, as a table of collector.yaml for people to paste. Pure.
import { Document, isMap, isScalar, isSeq, visit } from 'yaml';
import { safeName } from '../transform/column-names.ts';
import type { Detection } from '../transform/detect-columns.ts';
import { identifier } from '../transform/sql/types.ts';
import { type GuessedTime, READINGS } from '../transform/time-guesses.ts';

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

/**
 * The `tables` section with a column a line, as a person would write it. Steps that read what may be times
 * come last, commented out.
 */
export function tableYaml(table: TableDocument, times: readonly GuessedTime[] = []): string {
  const document = new Document({ tables: [table] });
  visit(document, {
    Pair(_at, { key, value }) {
      if (isScalar(key) && ONE_LINE.includes(String(key.value)) && isMap(value)) value.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 }) + timeSteps(times, 'steps' in table);
}

/** With the `# ` taken away they are steps of the table. */
function timeSteps(times: readonly GuessedTime[], hasSteps: boolean): string {
  const steps = times.flatMap(({ column, reading }) =>
    column === undefined
      ? []
      : stepsFor(column, reading).map((step) => `${oneLine(step)} # ${READINGS[reading]}`),
  );
  if (steps.length === 0) return '';
  const [head, indent] = hasSteps ? ['', '      # '] : ['    # steps:\n', '    #   '];
  return `${head}${steps.map((step) => `${indent}- ${step}\n`).join('')}`;
}

function stepsFor(field: string, reading: GuessedTime['reading']): readonly TableDocument[] {
  const derive = (type: string, expression: string) => ({ derive: [{ column: field, type, expression }] });
  switch (reading) {
    case 'ns':
      return [derive('bigint', `${identifier(field)} // 1000`), { from_epoch: { field, unit: 'us' } }];
    case 'days':
      return [derive('date', `DATE '1970-01-01' + ${identifier(field)}::INTEGER`)];
    case 'digits':
      return [{ parse_timestamp: { field, patterns: ['yyyyMMdd'], type: 'date' } }];
    default:
      return [{ from_epoch: { field, unit: reading } }];
  }
}

function oneLine(step: TableDocument): string {
  const document = new Document(step);
  visit(document, {
    Pair(_at, { value }) {
      if (isMap(value) || isSeq(value)) value.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 }).trim();
}
