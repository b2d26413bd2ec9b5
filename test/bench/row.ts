// One row of the bench's result.

export interface Row {
  readonly name: string;
  readonly records: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  /** User and system seconds for a million records, without start-up. */
  readonly cpuSecondsPerMillion: number;
  /** Of all measured processes together. */
  readonly peakRssBytes: number;
  /** From which instant to which, and whatever else belongs to this row alone. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Measured {
  readonly name: string;
  readonly records: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
  readonly details: Readonly<Record<string, unknown>>;
}

export function row({ name, records, seconds, cpuSeconds, peakRssBytes, details }: Measured): Row {
  return {
    name,
    records,
    seconds: rounded(seconds, 3),
    recordsPerSecond: Math.round(records / seconds),
    cpuSecondsPerMillion: rounded((cpuSeconds / records) * 1e6, 3),
    peakRssBytes,
    details,
  };
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
