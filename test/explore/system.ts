// Two collectors, one world, and what may go wrong between them: the states of the whole and the steps from
// each. A step is one operation that takes effect and is answered, or one fault: a crash, a reply that is
// lost, a request that takes effect after its sender gave it up, an entry that someone deletes. Time does not
// exist: who is not stepped sleeps.
import { type CollectorPlan, CollectorRun, settled } from './collector-run.ts';
import { Histories } from './histories.ts';
import { Interner, memoised } from './interner.ts';
import { exchanged, FAILED, isMutating, type Operation, SELF } from './operation.ts';
import { DELETED } from './oracle.ts';
import { decodeWorld, EMPTY, encodeWorld, folderOf, isFinal, perform, type World } from './world.ts';

export interface Faults {
  /** Collectors that die, and are started again. */
  readonly crashes: number;
  /** Requests that their sender takes for failed: they took effect, or take it later, or never. */
  readonly lost: number;
  /** Ledger entries that someone deletes. */
  readonly deletions: number;
}

export interface Scenario {
  readonly plan: CollectorPlan;
  readonly faults: Faults;
  /** Where it begins: with nothing, or with the partitions opened and both collectors having read that. */
  readonly from: 'nothing' | 'opened';
  /** Hints are read and written at once: what else may come of them is tried where this is not set. */
  readonly hintsAtOnce: boolean;
  /** Which ledger entries someone deletes. */
  readonly mayDelete?: (world: World, key: string) => boolean;
}

/** What is left of the faults, and requests under way whose sender waits for them no more. */
export interface Rest extends Faults {
  readonly late: readonly number[];
}

/** World, the two histories, and the rest, all by number. */
export type State = readonly [world: number, one: number, other: number, rest: number];

export interface Step {
  readonly state: State;
  /** 0 or 1; undefined where no collector is stepped. */
  readonly by: 0 | 1 | undefined;
  readonly operation: number;
  readonly kind: 'done' | 'reply lost' | 'given up' | 'crash' | 'late' | 'deleted';
}

export class System {
  readonly histories: Histories;
  readonly worlds = new Interner();
  readonly rests = new Interner();
  readonly #replies = new Interner();
  readonly #scenario: Scenario;
  readonly #decoded: World[] = [];
  readonly #rest: Rest[] = [];
  readonly #exchangedWorlds: number[] = [];
  readonly #exchangedOperations: number[] = [];
  readonly #exchangedReplies: number[] = [];
  /** Histories that are needed and were never run. */
  readonly #unknown: (() => Promise<number>)[] = [];
  readonly #failed = this.#replies.idOf(FAILED);
  readonly #perform = memoised((world, operation) => {
    const made = perform(this.world(world), this.histories.operation(operation));
    return { world: this.#worldId(made.world), reply: this.#replies.idOf(made.reply) };
  });

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.histories = new Histories(scenario.plan, this.#replies);
  }

  async start(): Promise<State> {
    const root = await this.histories.root(0);
    const rest = this.#restId({ ...this.#scenario.faults, late: [] });
    if (this.#scenario.from === 'nothing') return [this.#worldId(EMPTY), root, root, rest];
    const world = this.#worldId(await openedWorld(this.#scenario.plan));
    let led: State = [world, root, root, rest];
    for (const by of [0, 1] as const) led = await this.#loaded(led, by);
    return led;
  }

  /** Until the collector, alone in the world, has read the ledgers of its tables. */
  async #loaded(state: State, by: 0 | 1): Promise<State> {
    let led = state;
    for (;;) {
      const { pending } = this.histories.node(led[1 + by] ?? 0);
      const next = pending.find(({ operation }) => this.histories.operation(operation).op !== 'choose');
      if (next === undefined) return led;
      const from = led;
      const [step] = await this.#learned(() => this.#answers(from, by, next));
      if (step === undefined) return led;
      led = step.state;
    }
  }

  world(id: number): World {
    this.#decoded[id] ??= decodeWorld(this.worlds.valueOf(id));
    return this.#decoded[id];
  }

  rest(id: number): Rest {
    this.#rest[id] ??= JSON.parse(this.rests.valueOf(id)) as Rest;
    return this.#rest[id];
  }

  /** Of a state and the one with the collectors exchanged, always the same. */
  canonical(state: State): State {
    const [world, one, other, rest] = state;
    if (one < other) return state;
    const swapped = this.#exchangedWorld(world);
    if (one === other && world <= swapped) return state;
    const { late, ...left } = this.rest(rest);
    const swappedRest =
      late.length === 0
        ? rest
        : this.#restId({
            ...left,
            late: late.map((id) => this.exchangedOperation(id)).sort((a, b) => a - b),
          });
    return [swapped, other, one, swappedRest];
  }

  stepsOf(state: State): Promise<Step[]> | Step[] {
    const steps = this.#stepsOf(state);
    return this.#unknown.length === 0 ? steps : this.#learned(() => this.#stepsOf(state));
  }

  /**
   * What `attempt` gives once every history that it needs was run: seldom, and the only thing that takes
   * promises.
   */
  async #learned(attempt: () => Step[]): Promise<Step[]> {
    for (;;) {
      for (const run of this.#unknown.splice(0)) await run();
      const steps = attempt();
      if (this.#unknown.length === 0) return steps;
    }
  }

  #stepsOf(state: State): Step[] {
    const eager = this.#eager(state);
    if (eager !== undefined) return this.#answers(state, eager.by, eager.pending);
    const steps: Step[] = [];
    for (const by of [0, 1] as const)
      for (const pending of this.histories.node(state[1 + by] ?? 0).pending)
        steps.push(...this.#answers(state, by, pending), ...this.#losses(state, by, pending));
    for (const by of [0, 1] as const) steps.push(...this.#crash(state, by));
    steps.push(...this.#late(state), ...this.#deletions(state));
    return steps;
  }

  /**
   * An operation that nobody else can tell from its absence: no other order than it first has to be tried.
   */
  #eager([world, one, other, rest]: State) {
    const { lost, deletions } = this.rest(rest);
    for (const by of [0, 1] as const)
      for (const pending of this.histories.node(by === 0 ? one : other).pending) {
        const asked = this.histories.operation(pending.operation);
        if (asked.op === 'choose' || (lost === 0 && this.#isOnlyIts(asked, { world, deletions })))
          return { by, pending };
      }
    return undefined;
  }

  /**
   * Whether nobody else ever sees a difference: what never changes is read; what nobody looks for comes or
   * goes.
   */
  #isOnlyIts(asked: Operation, { world, deletions }: { world: number; deletions: number }): boolean {
    const { plan, hintsAtOnce } = this.#scenario;
    const isSwept = plan.sweeps > 0 || plan.bug?.touchesStaged === true;
    switch (asked.op) {
      case 'read':
        if (asked.key.startsWith('_sluice/hints/')) return hintsAtOnce;
        if (deletions > 0) return false;
        // Where nothing is deleted, to find a checkpoint and not to find it come to the same.
        if (asked.key.startsWith('_sluice/checkpoints/')) return hintsAtOnce;
        return asked.key.startsWith('_sluice/ledger/') && this.world(world).has(asked.key);
      case 'put':
        return hintsAtOnce;
      case 'stage':
        return !isSwept;
      case 'remove':
        // Who publishes late finds a staged object, or does not, where the final one was pruned.
        return !isSwept && plan.prunes === undefined;
      default:
        return false;
    }
  }

  #answers(state: State, by: 0 | 1, { slot, operation }: { slot: number; operation: number }): Step[] {
    const asked = this.histories.operation(operation);
    if (asked.op === 'choose') {
      const steps: Step[] = [];
      for (let chosen = 0; chosen < asked.of; chosen++) {
        const next = this.#led(state, by, { slot, reply: this.#replies.idOf(String(chosen)) });
        steps.push({ state: next, by, operation, kind: 'done' });
      }
      return steps;
    }
    const { world, reply } = this.#performed(state[0], by, operation);
    const led = this.#led(state, by, { slot, reply });
    return [{ state: [world, led[1], led[2], led[3]], by, operation, kind: 'done' }];
  }

  #losses(state: State, by: 0 | 1, { slot, operation }: { slot: number; operation: number }): Step[] {
    const rest = this.rest(state[3]);
    const asked = this.histories.operation(operation);
    if (rest.lost === 0 || asked.op === 'wait') return [];
    const [, one, other] = this.#led(state, by, { slot, reply: this.#failed });
    const fewer = { ...rest, lost: rest.lost - 1 };
    const late = this.#withLate(fewer, [by === 0 ? operation : this.exchangedOperation(operation)]);
    const steps: Step[] = [];
    steps.push({
      state: [state[0], one, other, this.#restId(isMutating(asked) ? late : fewer)],
      ...{ by, operation, kind: 'given up' },
    });
    if (!isMutating(asked)) return steps;
    const { world } = this.#performed(state[0], by, operation);
    steps.push({ state: [world, one, other, this.#restId(fewer)], by, operation, kind: 'reply lost' });
    return steps;
  }

  #crash(state: State, by: 0 | 1): Step[] {
    const rest = this.rest(state[3]);
    const node = this.histories.node(state[1 + by] ?? 0);
    if (rest.crashes === 0 || (node.isDone && node.pending.length === 0)) return [];
    const root = this.histories.knownRoot(node.incarnation + 1);
    if (root === undefined) {
      this.#unknown.push(() => this.histories.root(node.incarnation + 1));
      return [];
    }
    const underWay = node.pending
      .filter(({ operation }) => isMutating(this.histories.operation(operation)))
      .map(({ operation }) => (by === 0 ? operation : this.exchangedOperation(operation)));
    const left = this.#restId(this.#withLate({ ...rest, crashes: rest.crashes - 1 }, underWay));
    const led: State = by === 0 ? [state[0], root, state[2], left] : [state[0], state[1], root, left];
    return [{ state: led, by, operation: -1, kind: 'crash' }];
  }

  #late([world, one, other, restId]: State): Step[] {
    const rest = this.rest(restId);
    return [...new Set(rest.late)].map((operation) => {
      const late = [...rest.late];
      late.splice(late.indexOf(operation), 1);
      const next = this.#perform(world, operation).world;
      return {
        state: [next, one, other, this.#restId({ ...rest, late })],
        ...{ by: undefined, operation, kind: 'late' },
      };
    });
  }

  #deletions([world, one, other, restId]: State): Step[] {
    const rest = this.rest(restId);
    if (rest.deletions === 0) return [];
    const now = this.world(world);
    const keys = [...now.keys()].filter((key) => key.startsWith('_sluice/ledger/'));
    return keys
      .filter((key) => this.#scenario.mayDelete?.(now, key) ?? true)
      .map((key) => {
        const left = new Map(now);
        const before = [...now.keys()].filter((k) => k.startsWith(DELETED)).length;
        left.set(`${DELETED}${before}:${key}`, now.get(key) ?? '');
        left.delete(key);
        const state: State = [
          this.#worldId(left),
          one,
          other,
          this.#restId({ ...rest, deletions: rest.deletions - 1 }),
        ];
        return { state, by: undefined, operation: -1, kind: 'deleted' };
      });
  }

  /**
   * The state after one collector was told `reply`; the world stays as it is. No matter what where it is not
   * known yet.
   */
  #led([world, one, other, rest]: State, by: 0 | 1, { slot, reply }: { slot: number; reply: number }): State {
    const parent = by === 0 ? one : other;
    const child = this.histories.known(parent, slot, reply);
    if (child === undefined) this.#unknown.push(() => this.histories.next(parent, slot, reply));
    return by === 0 ? [world, child ?? one, other, rest] : [world, one, child ?? other, rest];
  }

  /** What the operation of one collector does, and what that collector is told, in its own words. */
  #performed(world: number, by: 0 | 1, operation: number): { world: number; reply: number } {
    if (by === 0) return this.#perform(world, operation);
    const made = this.#perform(world, this.exchangedOperation(operation));
    const { op } = this.histories.operation(operation);
    return { world: made.world, reply: this.#exchangedReply(made.reply, op) };
  }

  exchangedOperation(id: number): number {
    const { operations } = this.histories;
    this.#exchangedOperations[id] ??= operations.idOf(exchanged(operations.valueOf(id)));
    return this.#exchangedOperations[id];
  }

  #exchangedReply(id: number, op: Operation['op']): number {
    this.#exchangedReplies[id] ??= this.#replies.idOf(
      op === 'list'
        ? JSON.stringify((JSON.parse(this.#replies.valueOf(id)) as string[]).map(exchanged).sort())
        : exchanged(this.#replies.valueOf(id)),
    );
    return this.#exchangedReplies[id];
  }

  #exchangedWorld(id: number): number {
    this.#exchangedWorlds[id] ??= this.#worldId(
      new Map([...this.world(id)].map(([key, value]) => [exchanged(key), exchanged(value)])),
    );
    return this.#exchangedWorlds[id];
  }

  #worldId(world: World): number {
    return this.worlds.idOf(encodeWorld(world));
  }

  #restId(rest: Rest): number {
    return this.rests.idOf(JSON.stringify(rest));
  }

  #withLate(rest: Rest, operations: readonly number[]): Rest {
    return { ...rest, late: [...rest.late, ...operations].sort((a, b) => a - b) };
  }
}

/** Ledgers in which every partition is opened, and what is written stands, by nobody in particular. */
async function openedWorld(plan: CollectorPlan): Promise<World> {
  const { lost: _lost, cut: _cut, history: _history, rebuilds: _rebuilds, joins: _joins, ...kept } = plan;
  const { prunes: _prunes, ...rest } = kept;
  const run = new CollectorRun({ ...rest, windows: [plan.written ?? []], sweeps: 0, flushes: false }, 0);
  let world: World = EMPTY;
  for (await settled(); !run.isDone; ) {
    const [next] = run.pending();
    if (next === undefined) throw new Error(`opening does not come to an end: ${run.failure}`);
    const made = perform(world, next.operation);
    world = made.world;
    await run.answer(next.slot, made.reply);
  }
  const signless = (text: string) => text.replaceAll(SELF, 'by ');
  return new Map([...world].map(([key, value]) => [signless(key), signless(value)]));
}

/** Final objects only come: none goes but by a prune, and unseen, and none gets other bytes. */
export function takenBack(before: World, after: World, mayPrune: boolean): string | undefined {
  const isPruned = (key: string) => mayPrune && !after.has(key) && !before.has(`catalog:${folderOf(key)}`);
  for (const [key, content] of before)
    if (isFinal(key) && after.get(key) !== content && !isPruned(key))
      return `${key} was visible and is taken back`;
  return undefined;
}
