// Everything the agent can say: each function writes one log line and moves its metric.
// error = data at risk or a human needed; warn = surprising, nothing lost; info = life cycle; debug = never per record.
import type { Logger } from '@sluice/shared/log.ts';
import type { Metrics } from '@sluice/shared/metrics.ts';

export type Events = ReturnType<typeof createEvents>;

export function createEvents(log: Logger, metrics: Metrics) {
  return {
    ...sourceEvents(log, metrics),
    ...spoolEvents(log, metrics),
    ...uplinkEvents(log, metrics),
    ...lifeEvents(log),
  };
}

function sourceEvents(_log: Logger, _metrics: Metrics) {
  return {};
}

function spoolEvents(log: Logger, metrics: Metrics) {
  const faults = metrics.counter('sluice_spool_faults_total', 'Disk errors while spooling', []);
  return {
    spoolFault(f: { reason: string; retryMs: number }) {
      faults.inc();
      log.error(f, 'the spool cannot be written; records wait in Kafka');
    },
    spoolRecovered: () => log.info({}, 'the spool can be written again'),
    spoolFileSetAside: (f: { path: string; reason: string }) =>
      log.error(f, 'a spool file is broken and was renamed; what it held is read again from Kafka'),
    spoolPressure: (p: { full: string | undefined; heldTopics: readonly string[] }) =>
      log.warn(p, p.full === undefined ? 'spool shares changed' : 'the spool is full; Kafka is not read on'),
  };
}

function uplinkEvents(_log: Logger, _metrics: Metrics) {
  return {};
}

function lifeEvents(log: Logger) {
  return {
    agentStarted: (agentId: string, version: string) => log.info({ agentId, version }, 'agent started'),
    agentDraining: (signal: string) => log.info({ signal }, 'agent draining'),
    agentStopped: () => log.info({}, 'agent stopped'),
  };
}
