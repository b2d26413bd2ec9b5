// Which quarantined records a replay shall run: as the command line says it, and as SQL over a quarantine
// object. Pure.
import { UsageError } from '@sluice/shared/command-line.ts';
import { literal } from '../../transform/sql/types.ts';

/** Conditions that must all hold; none of them is all records. */
export interface Selection {
  readonly codes: readonly string[];
  /** Kafka's time of the record, wall ms: [fromMs, toMs). */
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  readonly offsets: SelectedOffsets | undefined;
}

export interface SelectedOffsets {
  readonly topic: string;
  readonly partition: number;
  /** Both included. */
  readonly first: number;
  readonly last: number;
}

/** UsageError where nothing is chosen, or `--all` is not all. */
export function parseSelection(
  options: Readonly<Record<'code' | 'from' | 'to' | 'offset', string | undefined>>,
  all: boolean,
): Selection {
  const { code, from, to, offset } = options;
  const chosen = [code, from, to, offset].some((option) => option !== undefined);
  if (!chosen && !all) throw new UsageError('say which records: --code, --from, --to, --offset, or --all');
  if (chosen && all) throw new UsageError('--all goes with no other choice');
  const [fromMs, toMs] = [parseTime('--from', from), parseTime('--to', to)];
  if (fromMs !== undefined && toMs !== undefined && toMs <= fromMs)
    throw new UsageError('--to must be after --from');
  const codes = code === undefined ? [] : code.split(',');
  const odd = codes.find((one) => !/^[A-Z][A-Z0-9_]*$/.test(one));
  if (odd !== undefined) throw new UsageError(`--code takes codes, as in CAST_FAILED,JSON_INVALID: '${odd}'`);
  return { codes, fromMs, toMs, offsets: offset === undefined ? undefined : parseOffsets(offset) };
}

/** A time without a zone would be another one on another machine. */
export function parseTime(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const form = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;
  const ms = form.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new UsageError(`${option} takes a day or a time, as in 2026-01-31 or 2026-01-31T08:00Z: '${text}'`);
  return ms;
}

function parseOffsets(text: string): SelectedOffsets {
  const form = /^([\w.-]+):(\d{1,9}):(\d{1,16})(?:-(\d{1,16}))?$/;
  const [, topic, partition, from, to = from] = form.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (topic === undefined || !Number.isSafeInteger(last) || last < first)
    throw new UsageError(
      `--offset takes topic:partition:offset[-offset], as in claims:0:1842-1850: '${text}'`,
    );
  return { topic, partition: Number(partition), first, last };
}

/** A condition over the rows of a quarantine object. */
export function selectionSql({ codes, fromMs, toMs, offsets }: Selection): string {
  const conditions: string[] = [];
  if (codes.length > 0) conditions.push(`code IN (${codes.map(literal).join(', ')})`);
  if (fromMs !== undefined) conditions.push(`_timestamp >= make_timestamp(${fromMs * 1000})`);
  if (toMs !== undefined) conditions.push(`_timestamp < make_timestamp(${toMs * 1000})`);
  if (offsets !== undefined) {
    const { topic, partition, first, last } = offsets;
    conditions.push(`_topic = ${literal(topic)}`, `_partition = ${partition}`);
    conditions.push(`_offset BETWEEN ${first} AND ${last}`);
  }
  return conditions.length === 0 ? 'true' : conditions.map((one) => `coalesce(${one}, false)`).join(' AND ');
}
