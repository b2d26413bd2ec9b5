// A small lake of one table that is written by hand, truly or not, under the eyes of the oracle: what that
// finds is kept.
import { createHash } from 'node:crypto';
import { type LakeObject, LakeOracle, type LakeRow, type OracleTable } from './lake-oracle.ts';
import type { OracleCut, ProducedRecord } from './oracle-log.ts';

export const SLOT = { topic: 'orders', topicId: '0'.repeat(32), partition: 0 };

/** Six records: one is malformed, one is void, one was aborted. */
const PRODUCED: readonly ProducedRecord[] = [
  { kind: 'good', n: 10, outcome: 'committed' },
  { kind: 'malformed', n: 11, outcome: 'committed' },
  { kind: 'void', n: 12, outcome: 'committed' },
  { kind: 'good', n: 13, outcome: 'aborted' },
  { kind: 'good', n: 14, outcome: 'committed' },
  { kind: 'good', n: 15, outcome: 'committed' },
];

const afterName = (registered: string, name: string) =>
  registered.startsWith(`${name} `) ? [registered.slice(name.length + 1)] : [];

export class WatchedLake {
  readonly objects = new Map<string, LakeObject>();
  readonly registered = new Set<string>();
  readonly findings: string[] = [];
  readonly kafka = {
    ...{ ...SLOT, start: 0, produced: new Map(PRODUCED.entries()) },
    cuts: [] as OracleCut[],
    starts: [] as number[],
  };
  readonly oracle: LakeOracle;
  #sequence = 0;

  constructor(table: Partial<OracleTable> = {}) {
    this.oracle = new LakeOracle({
      tables: [{ name: 'orders', topic: 'orders', keepsVoid: false, ...table }],
      partitions: [this.kafka],
      lake: {
        object: (key) => this.objects.get(key),
        registered: (name, prefix) => this.registered.has(`${name} ${prefix}`),
        locations: (name) => [...this.registered].flatMap((one) => afterName(one, name)),
        keys: (prefix) => [...this.objects.keys()].filter((key) => key.startsWith(prefix)),
      },
      violated: (what) => this.findings.push(what),
    });
  }

  put(key: string, text: string): LakeObject {
    const bytes = Buffer.from(text);
    const object = { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
    const replaced = this.objects.get(key);
    this.objects.set(key, object);
    this.oracle.created(key, object, replaced);
    return object;
  }

  remove(key: string): void {
    this.objects.delete(key);
    this.oracle.removed(key);
  }

  append(entry: Record<string, unknown>, sequence = this.#sequence++): void {
    const key = `_sluice/ledger/orders/${String(sequence).padStart(20, '0')}.json`;
    this.put(key, JSON.stringify({ sequence, publishedThrough: -1, ...entry }));
  }

  /** Another leader has nothing from `at` on, and then the same records again. */
  cut(at: number): this {
    const removed = new Map([...this.kafka.produced].filter(([offset]) => offset >= at));
    this.kafka.cuts.push({ at, epoch: this.kafka.cuts.length + 1, removed });
    return this;
  }

  fork(offset: number, leaderEpoch = 1): this {
    this.append({ kind: 'fork', forks: [{ ...SLOT, offset, leaderEpoch }] });
    return this;
  }

  open(start = 0): this {
    this.append({ kind: 'open', partitions: [{ ...SLOT, start }] });
    return this;
  }

  /** One window with its objects staged; `change` bends the truth. */
  commit(
    start: number,
    next: number,
    change: { rows?: LakeRow[]; entry?: Record<string, unknown>; leaderEpoch?: number } = {},
  ): this {
    const { leaderEpoch = 0 } = change;
    const of = (kind: string) => this.#records(start, next).filter((r) => r.kind === kind);
    const rows = change.rows ?? of('good').map(({ offset, n }) => ({ ...SLOT, offset, n }));
    const bad = of('malformed').map(({ offset }) => ({ ...SLOT, offset, n: null }));
    const outputs = [
      this.#stage('rows', 'orders/part=p0/', start, rows),
      this.#stage('quarantine', 'orders_quarantine/day=d/', start, bad),
    ];
    const records = this.#records(start, next).length;
    const classes = { in: records, filtered: of('void').length };
    this.append({
      kind: 'commit',
      ranges: [{ ...SLOT, start, next, leaderEpoch }],
      classes,
      outputs,
      ...change.entry,
    });
    return this;
  }

  #records(start: number, next: number) {
    return PRODUCED.map((record, offset) => ({ ...record, offset })).filter(
      ({ offset, outcome }) => offset >= start && offset < next && outcome === 'committed',
    );
  }

  #stage(output: string, prefix: string, start: number, rows: readonly LakeRow[]) {
    const stagedKey = `_sluice/staged/orders/${output}-${start}`;
    const { sha256 } = this.put(stagedKey, JSON.stringify(rows));
    const [, column = '', value = ''] = /\/(\w+)=(\w+)\/$/.exec(prefix) ?? [];
    const of = { partition: [{ column, value }], rows: rows.length };
    return { output, stagedKey, finalKey: `${prefix}${start}.json`, sha256, ...of };
  }

  /** Copies what was staged of the window that begins at `start`, and registers where it lies. */
  publish(start: number, kinds: readonly string[] = ['rows', 'quarantine']): this {
    const prefixes: Record<string, string> = {
      rows: 'orders/part=p0/',
      quarantine: 'orders_quarantine/day=d/',
    };
    for (const kind of kinds) {
      const staged = this.objects.get(`_sluice/staged/orders/${kind}-${start}`);
      this.put(`${prefixes[kind]}${start}.json`, staged?.bytes.toString() ?? '');
      this.registered.add(`${kind === 'rows' ? 'orders' : 'orders_quarantine'} ${prefixes[kind]}`);
    }
    return this;
  }

  /**
   * An object beside the table's location; readers see it when the partition is there. Of windows, by where
   * they begin, or of other rows.
   */
  make(name: string, rows: readonly LakeRow[] | readonly number[]): { name: string; sha256: string } {
    const isWindows = (some: typeof rows): some is readonly number[] => typeof some[0] === 'number';
    const made = isWindows(rows) ? rows.flatMap((start) => this.rowsOf(start)) : rows;
    return { name, sha256: this.put(`${REBUILT}${name}`, JSON.stringify(made)).sha256 };
  }

  /** Of a window that is published, by where it begins. */
  rowsOf(start: number): LakeRow[] {
    const object = this.objects.get(`orders/part=p0/${start}.json`);
    return JSON.parse(object?.bytes.toString() ?? '[]') as LakeRow[];
  }

  /** A swap of the rows' partition that joins windows, by where they begin, and carries others. */
  swap(move: Record<string, unknown>, change: Record<string, unknown> = {}): this {
    const moves = [{ output: 'rows', partition: PART, to: REBUILT, made: [], carried: [], ...move }];
    this.append({ kind: 'swap', after: -1, asOf: -1, windows: [], replays: [], moves, ...change });
    return this;
  }

  /** The object of windows that are joined, as a swap names it. */
  joined(starts: readonly number[], rows: readonly LakeRow[] | readonly number[] = starts) {
    const parts = starts.map((start, i) => {
      return { entry: i + 1, from: `orders/part=p0/${start}.json`, rows: this.rowsOf(start).length };
    });
    const all = parts.reduce((sum, part) => sum + part.rows, 0);
    return { ...this.make('joined.json', rows), rows: all, parts };
  }

  /** As an entry names an object that goes along. */
  carried(start: number, entry: number) {
    const from = `orders/part=p0/${start}.json`;
    return { entry, from, sha256: this.objects.get(from)?.sha256 };
  }

  /** Readers see the partition at its new place from now on. */
  move(to = REBUILT): this {
    this.oracle.moving('orders', 'orders/part=p0/', to);
    this.registered.delete('orders orders/part=p0/');
    this.registered.add(`orders ${to}`);
    return this;
  }
}

export const REBUILT = 'orders.rebuilt/1/part=p0/';
const PART = [{ column: 'part', value: 'p0' }];
