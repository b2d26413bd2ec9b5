// What a seed decides before anything runs: how large the site is, how it is set up, and which faults it gets
// how often. Each seed leaves most faults out, so that what is left meets long stretches of ordinary work.
import type { Chance } from './chance.ts';

/**
 * Faults that come at an instant, and how many ms lie between two of them on average where a seed has them.
 */
export const FAULT_EVERY_MS = {
  'agent crash': 25_000,
  'agent restart': 40_000,
  'collector crash': 25_000,
  'collector replaced': 40_000,
  'data directory deleted': 60_000,
  'data directory restored from a copy': 50_000,
  'link reset': 12_000,
  'link silent': 30_000,
  'link half open': 30_000,
  'link stalls': 15_000,
  'site cut off': 60_000,
  'brokers restart': 50_000,
  'agent cut off from the brokers': 50_000,
  'retention overtakes': 25_000,
  'records deleted': 30_000,
  'leader elected cleanly': 20_000,
  'log cut by an unclean election': 30_000,
  'topic created again': 50_000,
  'spool comes back after its gap': 40_000,
  'spool file damaged': 30_000,
  'spool cannot be written': 40_000,
  'disk full': 50_000,
  'wall clock jumps': 20_000,
  'agent sleeps': 40_000,
  'collector sleeps': 40_000,
  'lake denied': 60_000,
  'one table denied': 40_000,
} as const;

export type FaultKind = keyof typeof FAULT_EVERY_MS;

export interface Profile {
  readonly agents: number;
  readonly collectors: number;
  /** Partitions of each topic. */
  readonly topics: Readonly<Record<string, number>>;
  readonly faultPhaseMs: number;
  readonly faults: ReadonlySet<FaultKind>;
  /** Mean time between two batches of one partition. */
  readonly writeEveryMs: number;
  readonly transactionShare: number;
  readonly compactedShare: number;
  readonly windowLengthMs: number;
  readonly windowBytesMax: number;
  readonly segmentBytesMax: number;
  readonly lingerMs: number;
  readonly compression: 'lz4' | 'zstd' | 'none';
  readonly spoolBytesMax: number;
  readonly stagingBytesMax: number;
  readonly creditBytesMax: number;
  readonly slowNetworkShare: number;
  readonly lostReplyShare: number;
  readonly slowDiskShare: number;
  readonly awsFaultShare: number;
  readonly transformFaultShare: number;
  readonly streamAgeMaxMs: number;
  /** The second table of a topic may be detached. */
  readonly detaches: boolean;
  /** When another table of the first topic comes, which wants the topic's history; undefined: never. */
  readonly tableAddedMs: number | undefined;
  /** Where there are two topics, one more table takes both. */
  readonly unites: boolean;
  /** Topics of that table come and go, and the table itself: mean time between two changes. */
  readonly topicsMoveEveryMs: number | undefined;
  /** Where they do: it is the only table of the second topic. */
  readonly unitesAlone: boolean;
  /** Where they do: it begins where its topics are, and wants the history of each. */
  readonly unitedReadsHistory: boolean;
  /** When collectors come, where the group has offsets before any is there; undefined: with the agents. */
  readonly lakeComesMs: number | undefined;
  /** A table that is the only one of its topic does not say where it begins, and nor do agents. */
  readonly startUnsaid: boolean;
  /** An operator runs a command that swaps partitions: mean time between two; undefined: never. */
  readonly operatorEveryMs: number | undefined;
  /** And a table keeps records as they came, so that others can be rebuilt. */
  readonly keepsRaw: boolean;
  /** Objects below half of that are joined. */
  readonly objectBytes: number;
}

const FAULT_SHARE = 0.3;
const ADDED_SHARE = 0.3;
const UNITED_SHARE = 0.4;
/** Of the lives in which there is such a table. */
const MOVED_SHARE = 0.5;
const ALONE_SHARE = 0.3;
const HISTORY_SHARE = 0.5;
const ANEW_SHARE = 0.25;
const UNSAID_SHARE = 0.5;
const OPERATED_SHARE = 0.15;
const RAW_SHARE = 0.5;

export function drawProfile(chance: Chance): Profile {
  const profile = drawAny(chance);
  return profile.operatorEveryMs === undefined ? profile : operated(profile, chance);
}

/** Where small objects are joined they must come: in numbers, and not all at the end. */
function operated(profile: Profile, chance: Chance): Profile {
  const { windowLengthMs, windowBytesMax, writeEveryMs, faults, faultPhaseMs } = profile;
  const isKept = (kind: FaultKind) => !OF_THE_SITE.test(kind) || chance.happens(SITE_SHARE);
  return {
    ...profile,
    windowLengthMs: Math.min(windowLengthMs / 4, 2_000),
    windowBytesMax: Math.min(windowBytesMax, 20_000),
    writeEveryMs: Math.min(writeEveryMs, 1_000),
    faultPhaseMs: Math.max(faultPhaseMs, 60_000),
    keepsRaw: chance.happens(RAW_SHARE),
    faults: new Set([...faults].filter(isKept)),
  };
}

/** What keeps records from the lake for a while. */
const OF_THE_SITE = /agent|link|site|brokers|disk|spool|data directory/;
const SITE_SHARE = 0.4;

function drawAny(chance: Chance): Profile {
  const kinds = Object.keys(FAULT_EVERY_MS) as FaultKind[];
  const sometimes = (share: number) => (chance.happens(0.5) ? share : 0);
  return {
    agents: chance.pick([1, 1, 2]),
    collectors: chance.pick([1, 1, 2, 3]),
    topics: chance.happens(0.5)
      ? { orders: chance.between(1, 3) }
      : { orders: chance.between(1, 2), claims: chance.between(1, 2) },
    faultPhaseMs: chance.between(30_000, 90_000),
    faults: new Set(kinds.filter(() => chance.happens(FAULT_SHARE))),
    writeEveryMs: chance.pick([800, 2_000, 4_000]),
    transactionShare: sometimes(0.3),
    compactedShare: sometimes(0.1),
    windowLengthMs: chance.pick([1_000, 5_000, 20_000]),
    windowBytesMax: chance.pick([2_000, 20_000, 1_000_000]),
    segmentBytesMax: chance.pick([500, 2_000, 20_000]),
    lingerMs: chance.pick([50, 200, 1_000]),
    compression: chance.pick(['none', 'lz4']),
    spoolBytesMax: chance.pick([6_000, 30_000, 10_000_000]),
    stagingBytesMax: chance.pick([5_000, 40_000, 10_000_000]),
    creditBytesMax: chance.pick([2_000, 10_000, 1_000_000]),
    slowNetworkShare: sometimes(0.03),
    lostReplyShare: sometimes(0.03),
    slowDiskShare: sometimes(0.05),
    awsFaultShare: sometimes(chance.pick([0.03, 0.15])),
    transformFaultShare: sometimes(0.1),
    streamAgeMaxMs: chance.pick([4_000, 15_000, 1_800_000]),
    detaches: chance.happens(0.5),
    tableAddedMs: chance.happens(ADDED_SHARE) ? chance.between(10_000, 40_000) : undefined,
    unites: chance.happens(UNITED_SHARE),
    topicsMoveEveryMs: chance.happens(MOVED_SHARE) ? chance.between(6_000, 25_000) : undefined,
    unitesAlone: chance.happens(ALONE_SHARE),
    unitedReadsHistory: chance.happens(HISTORY_SHARE),
    lakeComesMs: chance.happens(ANEW_SHARE) ? chance.between(8_000, 25_000) : undefined,
    startUnsaid: chance.happens(UNSAID_SHARE),
    operatorEveryMs: chance.happens(OPERATED_SHARE) ? chance.between(2_000, 10_000) : undefined,
    keepsRaw: false,
    objectBytes: chance.pick([2_000, 20_000, 1_000_000, 1_000_000]),
  };
}
