// A collector's behaviour is a function of the answers it got, in their order. Each such history is a node
// here, with what the collector asks next and what it has acknowledged; the product's code runs once for each
// node, however many states of the whole system share it.
import { type CollectorPlan, CollectorRun, settled } from './collector-run.ts';
import { Interner } from './interner.ts';
import type { Operation } from './operation.ts';
import type { Acks } from './oracle.ts';

export interface HistoryNode {
  readonly id: number;
  readonly incarnation: number;
  readonly pending: readonly { readonly slot: number; readonly operation: number }[];
  /** Number of the acknowledgements so far. */
  readonly acks: number;
  readonly isDone: boolean;
  readonly failure: string | undefined;
}

interface Link {
  readonly parent: number;
  readonly slot: number;
  readonly reply: number;
}

const REPLIES_MAX = 2 ** 24;
/** Runs kept where they stand, to be led on instead of begun anew. */
const RUNS_KEPT = 256;

export class Histories {
  readonly operations = new Interner();
  readonly replies: Interner;
  readonly acks = new Interner();
  readonly nodes: HistoryNode[] = [];
  readonly #links: (Link | undefined)[] = [];
  /** By parent, then by slot and reply. */
  readonly #children: (Map<number, number> | undefined)[] = [];
  readonly #roots = new Map<number, number>();
  readonly #runs = new Map<number, CollectorRun>();
  readonly #plan: CollectorPlan;
  readonly #decoded: Operation[] = [];
  /** Answers given to running collectors, repetitions included. */
  answers = 0;

  constructor(plan: CollectorPlan, replies: Interner) {
    this.#plan = plan;
    this.replies = replies;
  }

  /** The history of a collector that was just started for the `incarnation`-th time. */
  async root(incarnation: number): Promise<number> {
    const known = this.#roots.get(incarnation);
    if (known !== undefined) return known;
    const run = new CollectorRun(this.#plan, incarnation);
    await settled();
    const id = this.#add(run, incarnation, undefined);
    this.#roots.set(incarnation, id);
    return id;
  }

  knownRoot(incarnation: number): number | undefined {
    return this.#roots.get(incarnation);
  }

  known(parent: number, slot: number, reply: number): number | undefined {
    return this.#children[parent]?.get(slot * REPLIES_MAX + reply);
  }

  async next(parent: number, slot: number, reply: number): Promise<number> {
    const known = this.known(parent, slot, reply);
    if (known !== undefined) return known;
    const run = this.#runs.get(parent) ?? (await this.#repeat(parent));
    this.#runs.delete(parent);
    await this.#answer(run, slot, reply);
    const id = this.#add(run, this.node(parent).incarnation, { parent, slot, reply });
    this.#children[parent] ??= new Map();
    this.#children[parent].set(slot * REPLIES_MAX + reply, id);
    return id;
  }

  node(id: number): HistoryNode {
    const node = this.nodes[id];
    if (node === undefined) throw new Error(`no history ${id}`);
    return node;
  }

  operation(id: number): Operation {
    this.#decoded[id] ??= JSON.parse(this.operations.valueOf(id)) as Operation;
    return this.#decoded[id];
  }

  acksOf(id: number): Acks {
    return JSON.parse(this.acks.valueOf(id)) as Acks;
  }

  async #answer(run: CollectorRun, slot: number, reply: number): Promise<void> {
    this.answers++;
    await run.answer(slot, this.replies.valueOf(reply));
  }

  /** A new run, led along the history of a node. */
  async #repeat(id: number): Promise<CollectorRun> {
    const links: Link[] = [];
    for (let link = this.#links[id]; link !== undefined; link = this.#links[link.parent]) links.push(link);
    const run = new CollectorRun(this.#plan, this.node(id).incarnation);
    await settled();
    for (const { slot, reply } of links.reverse()) await this.#answer(run, slot, reply);
    return run;
  }

  #add(run: CollectorRun, incarnation: number, link: Link | undefined): number {
    const id = this.nodes.length;
    const pending = run
      .pending()
      .map(({ slot, operation }) => ({ slot, operation: this.operations.idOf(JSON.stringify(operation)) }));
    const acks = this.acks.idOf(JSON.stringify(run.acks()));
    this.nodes.push({ id, incarnation, pending, acks, isDone: run.isDone, failure: run.failure });
    this.#links.push(link);
    this.#runs.set(id, run);
    if (this.#runs.size > RUNS_KEPT)
      for (const [oldest] of this.#runs) {
        this.#runs.delete(oldest);
        break;
      }
    return id;
  }
}
