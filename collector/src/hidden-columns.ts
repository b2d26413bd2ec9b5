// What a table hides from its readers, a bad record would show them in the quarantine: whoever hides
// columns says what the quarantine keeps of records. Part of config.ts.
import type { Step } from './step-config.ts';

interface HidingTable {
  readonly steps: readonly Step[];
  readonly quarantine: { readonly raw?: string | undefined };
}

/** A problem of each table that hides columns and does not say what its quarantine keeps. */
export function hidingProblems(tables: readonly HidingTable[]) {
  return tables.flatMap(({ steps, quarantine }, index) => {
    const step = hidingStep(steps);
    if (step === undefined || quarantine.raw !== undefined) return [];
    return [
      {
        path: ['tables', index, 'quarantine', 'raw'],
        message: `is missing: ${step} hides columns, and the quarantine has bad records as they came`,
        remedy: 'write quarantine: { raw: hash }, or drop; keep where its readers may see them',
      },
    ];
  });
}

/** The first step that hides what a reader may not see, as the config writes it. */
function hidingStep(steps: readonly Step[]): Step['kind'] | undefined {
  for (const step of steps) {
    if (['mask', 'partial_mask', 'redact', 'hash'].includes(step.kind)) return step.kind;
    if (step.kind === 'detect_pii' && step.action !== 'report') return step.kind;
    if (step.kind !== 'split_rows') continue;
    const inside = hidingStep(step.splits.flatMap((split) => split.steps as readonly Step[]));
    if (inside !== undefined) return inside;
  }
  return undefined;
}
