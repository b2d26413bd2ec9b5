// The one error table: each code says what kind of failure it is and what the operator should do.
// docs/errors.md is compared with it both ways by a test.
import type { ErrorEntry, ErrorKind } from './error-kind.ts';

export const ERRORS = {
  CONFIG_INVALID: {
    kind: 'reject',
    remedy: 'Correct each place named; `check` reads the file again without starting anything.',
  },
  TLS_FILES_UNUSABLE: {
    kind: 'reject',
    remedy:
      'Correct the file named: PEM certificates, the key of the first one, a PEM revocation list; readable by this program’s user.',
  },
  TLS_CERTIFICATE_EXPIRED: {
    kind: 'reject',
    remedy: 'Renew the file named, then send the program SIGHUP (`systemctl reload sluice-agent`).',
  },
  ASSERTION_FAILED: {
    kind: 'halt',
    remedy:
      'This is a defect in Sluice: keep the log and report it. Nothing was acknowledged past this point.',
  },
  RECORD_BATCH_CORRUPT: {
    kind: 'reject',
    remedy:
      'The bytes are not what the producer wrote: check disks, memory and network of the brokers and the agent. The collector quarantines such a batch; Kafka may still have it whole.',
  },
  RECORD_BATCH_TOO_LARGE: {
    kind: 'reject',
    remedy: 'Raise the decompressed limit named, or let the producer send smaller batches.',
  },
  CODEC_UNKNOWN: {
    kind: 'reject',
    remedy: 'Upgrade Sluice: the producer uses a compression that this version does not know.',
  },
  KAFKA_UNREACHABLE: {
    kind: 'retry',
    remedy: 'Check kafka.brokers, the network and the brokers; the agent goes on trying.',
  },
  KAFKA_AUTHENTICATION: {
    kind: 'reject',
    remedy: 'Check kafka.tls and kafka.sasl against what the listener demands.',
  },
  KAFKA_AUTHORIZATION: {
    kind: 'reject',
    remedy:
      'Allow this principal Read on the topics (Describe comes with it) and Read on the group that kafka.group names.',
  },
  KAFKA_TOPIC_UNKNOWN: { kind: 'retry', remedy: 'Create the topic or take it out of `topics`.' },
  KAFKA_CLIENT_CHANGED: { kind: 'halt', remedy: 'Install the exact kafkajs version pinned in package.json.' },
  KAFKA_OFFSET_BEYOND_END: {
    kind: 'retry',
    remedy:
      'The log ends before the position. Kafka is asked where it was cut, and reading goes on there; where it cannot say, the partition stays paused: was the topic created again?',
  },
  SPOOL_CORRUPT: {
    kind: 'reject',
    remedy: 'The spool file was set aside under the name given; what it held is read again from Kafka.',
  },
  SPOOL_FORMAT_NEWER: {
    kind: 'reject',
    remedy:
      'Upgrade the agent again, or run `sluice-agent spool reset`: it says what Kafka still holds, renames the spool, and the agent goes on from the ledger.',
  },
  SPOOL_LOCKED: {
    kind: 'halt',
    remedy: 'Another agent uses this agent.dataDir: stop it, or give this one a directory of its own.',
  },
  SPOOL_FULL: {
    kind: 'retry',
    remedy: 'Free space on the disk under agent.dataDir, or lower spool.freeSpaceMin.',
  },
  SPOOL_NO_INODES: {
    kind: 'retry',
    remedy:
      'The disk under agent.dataDir has bytes free and no inodes (`df -i`): remove files there, or give the agent a disk of its own.',
  },
  SPOOL_READ_ONLY: {
    kind: 'retry',
    remedy:
      'The file system under agent.dataDir is read-only: read the kernel log for why, repair it and mount it for writing again.',
  },
  SPOOL_IO: {
    kind: 'retry',
    remedy:
      'The disk under agent.dataDir fails: read the kernel log and its SMART data. What was not yet safe is still in Kafka.',
  },
  LINK_UNREACHABLE: {
    kind: 'retry',
    remedy: 'Check collector.address, DNS, the route and the load balancer; the agent goes on trying.',
  },
  LINK_HANDSHAKE_FAILED: {
    kind: 'reject',
    remedy:
      'Both ends must speak TLS 1.3 with each other, with nothing between that ends TLS: check the address, and what the other end says.',
  },
  LINK_COLLECTOR_UNTRUSTED: {
    kind: 'reject',
    remedy:
      'Compare the collector’s certificate (its CA, names and validity) with collector.tls.ca and collector.address or tls.serverName.',
  },
  LINK_CERTIFICATE_REFUSED: {
    kind: 'reject',
    remedy:
      'Issue the agent a certificate signed by the CA that the collector trusts, valid now, with EKU clientAuth.',
  },
  LINK_REVOCATIONS_EXPIRED: {
    kind: 'reject',
    remedy:
      'Renew the list in the collector’s listen.tls.crl and send it SIGHUP; no agent is let in until then.',
  },
  LINK_CONNECTIONS_FULL: {
    kind: 'retry',
    remedy:
      'Raise limits.connectionsMax or the process’s limit of open files; `status` names who is connected.',
  },
  LINK_LISTEN_FAILED: {
    kind: 'reject',
    remedy: 'Give listen.address an address of this host and a free port, or stop what holds it.',
  },
  LINK_IDENTITY_REFUSED: {
    kind: 'reject',
    remedy:
      'Add the agent to `agents` in the collector config, or use the certificate that names this agent.',
  },
  LINK_TOPIC_REFUSED: {
    kind: 'reject',
    remedy: 'Add the topic to this agent’s `topics` in the collector config, and a table that reads it.',
  },
  LINK_PROTOCOL_UNSUPPORTED: { kind: 'reject', remedy: 'Upgrade the older of the two programs named.' },
  LINK_MESSAGE_INVALID: {
    kind: 'reject',
    remedy: 'The other side broke the protocol: compare the versions of both programs.',
  },
  LINK_WINDOWS_NOT_RAISED: {
    kind: 'halt',
    remedy: 'Install the exact Node.js and @grpc/grpc-js versions pinned in package.json.',
  },
  LINK_DRAINING: {
    kind: 'retry',
    remedy: 'Nothing to do: the collector is being replaced and the agent reconnects to another.',
  },
  SEGMENT_CORRUPT: {
    kind: 'reject',
    remedy:
      'The segment’s CRC-32C is wrong, and it is sent again; or its payload cannot be decompressed, and its records are in quarantine. Check memory and disk of the host that sent it.',
  },
  SEGMENT_COUNTS_DISAGREE: {
    kind: 'halt',
    remedy: 'Agent and collector count the same bytes differently: keep the log and report it.',
  },
  STAGING_UNREADABLE: {
    kind: 'retry',
    remedy:
      'The disk of collector.workDir did not give back a staged segment as it was written; its window waits and tries again. Check that disk; where it stays, restart the collector: agents send again what is not committed.',
  },
  TRANSFORM_FAILED: {
    kind: 'retry',
    remedy: 'Run `sluice-collector explain` for the table named and correct the step; its data wait.',
  },
  REFERENCE_UNUSABLE: {
    kind: 'reject',
    remedy:
      'Correct the reference file named: it must be readable, each key once, each value of the type that lookup wants.',
  },
  SCHEMA_INVALID: {
    kind: 'reject',
    remedy: 'Correct the schema file named, or the schema in the registry.',
  },
  SCHEMA_UNAVAILABLE: {
    kind: 'retry',
    remedy:
      'Check that an agent of the topic is connected and that its schemaRegistry answers (for Glue: the collector’s role and route), and for a replay that the collector which it asks runs; the records wait.',
  },
  DATA_QUALITY_FAILED: {
    kind: 'reject',
    remedy:
      'Correct the source, or the rule in the table’s evaluate_data_quality, and send SIGHUP; the table is parked until then.',
  },
  QUARANTINE_BUDGET_EXCEEDED: {
    kind: 'reject',
    remedy:
      'Look at what the source sends: correct it or the table’s columns, or raise quarantine.ratioMax, and send SIGHUP; the table is parked until then.',
  },
  WINDOW_PARTITIONS_MANY: {
    kind: 'retry',
    remedy:
      'Nothing to do: the window is published in parts. Partition the table by fewer values if files are too small, or raise window.partitionsMax.',
  },
  TRANSFORM_OUT_OF_MEMORY: {
    kind: 'retry',
    remedy: 'Lower the table’s window.bytesMax or give the collector more memory.',
  },
  TRANSFORM_TIMED_OUT: {
    kind: 'reject',
    remedy:
      'Correct the step that does not end, or raise the table’s window.transformTimeout, and send SIGHUP; the table is parked until then.',
  },
  LEDGER_MISSING_ENTRY: {
    kind: 'halt',
    remedy:
      'A ledger entry is gone. Restore it from the bucket’s versions or a backup; nothing is written to this table until then.',
  },
  LEDGER_ENTRY_INVALID: {
    kind: 'halt',
    remedy:
      'A ledger entry or checkpoint was altered, replaced or written by a newer collector: restore it, or upgrade.',
  },
  LEDGER_FORMAT_NEWER: {
    kind: 'halt',
    remedy:
      'Upgrade this collector again: a newer one has written to the table. Nothing was changed; the table waits, and its data stay with the agents.',
  },
  LEDGER_RANGE_CONFLICT: {
    kind: 'fence',
    remedy: 'Another collector committed these offsets first; this window is trimmed and staged again.',
  },
  REPLAY_OVERTAKEN: {
    kind: 'fence',
    remedy:
      'Nothing to do: a rebuild, a compaction or another replay of the table came first; what it took is left out, and the rest is run again.',
  },
  REPLAY_STOPPED: {
    kind: 'reject',
    remedy:
      'Correct what is named, then replay again: what is in the ledger is published first, and no record is taken twice.',
  },
  REBUILD_OVERTAKEN: {
    kind: 'fence',
    remedy:
      'Another rebuild, a compaction or a replay of the table came first; nothing of this one is seen. Run it again: it begins from what stands now.',
  },
  REBUILD_STOPPED: {
    kind: 'reject',
    remedy:
      'Correct what is named, then run it again. If its swap was appended, whoever writes the table next publishes it: `verify` says so.',
  },
  REBUILD_REFUSED: {
    kind: 'reject',
    remedy:
      'Nothing was swapped. Choose windows without what is named, or correct it: docs/runbook.md says what a rebuild needs.',
  },
  REBUILD_NO_SOURCE: {
    kind: 'reject',
    remedy:
      'Give each topic that is named a raw table in this lake, of its own or of several, as docs/runbook.md has it: format bytes, provenance full, no steps. Windows whose records they hold can be rebuilt.',
  },
  REBUILD_SOURCE_INCOMPLETE: {
    kind: 'reject',
    remedy:
      'Nothing was swapped. Choose windows whose records the raw table holds, or let it be read from the beginning with `backfill: earliest` while Kafka still has them.',
  },
  REBUILD_TOO_LARGE: {
    kind: 'reject',
    remedy: 'Nothing was swapped. Rebuild in several steps, each with a shorter --from and --to.',
  },
  COMPACT_REFUSED: {
    kind: 'reject',
    remedy: 'Nothing was joined. docs/output.md says which tables can be compacted, and what else to do.',
  },
  PRUNE_DENIED: {
    kind: 'reject',
    remedy:
      'Run it with a role that may delete what partitions have left (`iam-policy --prune` prints its rights; the collector’s may not), and look whether a policy of the bucket, a hold or a lock of its objects forbids it. Then call it again: it goes on with what is still there.',
  },
  LEDGER_APPEND_LOST: {
    kind: 'retry',
    remedy:
      'Nothing to do: other collectors wrote every number that was tried; it goes on after a short wait.',
  },
  STORE_UNAVAILABLE: {
    kind: 'retry',
    remedy: 'Check the object store and the route to it; the window waits and goes on by itself.',
  },
  STORE_DENIED: {
    kind: 'reject',
    remedy: 'Give the collector’s role the action and key named (`sluice-collector check` tries each one).',
  },
  STORE_OBJECT_TOO_LARGE: {
    kind: 'reject',
    remedy: 'Lower the table’s window.bytesMax, so that no file of a window is above the limit named.',
  },
  STORE_UNCONDITIONAL: {
    kind: 'reject',
    remedy:
      'Use an object store that honours If-None-Match on PUT and on copy: without it two collectors overwrite each other.',
  },
  STORE_LIFECYCLE_UNSAFE: {
    kind: 'reject',
    remedy:
      'Limit the bucket’s lifecycle rule named to `_sluice/tmp/` or to table data: what it would delete is the lake’s only record of what was committed.',
  },
  STORE_OBJECT_CONFLICT: {
    kind: 'halt',
    remedy:
      'An object with other bytes stands at a final key: something else writes under this location. Move it away.',
  },
  STORE_STAGED_MISSING: {
    kind: 'halt',
    remedy:
      'A committed object is neither staged nor published: check bucket lifecycle rules; restore it from versions.',
  },
  CATALOG_UNAVAILABLE: {
    kind: 'retry',
    remedy: 'Check Glue’s limits and the route to it; the window waits and goes on by itself.',
  },
  CATALOG_ENTRY_INVALID: {
    kind: 'reject',
    remedy:
      'Restore the catalog file named. One that describes a table may also be removed: the collector writes it again.',
  },
  CATALOG_FORMAT_NEWER: {
    kind: 'reject',
    remedy:
      'Upgrade this collector again: a newer one has written the catalog file named. Nothing was changed; the table waits, and its data stay with the agents.',
  },
  CATALOG_DENIED: { kind: 'reject', remedy: 'Give the collector’s role the Glue action named.' },
  CATALOG_TABLE_MISSING: {
    kind: 'reject',
    remedy:
      'Someone dropped the table. Create it again (starting a collector does), then add its earlier partitions: `verify` names each one that is not registered.',
  },
  DETECTED_SCHEMA_INVALID: {
    kind: 'reject',
    remedy: 'Restore the schema object named: the table waits, and its data stay with the agents.',
  },
  DETECTED_SCHEMA_NEWER: {
    kind: 'reject',
    remedy:
      'Upgrade this collector again: a newer one has written the table’s columns. Nothing was changed; the table waits, and its data stay with the agents.',
  },
  CATALOG_INCOMPATIBLE: {
    kind: 'reject',
    remedy:
      'The catalogued table differs from the config: change one to fit the other, or name another table.',
  },
  COLLECTOR_UNREACHABLE: {
    kind: 'retry',
    remedy: 'Start the collector, or name the HTTP address of a running one with --collector.',
  },
  QUERY_REFUSED: {
    kind: 'reject',
    remedy: 'Correct the SQL statement; only SELECT over the configured tables is allowed.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorOptions {
  /** Where it happened: a path, topic-partition@offset, table, object key. Never a secret. */
  readonly place?: string;
  readonly cause?: unknown;
}

/**
 * Every failure that crosses a stage boundary. `message` says what happened; kind and remedy come from the
 * table.
 */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly place: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.place = options.place;
  }

  get kind(): ErrorKind {
    return ERRORS[this.code].kind;
  }

  get remedy(): string {
    return ERRORS[this.code].remedy;
  }
}

/** A broken invariant stops the program: assertions stay on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new SluiceError('ASSERTION_FAILED', message);
}

/** Any thrown thing as one line for a log or a reply. */
export function describeError(error: unknown): string {
  if (error instanceof SluiceError)
    return `${error.code}: ${error.message}${error.place ? ` (${error.place})` : ''}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** What a thrown thing of any library says, without its name. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isKind(error: unknown, kind: ErrorKind): boolean {
  return error instanceof SluiceError && error.kind === kind;
}
