// Everything the collector can say: each function writes one log line and moves its metric. error = data at
// risk or a human needed; warn = surprising, nothing lost; info = life cycle; debug = never per record.
import type { Logger } from '@sluice/shared/log.ts';
import type { Metrics } from '@sluice/shared/metrics.ts';

export type Events = ReturnType<typeof createEvents>;

type TurnedAway = {
  readonly agent: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly reason: string;
};

export function createEvents(log: Logger, metrics: Metrics) {
  return {
    ...ingestEvents(log, metrics),
    ...windowEvents(log, metrics),
    ...ledgerEvents(log, metrics),
    ...schemaEvents(log, metrics),
    ...tableEvents(log),
    ...lifeEvents(log),
  };
}

function ingestEvents(log: Logger, metrics: Metrics) {
  const agents = metrics.gauge('sluice_agents_connected', 'Streams of agents', []);
  const refused = metrics.counter('sluice_connections_refused_total', 'Connections refused', []);
  const handedOn = metrics.counter(
    'sluice_streams_handed_on_total',
    'Streams that ended so that their agents connect anew',
    [],
  );
  return {
    agentConnected(a: { agent: string; peer: string }) {
      agents.inc();
      log.info(a, 'agent connected');
    },
    agentDisconnected(a: { agent: string; peer: string; reason: string }) {
      agents.dec();
      log.info(a, 'agent disconnected');
    },
    agentTwice: (a: { agent: string; peers: readonly string[]; instances: readonly string[] }) =>
      log.warn(a, 'two streams with one agent id; both are served'),
    streamHandedOn(a: { agent: string; peer: string; reason: string }) {
      handedOn.inc();
      log.info(a, 'stream handed on: its agent connects anew, here or elsewhere');
    },
    connectionRefused(c: { peer: string; agent?: string; reason: string; remedy: string }) {
      refused.inc();
      log.warn(c, 'connection refused');
    },
    topicRefused: (t: { agent: string; topic: string; code: string; message: string }) =>
      log.warn(t, 'topic refused; the agent’s other topics flow'),
    reloadRefused: (r: { reason: string }) => log.error(r, 'new certificates refused; the old ones stay'),
    stagedInMemory: (s: { reason: string }) =>
      log.warn(s, 'a staged segment could not be written to collector.workDir: it stays in memory'),
    stagingDiskSilent: (s: { directory: string; waitedMs: number }) =>
      log.error(s, 'the disk of collector.workDir does not answer: what is staged waits for it'),
    certificatesReloaded: (c: { daysToExpiry: number }) => log.info(c, 'certificates read again'),
  };
}

function windowEvents(log: Logger, metrics: Metrics) {
  const closed = metrics.counter('sluice_windows_closed_total', 'Windows closed', ['table', 'reason']);
  const waits = metrics.counter('sluice_transform_failures_total', 'Transforms that failed and wait', [
    'table',
  ]);
  const split = metrics.counter('sluice_windows_split_total', 'Windows of too many partition values', [
    'table',
  ]);
  const gaps = metrics.counter('sluice_gap_offsets_total', 'Offsets that Kafka lost before they were read', [
    'table',
  ]);
  const filled = metrics.counter('sluice_gap_filled_offsets_total', 'Offsets of gaps that spools filled', [
    'table',
  ]);
  const forks = metrics.counter('sluice_fork_offsets_total', 'Committed offsets that Kafka cut off its log', [
    'table',
  ]);
  const rewinds = metrics.counter('sluice_rewinds_total', 'Rewinds asked of agents', ['topic']);
  return {
    windowClosed(w: { table: string; window: string; reason: string; segments: number; bytes: number }) {
      closed.inc({ table: w.table, reason: w.reason });
      log.debug(w, 'window closed');
    },
    transformWaits(w: { table: string; window: string; reason: string; retryMs: number }) {
      waits.inc({ table: w.table });
      log.error(w, 'transform failed; the window waits and is tried again');
    },
    windowAbandoned(w: { table: string; window: string; reason: string }) {
      log.error(w, 'window given up here; the agent still has its data');
    },
    windowSplit(w: { table: string; window: string; partitionsMax: number | undefined }) {
      split.inc({ table: w.table });
      log.warn(w, 'a window has more partition values than one set of files may: it is published in parts');
    },
    workNotRemoved: (w: { table: string; window: string; reason: string }) =>
      log.warn(w, 'files of a finished window were not removed from collector.workDir'),
    workNotSwept: (w: { directory: string; reason: string }) =>
      log.warn(w, 'files of an earlier run were not removed from collector.workDir'),
    gapRecorded(g: {
      table: string;
      topic: string;
      partition: number;
      start: number;
      next: number;
      reason: string;
    }) {
      gaps.inc({ table: g.table }, g.next - g.start);
      log.error(g, 'gap: Kafka no longer has these offsets');
    },
    fillAsked: (f: {
      agent: string;
      topic: string;
      partition: number;
      startOffset: number;
      nextOffset: number;
    }) => log.info(f, 'an agent has spooled what Kafka lost: it is asked for it'),
    segmentTurnedAway: (s: TurnedAway) =>
      log.error(s, 'a segment of a gap or of history cannot be, and is not taken'),
    gapFilled(g: { table: string; topic: string; partition: number; start: number; next: number }) {
      filled.inc({ table: g.table }, g.next - g.start);
      log.info(g, 'a spool has filled what Kafka lost');
    },
    backfillBegun: (b: { table: string; topic: string; partition: number; from: number; to: number }) =>
      log.info(b, 'backfill begins: what Kafka has of the table’s history is read beside what comes live'),
    backfillEnded: (b: { table: string; topic: string; partition: number; from: number; to: number }) =>
      log.info(b, 'backfill ended: all of this history is in the table, or recorded as a gap'),
    forkRecorded(f: {
      table: string;
      topic: string;
      partition: number;
      from: number;
      to: number;
      reason: string;
    }) {
      forks.inc({ table: f.table }, f.to - f.from);
      log.error(f, 'Kafka cut its log: these offsets come again, and the rows of both stay');
    },
    rewindAsked(r: { agent: string; topic: string; partition: number; offset: number; reason: string }) {
      rewinds.inc({ topic: r.topic });
      log.warn(r, 'the agent is asked to send from another offset');
    },
    topicHeld: (t: { topic: string; reason: string | undefined }) =>
      t.reason === undefined
        ? log.info(t, 'topic flows again')
        : log.warn(t, 'topic held: agents keep what they have of it'),
    tableDetached: (t: { table: string; topic: string; reason: string; at: readonly string[] }) =>
      log.error(t, 'table detached: its topic goes on; only Kafka’s retention keeps what this table lacks'),
    tableAttached: (t: { table: string; topic: string; sinceMs: number }) =>
      log.info(t, 'table goes on: what it lacks is read from Kafka again'),
    tableNotLoaded: (t: { table: string; reason: string }) =>
      log.error(t, 'the ledger was not loaded; the table takes nothing'),
    tableNotOpened: (t: { table: string; reason: string }) =>
      log.error(t, 'partitions were not opened in the ledger'),
  };
}

function ledgerEvents(log: Logger, metrics: Metrics) {
  const records = metrics.counter('sluice_records_committed_total', 'Records committed to the ledger', [
    'table',
  ]);
  const bad = metrics.counter('sluice_records_quarantined_total', 'Records in quarantine', ['table']);
  const nulled = metrics.counter('sluice_values_nulled_total', 'Values that failed and are NULL', ['table']);
  const broken = metrics.counter('sluice_rows_breaking_rules_total', 'Rows that break a data quality rule', [
    'table',
  ]);
  const windows = metrics.counter('sluice_windows_committed_total', 'Windows committed', ['table']);
  const waits = metrics.counter('sluice_table_waits_total', 'Failures that a table waited through', [
    'table',
  ]);
  return {
    windowCommitted(w: {
      table: string;
      window: string;
      records: number;
      quarantined: number;
      files: number;
    }) {
      records.inc({ table: w.table }, w.records);
      bad.inc({ table: w.table }, w.quarantined);
      windows.inc({ table: w.table });
      log.info(w, 'window committed');
    },
    ruleBroken(r: { table: string; output: string; rule: string; rows: number }) {
      broken.inc({ table: r.table }, r.rows);
      log.warn(r, 'rows break a data quality rule');
    },
    valuesNulled(n: { table: string; column: string; values: number }) {
      nulled.inc({ table: n.table }, n.values);
      log.info(n, 'values that failed are NULL, as the column says');
    },
    recordBatchQuarantined: (b: {
      table: string;
      topic: string;
      partition: number;
      startOffset: number;
      records: number;
      code: string;
      reason: string;
    }) => log.error(b, 'a record batch cannot be read: its bytes and all its records are in quarantine'),
    tableWaits(w: { table: string; state: string; reason: string; retryMs: number }) {
      waits.inc({ table: w.table });
      log.warn(w, 'table waits; its data stay with the agent');
    },
    tableHalted: (t: { table: string; reason: string }) =>
      log.error(t, 'table halted: nothing more is written to it'),
    stagedNotRemoved: (t: { table: string; reason: string }) =>
      log.warn(t, 'staged objects were not removed; they are no longer needed'),
    stagedSwept: (t: { table: string; objects: number }) =>
      log.info(t, 'staged objects that no entry names were removed'),
    partitionsMoved: (t: { table: string; entry: number; windows: number; partitions: number }) =>
      log.info(
        t,
        'windows were made again or objects joined, and readers see their partitions at new places',
      ),
    partitionsPutBack: (t: { table: string; partitions: number }) =>
      log.warn(
        t,
        'partitions were elsewhere than the ledger says, and readers saw older rows; they are put back',
      ),
    partitionsNotPutBack: (t: { table: string; reason: string }) =>
      log.warn(t, 'the catalog could not be asked whether partitions are where the ledger says'),
    windowStagedAgain: (w: { table: string; window: string }) =>
      log.warn(w, 'another collector swept what was staged; it is staged again'),
  };
}

function schemaEvents(log: Logger, metrics: Metrics) {
  const grown = metrics.counter(
    'sluice_schema_changes_total',
    'Schemas detected, and columns added to them',
    ['table'],
  );
  const contradicted = metrics.counter(
    'sluice_schema_contradictions_total',
    'Records in quarantine because they contradict the detected schema',
    ['table'],
  );
  const leftOut = metrics.counter(
    'sluice_fields_left_out_total',
    'Fields that no column of a table can have',
    ['table'],
  );
  return {
    schemaGrown(s: { table: string; version: number; added: readonly string[] }) {
      grown.inc({ table: s.table });
      log.info(s, 'the table has new columns: its records have them');
    },
    /** Once for each field and process. */
    fieldsLeftOut(f: { table: string; fields: readonly string[] }) {
      leftOut.inc({ table: f.table }, f.fields.length);
      log.warn(f, 'fields have no place in the table and are left out of its rows');
    },
    /** One alert for all of a window. */
    schemaContradicted(c: { table: string; records: number; fields: readonly string[] }) {
      contradicted.inc({ table: c.table }, c.records);
      log.error(c, 'records contradict the detected schema: they are in quarantine');
    },
  };
}

/** Tables that come, go and change while records flow. */
function tableEvents(log: Logger) {
  return {
    tableChanged: (t: { table: string; from: string; to: string }) =>
      log.info(t, 'table changed: windows have the new config from the next one on'),
    topicTakenIn: (t: { table: string; topic: string }) =>
      log.info(t, 'the table has opened a topic that its config did not name before: it is waited for'),
    topicLeaves: (t: { table: string; topic: string }) =>
      log.info(t, 'topic taken out of a table: nothing more of it is taken, and what is here is written'),
    topicRemoved: (t: { table: string; topic: string; at: readonly string[] }) =>
      log.info(t, 'topic removed from a table: all that came of it is committed and published'),
    topicGivenUp: (t: { table: string; topic: string; at: readonly string[]; reason: string }) =>
      log.error(t, 'topic removed from a table before all that came of it was written: nobody waits for it'),
    tableAdded: (t: { table: string; topic: string; configVersion: string }) => log.info(t, 'table added'),
    tableLeaves: (t: { table: string; topic: string }) =>
      log.info(t, 'table taken out of the config: it takes nothing more, and what it has is written'),
    tableRemoved: (t: { table: string; topic: string; at: readonly string[] }) =>
      log.info(t, 'table removed: all that it took is committed and published'),
    tableGivenUp: (t: { table: string; topic: string; at: readonly string[]; reason: string }) =>
      log.error(t, 'table removed with windows that could not be written: only Kafka has what comes behind'),
  };
}

function lifeEvents(log: Logger) {
  return {
    collectorStarted: (c: { collectorId: string; version: string; linkPort: number; httpPort: number }) =>
      log.info(c, 'collector started'),
    collectorDraining: (signal: string) => log.info({ signal }, 'collector draining'),
    configTaken: (c: { added: number; changed: number; removed: number }) => log.info(c, 'config read again'),
    configRefused: (c: { reason: string }) => log.error(c, 'new config refused; the old one stays'),
    collectorStopped: () => log.info({}, 'collector stopped'),
  };
}
