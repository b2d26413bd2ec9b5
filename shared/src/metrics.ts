// Prometheus metrics. Names carry their unit (`_seconds`, `_bytes`, `_total`) as the Prometheus naming guide
// asks; labels are topics, tables, partitions and codes, all bounded by config.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** `buckets` in the unit of the name. */
  histogram<L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labels?: readonly L[],
  ): Histogram<L>;
  /** Exposition text, refreshed by `collect` callbacks first. */
  text(): Promise<string>;
  contentType: string;
  /** Called before each exposition, for gauges that are read and not pushed. */
  onCollect(refresh: () => void): void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const refreshers: (() => void)[] = [];
  return {
    counter: (name, help, labels = []) =>
      new Counter({ name, help, labelNames: labels, registers: [registry] }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: labels, registers: [registry] }),
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({ name, help, buckets, labelNames: labels, registers: [registry] }),
    text() {
      for (const refresh of refreshers) refresh();
      return registry.metrics();
    },
    contentType: registry.contentType,
    onCollect: (refresh) => void refreshers.push(refresh),
  };
}
