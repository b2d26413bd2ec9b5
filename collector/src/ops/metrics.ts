// Gauges that are read at each exposition: what is staged, how old it is, how far each partition is.
import type { Metrics } from '@sluice/shared/metrics.ts';
import type { CollectorFacts } from './health.ts';

export function registerMetrics(metrics: Metrics, facts: () => CollectorFacts): void {
  const perTable = ['table'] as const;
  const perPartition = ['table', 'topic', 'partition'] as const;
  const staged = metrics.gauge('sluice_staged_bytes', 'Payload bytes between link and ledger', []);
  const oldest = metrics.gauge(
    'sluice_oldest_staged_seconds',
    'Age of the oldest uncommitted window',
    perTable,
  );
  const state = metrics.gauge('sluice_table_ready', '1 while the table can be written', perTable);
  const committed = metrics.gauge('sluice_committed_offset', 'Next offset by the ledger', perPartition);
  metrics.onCollect(() => {
    const { tables, stagedBytes, wallMs } = facts();
    staged.set(stagedBytes);
    for (const { lane, writer, partitions } of tables) {
      const table = lane.table;
      oldest.set({ table }, lane.oldestStagedMs === undefined ? 0 : (wallMs - lane.oldestStagedMs) / 1_000);
      state.set({ table }, writer.state === 'ready' ? 1 : 0);
      for (const p of partitions)
        committed.set({ table, topic: p.topic, partition: String(p.partition) }, p.committed);
    }
  });
}
