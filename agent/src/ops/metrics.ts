// Gauges that are read at each exposition: positions, spool and link, from the status that the stages keep
// anyway.
import type { Clock } from '@sluice/shared/clock.ts';
import type { Metrics } from '@sluice/shared/metrics.ts';
import type { Source, Spool, Uplink } from '../contracts.ts';

export interface MeteredParts {
  readonly source: Pick<Source, 'status'>;
  readonly spool: Pick<Spool, 'status'>;
  readonly uplink: Pick<Uplink, 'status'>;
  readonly clock: Clock;
}

export function registerMetrics(metrics: Metrics, { source, spool, uplink, clock }: MeteredParts): void {
  const perPartition = ['topic', 'partition'] as const;
  const position = metrics.gauge('sluice_source_position', 'Next offset to read', perPartition);
  const lag = metrics.gauge(
    'sluice_source_lag_records',
    'Offsets between position and high watermark',
    perPartition,
  );
  const openTransaction = metrics.gauge(
    'sluice_source_open_transaction_seconds',
    'How long an open transaction has hidden the end of the log; 0 where none does',
    perPartition,
  );
  const spoolBytes = metrics.gauge('sluice_spool_bytes', 'Payload bytes that wait for their commit', []);
  const freeBytes = metrics.gauge('sluice_spool_free_bytes', 'Free space on the spool’s disk', []);
  const disk = metrics.gauge('sluice_spool_disk', '1 for the state of the disk under the spool', ['state']);
  const oldest = metrics.gauge(
    'sluice_oldest_unacknowledged_seconds',
    'Age of the oldest spooled segment',
    [],
  );
  const sent = metrics.gauge('sluice_link_sent_bytes', 'Payload bytes sent since the start', []);
  const connected = metrics.gauge('sluice_link_connected', '1 while a collector answers', []);
  metrics.onCollect(() => {
    for (const p of source.status().partitions) {
      const labels = { topic: p.topic, partition: String(p.partition) };
      const since = p.openTransactionSinceMs;
      openTransaction.set(labels, since === undefined ? 0 : (clock.wallMs() - since) / 1_000);
      if (p.position === undefined) continue;
      position.set(labels, p.position);
      lag.set(labels, Math.max(0, p.highWatermark - p.position));
    }
    const { bytes, freeBytes: free, partitions, disk: state } = spool.status();
    disk.reset();
    disk.set({ state }, 1);
    spoolBytes.set(bytes);
    freeBytes.set(Number.isFinite(free) ? free : 0);
    const since = partitions.flatMap(({ oldestSpooledMs }) => oldestSpooledMs ?? []);
    oldest.set(since.length === 0 ? 0 : (clock.wallMs() - Math.min(...since)) / 1_000);
    const link = uplink.status();
    sent.set(link.sentBytesTotal);
    connected.set(link.state === 'connected' ? 1 : 0);
  });
}
