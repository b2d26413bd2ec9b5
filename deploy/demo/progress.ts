// The live line: what was produced, read, spooled, is on the link, committed and quarantined, from both programs' status.
import type { Site } from '../local/site.ts';
import type { Terminal } from './terminal.ts';

interface AgentStatus {
  readonly kafka: { readonly partitions: readonly { readonly position?: number }[] };
  readonly spool: { readonly used: string; readonly bytes: number };
  readonly link: { readonly state: string; readonly inFlightBytes: number };
}

interface CollectorStatus {
  readonly tables: readonly {
    readonly table: string;
    readonly recordsQuarantined: number;
    readonly partitions: readonly { readonly acknowledged: number }[];
  }[];
}

const EVERY_MS = 1_000;

export class Progress {
  produced = 0;
  committed = 0;
  readonly #terminal: Terminal;
  readonly #site: Site;
  #timer: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, site: Site) {
    this.#terminal = terminal;
    this.#site = site;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#show(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#terminal.endLive();
  }

  /** Resolves once every table has acknowledged `records`; rejects after `deadlineMs`. */
  async caughtUp(records: number, deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (performance.now() < end) {
      await this.#show();
      if (this.committed >= records) return;
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS / 2));
    }
    throw new Error(`only ${this.committed} of ${records} claims were committed in ${deadlineMs / 1_000} s`);
  }

  async #show(): Promise<void> {
    const agent = await this.#site.agent.status<AgentStatus>().catch(() => undefined);
    const collector = await this.#site.collector.status<CollectorStatus>().catch(() => undefined);
    const sums = (collector?.tables ?? []).map(({ partitions }) =>
      partitions.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    );
    if (sums.length > 0) this.committed = Math.min(...sums);
    const quarantined = Math.max(0, ...(collector?.tables ?? []).map((t) => t.recordsQuarantined));
    const parts = [
      `produced ${count(this.produced)}`,
      agent === undefined
        ? 'agent down           '
        : `spooled ${kib(agent.spool.bytes)}  on the link ${kib(agent.link.inFlightBytes)}`,
      `committed ${count(this.committed)}`,
      `quarantined ${String(quarantined).padStart(3)}`,
    ];
    this.#terminal.live(`  ${parts.join('  │  ')}`);
  }
}

function count(n: number): string {
  return n.toLocaleString('en').padStart(7);
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1_024)
    .toLocaleString('en')
    .padStart(6)} KiB`;
}
