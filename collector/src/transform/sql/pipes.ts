// The ways that rows take through a table's steps: one, unless a step sends some of them to tables of their
// own. Each way ends in an output; where ways part, the rows are laid down once for all that go on from
// there.
import type { Field, PlannedStep, WindowStep } from './steps/step.ts';

/** Steps from one place to another, in one statement. */
export interface Pipe {
  /** The records as read, or rows that were laid down. */
  readonly from:
    | { readonly table: string; readonly where: string; readonly fields: readonly Field[] }
    | undefined;
  readonly steps: readonly PlannedStep[];
  /** The name of an output, or of the table in which rows are laid down. */
  readonly to: { readonly output: string } | { readonly table: string };
  readonly fields: readonly Field[];
}

export interface PlannedOutput {
  readonly name: string;
  /** As the rows are staged. */
  readonly staged: readonly Field[];
  /** As they are written. */
  readonly fields: readonly Field[];
  /** Those staged columns that are written as they are, and not made anew of the whole window. */
  readonly asRecords: readonly Field[];
  readonly windowWise: readonly WindowStep[];
  /** Where the rows stand after the last chunk, and after each step that looks at the whole window. */
  readonly tables: readonly string[];
  /** Each row is of one record, which it can name. */
  readonly ofRecords: boolean;
  /** Of one record there may be several. */
  readonly manyRows: boolean;
}

export interface Ways {
  readonly pipes: readonly Pipe[];
  readonly outputs: readonly PlannedOutput[];
}

/** `manyRows`: of a record there may be several rows already as it is read. */
export function waysOf(steps: readonly PlannedStep[], source: readonly Field[], manyRows: boolean): Ways {
  const ways = { pipes: [] as Pipe[], outputs: [] as PlannedOutput[] };
  follow(ways, { steps, output: 'rows', from: undefined, fields: source, manyRows });
  const [rows, others] = [ways.outputs.filter(isRows), ways.outputs.filter((one) => !isRows(one))];
  return { pipes: ways.pipes, outputs: [...rows, ...others] };
}

const isRows = ({ name }: PlannedOutput) => name === 'rows';

interface Leg {
  readonly steps: readonly PlannedStep[];
  readonly output: string;
  readonly from: Pipe['from'];
  readonly fields: readonly Field[];
  readonly manyRows: boolean;
}

function follow(ways: { pipes: Pipe[]; outputs: PlannedOutput[] }, leg: Leg): void {
  const { steps, output, from } = leg;
  const at = steps.findIndex(({ branches }) => branches !== undefined);
  const [fork] = at < 0 ? [] : [steps[at]];
  const here = at < 0 ? steps : steps.slice(0, at + 1);
  const manyRows = leg.manyRows || here.some(({ multiplies }) => multiplies === true);
  if (fork === undefined) {
    const rowWise = here.filter(({ windowWise }) => windowWise === undefined);
    const windowWise = here.flatMap((step) => step.windowWise ?? []);
    const staged = rowWise.at(-1)?.fields ?? leg.fields;
    ways.pipes.push({ from, steps: rowWise, to: { output }, fields: staged });
    const first = output === 'rows' ? 'staged' : `staged_${output}`;
    const making = windowWise.filter(({ create }) => create !== undefined);
    const tables = [first, ...making.map((_step, i) => `${first}_w${i}`)];
    const fields = here.at(-1)?.fields ?? leg.fields;
    const ofRecords = windowWise.every((step) => step.ofRecords);
    // A step that hands a column on hands on the very object.
    const asRecords = staged.filter((field) => fields.includes(field));
    const found = { name: output, staged, fields, asRecords };
    ways.outputs.push({ ...found, windowWise, tables, ofRecords, manyRows });
    return;
  }
  const table = `fork_${ways.pipes.length}`;
  ways.pipes.push({ from, steps: here, to: { table }, fields: fork.fields });
  for (const branch of fork.branches ?? []) {
    const { where, fields } = branch;
    follow(ways, {
      steps: branch.steps,
      output: branch.output,
      from: { table, where, fields },
      fields,
      manyRows,
    });
  }
  const rest = { table, where: fork.rest ?? 'true', fields: fork.fields };
  follow(ways, { steps: steps.slice(at + 1), output, from: rest, fields: fork.fields, manyRows });
}
