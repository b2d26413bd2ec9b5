// Every state that a scenario can reach, each once, and the promises in each. Depth first, so that the way to
// a broken promise is at hand, and so that running collectors are mostly led on and seldom begun anew.
import { memoised, StateSet } from './interner.ts';
import { ackedAndNotVisible, brokenPromise, unfinished, visibleTakenBack } from './oracle.ts';
import { type Scenario, type State, type Step, System, takenBack } from './system.ts';

export interface Findings {
  readonly states: number;
  readonly steps: number;
  readonly histories: number;
  readonly worlds: number;
  /** Answers given to the product's code. */
  readonly answers: number;
  readonly seconds: number;
  /** false where it was stopped by its bound. */
  readonly exhausted: boolean;
  /** Ends at which everybody was at rest. */
  readonly ends: number;
  readonly halts: number;
  readonly violation: { readonly what: string; readonly way: readonly string[] } | undefined;
}

export interface ExploreOptions {
  readonly scenario: Scenario;
  /** Ends of every partition when all is done. */
  readonly wanted: readonly number[];
  /** A collector may stop with one of these; any other stop is a broken promise. */
  readonly mayHaltWith?: readonly string[];
  readonly statesMax?: number;
  readonly secondsMax?: number;
}

interface Frame {
  readonly step: Step | undefined;
  readonly state: State;
  readonly steps: Step[];
  next: number;
}

export async function explore(options: ExploreOptions): Promise<Findings> {
  const system = new System(options.scenario);
  const seen = new StateSet();
  const judge = createJudge(system, options);
  const counted = { steps: 0, ends: 0, halts: 0 };
  const startedMs = performance.now();
  const { statesMax = Number.POSITIVE_INFINITY, secondsMax = Number.POSITIVE_INFINITY } = options;
  const findings = (exhausted: boolean, violation: Findings['violation']): Findings => ({
    states: seen.size,
    ...counted,
    histories: system.histories.nodes.length,
    worlds: system.worlds.size,
    answers: system.histories.answers,
    seconds: (performance.now() - startedMs) / 1e3,
    exhausted,
    violation,
  });

  const first = await system.start();
  seen.add(first[0], first[1], [first[2], first[3]]);
  const stack: Frame[] = [{ step: undefined, state: first, steps: await system.stepsOf(first), next: 0 }];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const step = frame.steps[frame.next++];
    if (step === undefined) {
      stack.pop();
      continue;
    }
    counted.steps++;
    const broken = judge.step(frame.state, step);
    const state = system.canonical(step.state);
    if (broken === undefined && !seen.add(state[0], state[1], [state[2], state[3]])) continue;
    const made = broken === undefined ? system.stepsOf(state) : [];
    // Without a promise where none is needed: it would cost more than all the rest.
    const steps = made instanceof Promise ? await made : made;
    const ending = broken ?? judge.end(state, counted);
    if (ending !== undefined) {
      const way = [...stack.slice(1).map((f) => f.step), step];
      return findings(false, { what: ending, way: way.map((one) => describe(system, one)) });
    }
    if (seen.size >= statesMax) return findings(false, undefined);
    if ((seen.size & 0xfff) === 0 && performance.now() - startedMs > secondsMax * 1e3)
      return findings(false, undefined);
    stack.push({ step, state, steps, next: 0 });
  }
  return findings(true, undefined);
}

function createJudge(system: System, { scenario, wanted, mayHaltWith = [] }: ExploreOptions) {
  const world = memoised((id) => brokenPromise(system.world(id)));
  const acked = memoised((id, acks) => ackedAndNotVisible(system.world(id), system.histories.acksOf(acks)));
  const back = memoised(
    (before, after) =>
      takenBack(system.world(before), system.world(after), scenario.plan.prunes === true) ??
      visibleTakenBack(system.world(before), system.world(after)),
  );
  const undone = memoised((id) => unfinished(system.world(id), scenario.plan.tables, wanted));
  const isAtRest = ([, one, other]: State) =>
    [one, other].every((id) => system.histories.node(id).pending.length === 0);

  return {
    /** What the step breaks. */
    step(before: State, { state, by }: Step): string | undefined {
      const [id, one, other] = state;
      if (before[0] !== id) {
        const broken = world(id, 0) ?? back(before[0], id);
        if (broken !== undefined) return broken;
      }
      if (by === undefined) return undefined;
      const node = system.histories.node(by === 0 ? one : other);
      if (node.failure !== undefined && !mayHaltWith.includes(node.failure))
        return `a collector stopped: ${node.failure}`;
      return acked(id, node.acks);
    },
    /** What is left undone where everybody is at rest. */
    end(state: State, counted: { ends: number; halts: number }): string | undefined {
      if (!isAtRest(state)) return undefined;
      counted.ends++;
      const [id, one, other] = state;
      const nodes = [one, other].map((n) => system.histories.node(n));
      const halted = nodes.filter(({ failure }) => failure !== undefined).length;
      if (halted > 0) counted.halts++;
      // Where an entry was deleted, to stop is right, and who was done before cannot know.
      if (halted > 0 || system.rest(state[3]).deletions < scenario.faults.deletions) return undefined;
      if (nodes.some(({ isDone }) => !isDone)) return 'a collector waits for nothing';
      return undone(id, 0);
    },
  };
}

/** One step in words, from the view of the collector that takes it. */
function describe(system: System, step: Step | undefined): string {
  if (step === undefined) return 'start';
  const asked = step.operation < 0 ? '' : system.histories.operations.valueOf(step.operation);
  return `${step.by ?? '-'} ${step.kind} ${asked}`;
}

/** One line for people. */
export function summaryOf(found: Findings): string {
  const { states, steps, histories, answers, ends, halts, seconds, exhausted } = found;
  const n = (value: number) => value.toLocaleString('en-US');
  const counts = `${n(states)} states by ${n(steps)} steps, ${n(ends)} ends (${n(halts)} halted)`;
  const run = `${n(histories)} histories run with ${n(answers)} answers`;
  const rate = `${seconds.toFixed(1)} s, ${n(Math.round(states / seconds))} states/s`;
  const end = exhausted
    ? 'all explored'
    : found.violation === undefined
      ? 'STOPPED BEFORE ITS END'
      : 'broken';
  return `${counts}; ${run}; ${rate}; ${end}`;
}
