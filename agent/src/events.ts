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

function spoolEvents(_log: Logger, _metrics: Metrics) {
  return {};
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
