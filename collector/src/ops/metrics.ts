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
  const detached = metrics.gauge(
    'sluice_table_detached_seconds',
    'How long the topic has gone on without a table that cannot be written; 0 while it waits for it',
    perTable,
  );
  const behind = metrics.gauge(
    'sluice_table_behind_offsets',
    'Offsets that another table of the topic has and this one lacks',
    perPartition,
  );
  const margin = metrics.gauge(
    'sluice_table_retained_offsets',
    'Offsets between the start of Kafka’s log and the table; negative: lost before they were read',
    perPartition,
  );
  const unread = metrics.gauge(
    'sluice_backfill_unread_offsets',
    'Offsets of the history that a table wants and has not read yet',
    perPartition,
  );
  metrics.onCollect(() => {
    const { tables, stagedBytes, wallMs } = facts();
    staged.set(stagedBytes);
    for (const { lane, writer, partitions } of tables) {
      const table = lane.table;
      oldest.set({ table }, lane.oldestStagedMs === undefined ? 0 : (wallMs - lane.oldestStagedMs) / 1_000);
      state.set({ table }, writer.state === 'ready' ? 1 : 0);
      const { detachedSinceMs } = lane;
      detached.set({ table }, detachedSinceMs === undefined ? 0 : (wallMs - detachedSinceMs) / 1_000);
      for (const p of partitions) {
        const labels = { table, topic: p.topic, partition: String(p.partition) };
        committed.set(labels, p.committed);
        behind.set(labels, p.behind);
        if (p.backfill !== undefined) unread.set(labels, p.backfill.to - p.backfill.next);
        if (p.log !== undefined) margin.set(labels, p.committed - p.log.logStart);
      }
    }
  });
}
