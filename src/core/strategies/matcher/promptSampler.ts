/**
 * Stage *prompt sampling*, Matcher's robust prompt sampler: many prompt sets from few points, so that a wrong point
 * spoils only some of them.
 */
import type { Point, Size } from '../../geometry';

/**
 * Subsets of `count` things, as ascending indices: for each size of the range `tries` different ones drawn at random,
 * or all where there are no more than that. A range above `count` shrinks to it.
 *
 * @param random uniform numbers in [0, 1)
 */
export function sampleSubsets(
  count: number,
  [least, most]: readonly [least: number, most: number],
  tries: number,
  random: () => number,
): number[][] {
  const subsets: number[][] = [];
  if (count === 0) return subsets;
  for (let size = Math.min(least, count); size <= Math.min(most, count); size++) {
    if (combinations(count, size) <= tries) {
      subsets.push(...allSubsets(count, size));
      continue;
    }
    const drawn = new Map<string, number[]>();
    while (drawn.size < tries) {
      const subset = randomSubset(count, size, random);
      drawn.set(subset.join(), subset);
    }
    subsets.push(...drawn.values());
  }
  return subsets;
}

/** Centres of the cells of a grid of `side` x `side` over an image, row by row, in its pixels. */
export function gridPoints(side: number, { width, height }: Size): Point[] {
  return Array.from({ length: side * side }, (_, at) => ({
    x: (((at % side) + 0.5) * width) / side,
    y: ((Math.floor(at / side) + 0.5) * height) / side,
  }));
}

/** Number of subsets; may be rounded where it is large. */
function combinations(count: number, size: number): number {
  let result = 1;
  for (let k = 1; k <= size; k++) result = (result * (count - size + k)) / k;
  return result;
}

function allSubsets(count: number, size: number, start = 0): number[][] {
  if (size === 0) return [[]];
  const subsets: number[][] = [];
  for (let first = start; first <= count - size; first++) {
    for (const rest of allSubsets(count, size - 1, first + 1)) subsets.push([first, ...rest]);
  }
  return subsets;
}

/** Floyd's sampling without replacement. */
function randomSubset(count: number, size: number, random: () => number): number[] {
  const chosen = new Set<number>();
  for (let last = count - size; last < count; last++) {
    const index = Math.floor(random() * (last + 1));
    chosen.add(chosen.has(index) ? last : index);
  }
  return [...chosen].sort((a, b) => a - b);
}
