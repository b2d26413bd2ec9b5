// Of several turns the one that is told.

/** The one whose figure is in the middle; of an even number the higher of the two. */
export function middleOf<T>(turns: readonly T[], figure: (turn: T) => number): T {
  const sorted = turns.toSorted((a, b) => figure(a) - figure(b));
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('no round was run');
  return middle;
}
