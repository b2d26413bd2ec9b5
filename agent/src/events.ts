// Everything the agent can say: each function writes one log line and moves its metric. error = data at risk
// or a human needed; warn = surprising, nothing lost; info = life cycle; debug = never per record.
import type { Logger } from '@sluice/shared/log.ts';
import type { Metrics } from '@sluice/shared/metrics.ts';

export type Events = ReturnType<typeof createEvents>;

export function createEvents(log: Logger, metrics: Metrics) {
  return {
    ...sourceEvents(log, metrics),
    ...spoolEvents(log, metrics),
    ...uplinkEvents(log, metrics),
    ...positionEvents(log, metrics),
    ...lifeEvents(log),
  };
}

function sourceEvents(log: Logger, metrics: Metrics) {
  const bytes = metrics.counter('sluice_source_bytes_total', 'Record batches read from Kafka', ['topic']);
  const records = metrics.counter('sluice_source_records_total', 'Records read, by their headers', ['topic']);
  const restarts = metrics.counter('sluice_source_restarts_total', 'Kafka clients given up', ['code']);
  const damaged = metrics.counter('sluice_source_batches_damaged_total', 'Batches with a wrong CRC-32C', [
    'topic',
  ]);
  const joins = metrics.counter('sluice_source_joins_total', 'Group assignments received');
  return {
    sourceFetched(topic: string, fetchedBytes: number, fetchedRecords: number) {
      bytes.inc({ topic }, fetchedBytes);
      records.inc({ topic }, fetchedRecords);
    },
    sourceJoined(partitions: number) {
      joins.inc();
      log.info({ partitions }, 'partitions assigned');
    },
    sourceRestarting(f: { code: string; reason: string; delayMs: number }) {
      restarts.inc({ code: f.code });
      log.warn(f, 'the Kafka client is started again');
    },
    sourceTopicsMissing: (topics: readonly string[]) => log.warn({ topics }, 'topics do not exist (yet)'),
    sourceTopicsChanged: (topics: readonly string[]) => log.info({ topics }, 'topics to read changed'),
    sourceTopicCreatedAgain: (f: { topic: string; before: string; now: string }) =>
      log.error(f, 'the topic was deleted and created again; it waits for a position'),
    sourceBeyondEnd: (f: { topic: string; partition: number; position: number; logEnd: number }) =>
      log.error(
        { code: 'KAFKA_OFFSET_BEYOND_END', ...f },
        'the log ends before the position; it stays paused',
      ),
    sourceLogNotChecked: (f: { topic: string; partition: number }) =>
      log.warn(
        f,
        'Kafka does not say where the log of the last leader ended: a cut log would not be noticed',
      ),
    sourceLookupFailed: (reason: string) =>
      log.warn({ reason }, 'Kafka did not describe the partitions; asked again'),
    sourceTopicNotProven: (reason: string) =>
      log.warn({ reason }, 'what was fetched waits until Kafka says of which topic it is; asked again'),
    sourceBatchDamaged(f: { topic: string; partition: number; offset: number; fate: string }) {
      damaged.inc({ topic: f.topic });
      const weight = f.fate === 'fetched again' ? 'warn' : 'error';
      log[weight]({ code: 'RECORD_BATCH_CORRUPT', ...f }, 'the CRC-32C of a record batch is wrong');
    },
    sourceCommitFailed: (reason: string) =>
      log.warn({ reason }, 'group offsets were not committed; tried again'),
    sourceHandlerFailed: (f: { place: string; reason: string }) =>
      log.error(f, 'batches were not taken; they are fetched again'),
    kafkaClientLogged: (level: 'warn' | 'error', message: string) =>
      log[level === 'error' ? 'warn' : 'debug']({ message }, 'kafka client'),
  };
}

function spoolEvents(log: Logger, metrics: Metrics) {
  const faults = metrics.counter('sluice_spool_faults_total', 'Disk errors while spooling', []);
  const cutOff = metrics.counter(
    'sluice_spool_cut_records_total',
    'Spooled records that Kafka cut off its log before they were committed',
    ['topic'],
  );
  return {
    spoolFault(f: { reason: string; retryMs: number }) {
      faults.inc();
      log.error(f, 'the spool cannot be written; records wait in Kafka');
    },
    spoolRecovered: () => log.info({}, 'the spool can be written again'),
    spoolNotTrimmed: (f: { reason: string }) =>
      log.warn(f, 'the spool still holds what was committed; tried again with the next commit'),
    spoolFileSetAside: (f: { path: string; reason: string }) =>
      log.error(f, 'a spool file is broken and was renamed; what it held is read again from Kafka'),
    spoolSegmentDropped: (s: {
      topic: string;
      partition: number;
      startOffset: number;
      nextOffset: number;
      path: string;
      reason: string;
    }) => log.error(s, 'a spooled segment is broken and was dropped; it alone is read again from Kafka'),
    spoolSegmentCutOff(s: {
      topic: string;
      partition: number;
      startOffset: number;
      nextOffset: number;
      leaderEpoch: number;
      records: number;
    }) {
      cutOff.inc({ topic: s.topic }, s.records);
      log.error(s, 'a spooled segment was dropped: Kafka cut its log, and no reader sees these records');
    },
    spoolRangeLost: (l: { topic: string; partition: number; offset: number; reason: string }) =>
      log.error(l, 'spooled data cannot be read; they are read again from Kafka'),
    spoolPressure({
      isFullForAll,
      ...p
    }: {
      full: string | undefined;
      isFullForAll: boolean;
      heldTopics: readonly string[];
    }) {
      if (isFullForAll) log.warn(p, 'the spool is full; Kafka is not read on');
      else if (p.full !== undefined)
        log.warn(p, 'the spool is full; only topics that hold less than their share of it are read on');
      else if (p.heldTopics.length > 0)
        log.warn(p, 'topics whose share of the spool is full are not read on');
      else log.info({}, 'the spool takes again');
    },
  };
}

function uplinkEvents(log: Logger, metrics: Metrics) {
  const lost = metrics.counter('sluice_link_failures_total', 'Streams that failed', []);
  return {
    reloadRefused: (r: { reason: string }) => log.error(r, 'new certificates refused; the stream goes on'),
    certificatesReloaded: (c: { daysToExpiry: number }) => log.info(c, 'certificates read again'),
    linkConnected: (c: { collector: string }) => log.info(c, 'connected to a collector'),
    linkLost(l: { reason: string; remedy: string }) {
      lost.inc();
      log.warn(l, 'no collector; the agent goes on spooling and trying');
    },
  };
}

function positionEvents(log: Logger, metrics: Metrics) {
  const gaps = metrics.counter('sluice_gap_offsets_total', 'Offsets that Kafka lost before they were read', [
    'topic',
  ]);
  const cuts = metrics.counter('sluice_source_truncations_total', 'Logs that Kafka cut behind the position', [
    'topic',
  ]);
  const history = metrics.counter('sluice_history_bytes_total', 'Payload read for backfills', ['topic']);
  const rewinds = metrics.counter('sluice_rewinds_total', 'Ranges that the collector asked for again', [
    'topic',
  ]);
  return {
    gapFound(g: {
      topic: string;
      partition: number;
      startOffset: number;
      nextOffset: number;
      reason: string;
    }) {
      gaps.inc({ topic: g.topic }, g.nextOffset - g.startOffset);
      log.error(g, 'gap: Kafka no longer has these offsets');
    },
    logTruncated(t: {
      topic: string;
      partition: number;
      offset: number;
      leaderEpoch: number;
      reason: string;
    }) {
      cuts.inc({ topic: t.topic });
      log.error(t, 'Kafka cut its log: what was read from this offset on is read again');
    },
    spoolWaits: (w: { topic: string; partition: number; startOffset: number; nextOffset: number }) =>
      log.warn(w, 'spooled data wait for these offsets, which another agent has to bring'),
    historyFetched: (topic: string, payloadBytes: number) => history.inc({ topic }, payloadBytes),
    historyNotRead: (h: { topic: string; partition: number; reason: string }) =>
      log.warn(h, 'history that the collector asks for cannot be read from Kafka; it asks again later'),
    fillAsked: (f: { topic: string; partition: number; startOffset: number; nextOffset: number }) =>
      log.info(f, 'the collector asks for what Kafka lost and the spool has'),
    rewound(r: { topic: string; partition: number; offset: number; reason: string }) {
      rewinds.inc({ topic: r.topic });
      log.warn(r, 'the collector asks for these offsets again');
    },
    collectorBehind: (b: { topic: string; partition: number; received: number; committed: number }) =>
      log.warn(b, 'the collector has not read the ledger as far as another one wrote it; it is waited for'),
    topicRefused: (r: { topic: string; code: string; message: string }) =>
      log.error(r, 'the collector refuses this topic; it is not read on'),
  };
}

function lifeEvents(log: Logger) {
  return {
    agentStarted: (a: { agentId: string; version: string; httpPort: number }) => log.info(a, 'agent started'),
    agentDraining: (signal: string) => log.info({ signal }, 'agent draining'),
    agentStopped: () => log.info({}, 'agent stopped'),
  };
}
