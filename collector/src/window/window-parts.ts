// A window whose rows have more partition values than one set of files may is published as several, one
// after the other: each holds some of its records, and all of them what the window holds. Pure.
import { assert, SluiceError } from '@sluice/shared/errors.ts';
import { partitionKey } from '@sluice/shared/position.ts';
import { clipSegment } from '@sluice/shared/segment.ts';
import { addToWindow, newWindow, type OpenWindow, type WindowSegment } from './open-window.ts';

/** The window itself holds the memory until all of its parts are written. */
const HELD_BY_THE_WHOLE = { stored: undefined, release: () => {} };

export function hasTooManyPartitions(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'WINDOW_PARTITIONS_MANY';
}

export function unlessTooManyPartitions<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: unknown) => {
    if (hasTooManyPartitions(error)) return undefined;
    throw error;
  });
}

/** One offset is one record, and its rows are written together. */
export function isDivisible({ segments }: Pick<OpenWindow, 'segments'>): boolean {
  const [only, ...more] = segments;
  return more.length > 0 || (only !== undefined && only.segment.nextOffset - only.fromOffset > 1);
}

/**
 * Two halves, each in the order of its partitions: of the Kafka partitions where there are several, since
 * what a key decides then stays together; else of the segments, else of the offsets.
 */
export function splitWindow(window: OpenWindow): readonly OpenWindow[] {
  assert(isDivisible(window), `window ${window.id} is one record`);
  const { segments } = window;
  const groups = [...Map.groupBy(segments, ({ segment }) => partitionKey(segment)).values()];
  const halves = groups.length > 1 ? halvesOf(groups).map((half) => half.flat()) : halvesOf(segments);
  const [only, ...more] = segments;
  const parts = more.length > 0 || only === undefined ? halves : cutInTwo(only);
  return parts.map((half, i) => {
    const at = { wallMs: window.openedMs, monotonicMs: window.openedMonotonicMs };
    const part = newWindow(`${window.id}-${i + 1}`, at, window.table);
    for (const segment of half) addToWindow(part, { ...segment, held: HELD_BY_THE_WHOLE });
    part.state = window.state;
    // It is judged before its partition values are counted.
    part.withinBudgetOf = window.table.configVersion;
    return part;
  });
}

function halvesOf<T>(items: readonly T[]): T[][] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}

function cutInTwo(staged: WindowSegment): WindowSegment[][] {
  const { segment, fromOffset } = staged;
  const middle = fromOffset + Math.ceil((segment.nextOffset - fromOffset) / 2);
  const first = { ...staged, segment: clipSegment(segment, middle), isClipped: true as const };
  return [[first], [{ ...staged, fromOffset: middle }]];
}
