// One row of the bench's result.

export interface Row {
  readonly name: string;
  readonly records: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  /** User and system seconds for a million records. */
  readonly cpuSecondsPerMillion: number;
  /** Of all measured processes together. */
  readonly peakRssBytes: number;
  /** Share of all cores that others used meanwhile: above 0.1 the rate is not to be trusted. */
  readonly foreignCpuShare: number;
  /** From which instant to which, what was proven, and whatever else belongs to this row alone. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
  readonly foreignCpuShare: number;
  readonly details: Readonly<Record<string, unknown>>;
}

export function row(name: string, records: number, measured: Measured): Row {
  const { seconds, cpuSeconds, peakRssBytes, foreignCpuShare, details } = measured;
  return {
    name,
    records,
    seconds: rounded(seconds, 3),
    recordsPerSecond: Math.round(records / seconds),
    cpuSecondsPerMillion: rounded((cpuSeconds / records) * 1e6, 3),
    peakRssBytes,
    foreignCpuShare: rounded(foreignCpuShare, 3),
    details,
  };
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** For people: one line a row. */
export function rowsTable(rows: readonly Row[]): string {
  const head = ['row', 'records/s', 'CPU-s/M', 'peak MB', 'seconds', 'foreign CPU'];
  const body = rows.map((r) => [
    r.name,
    r.recordsPerSecond.toLocaleString('en'),
    r.cpuSecondsPerMillion.toFixed(2),
    (r.peakRssBytes / 1e6).toFixed(0),
    r.seconds.toFixed(2),
    `${(r.foreignCpuShare * 100).toFixed(0)} %`,
  ]);
  const widths = head.map((title, i) =>
    Math.max(title.length, ...body.map((cells) => cells[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ');
  return [head, ...body].map((cells) => `${line(cells)}\n`).join('');
}
