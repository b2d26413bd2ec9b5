// The live line: what was read, spooled, is on the link, committed and quarantined, from both programs'
// status.
import type { Site } from '../local/site.ts';
import type { Terminal } from './terminal.ts';

export interface AgentStatus {
  readonly kafka: {
    readonly state: string;
    readonly reason?: string;
    readonly partitions: readonly { readonly partition: string; readonly position?: number }[];
  };
  readonly spool: { readonly bytes: number };
  readonly link: { readonly inFlightBytes: number; readonly lastError?: string };
}

export interface CollectorStatus {
  readonly tables: readonly {
    readonly table: string;
    readonly reason?: string;
    readonly waitsFor?: string;
    readonly recordsQuarantined: number;
    readonly partitions: readonly { readonly partition: string; readonly acknowledged: number }[];
  }[];
}

/** One look at both programs. */
export interface Seen {
  readonly agent: AgentStatus | undefined;
  readonly collector: CollectorStatus | undefined;
  /** Offsets read from Kafka. */
  readonly read: number;
  /** Offsets that every table has committed and published. */
  readonly committed: number;
}

export interface ProgressOptions {
  readonly terminal: Terminal;
  readonly site: Site;
  /** The first cell of the line. */
  lead(seen: Seen): string;
  /** Where the partitions (`claims-3`) begin; 0 where nothing is said. */
  readonly starts?: ReadonlyMap<string, number>;
}

const EVERY_MS = 1_000;

export class Progress {
  readonly #options: ProgressOptions;
  #timer: NodeJS.Timeout | undefined;
  #committed = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => void this.show(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#options.terminal.endLive();
  }

  /** Resolves once every table has acknowledged `records`; rejects after `deadlineMs`. */
  async caughtUp(records: number, deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (performance.now() < end) {
      if ((await this.show()).committed >= records) return;
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS / 2));
    }
    throw new Error(`only ${this.#committed} of ${records} were committed in ${deadlineMs / 1_000} s`);
  }

  async show(): Promise<Seen> {
    const { terminal, lead } = this.#options;
    const seen = await this.look();
    const { agent, collector } = seen;
    const quarantined = Math.max(0, ...(collector?.tables ?? []).map((t) => t.recordsQuarantined));
    const parts = [
      lead(seen),
      agent === undefined
        ? 'agent down           '
        : `spooled ${kib(agent.spool.bytes)}  on the link ${kib(agent.link.inFlightBytes)}`,
      `committed ${count(seen.committed)}`,
      `quarantined ${String(quarantined).padStart(3)}`,
    ];
    terminal.live(`  ${parts.join('  │  ')}`);
    return seen;
  }

  async look(): Promise<Seen> {
    const { site } = this.#options;
    const agent = await site.agent.status<AgentStatus>().catch(() => undefined);
    const collector = await site.collector.status<CollectorStatus>().catch(() => undefined);
    const read = this.#sum(agent?.kafka.partitions ?? [], ({ position }) => position);
    const sums = (collector?.tables ?? []).map(({ partitions }) =>
      this.#sum(partitions, ({ acknowledged }) => acknowledged),
    );
    if (sums.length > 0) this.#committed = Math.min(...sums);
    return { agent, collector, read, committed: this.#committed };
  }

  /** Offsets since the starts. */
  #sum<T extends { partition: string }>(
    partitions: readonly T[],
    next: (partition: T) => number | undefined,
  ): number {
    const startOf = (name: string) => this.#options.starts?.get(name) ?? 0;
    return partitions.reduce((sum, p) => sum + Math.max(0, (next(p) ?? 0) - startOf(p.partition)), 0);
  }
}

export function count(n: number): string {
  return n.toLocaleString('en').padStart(7);
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1_024)
    .toLocaleString('en')
    .padStart(6)} KiB`;
}
