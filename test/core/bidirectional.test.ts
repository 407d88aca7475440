import { describe, expect, it } from 'vitest';
import { backwardPairs, bestPairs, forwardPairs } from '../../src/core/strategies/matcher/bidirectional';
import { seededRandom } from '../seeded';

const random = seededRandom(5);

/** Largest sum over all one-to-one pairings, by trying everything. */
function largestSum(similarity: Float32Array, rows: number, columns: number, row = 0, taken: number[] = []): number {
  if (row === rows) return 0;
  let best = rows > columns ? largestSum(similarity, rows - 1, columns, row, taken) : Number.NEGATIVE_INFINITY;
  for (let column = 0; column < columns; column++) {
    if (taken.includes(column)) continue;
    const rest = largestSum(similarity, rows, columns, row + 1, [...taken, column]);
    best = Math.max(best, similarity[row * columns + column] + rest);
  }
  return best;
}

describe('bestPairs', () => {
  it.each([
    [3, 5],
    [4, 4],
    [1, 6],
  ])('has the largest sum, %i x %i', (rows, columns) => {
    for (let trial = 0; trial < 20; trial++) {
      const similarity = Float32Array.from({ length: rows * columns }, () => 2 * random() - 1);
      const pairs = bestPairs(similarity, rows, columns);
      expect(pairs.map(([row]) => row)).toEqual(Array.from({ length: rows }, (_, row) => row));
      const sum = pairs.reduce((all, [row, column]) => all + similarity[row * columns + column], 0);
      expect(sum).toBeCloseTo(largestSum(similarity, rows, columns), 5);
    }
  });
});

describe('matching both ways', () => {
  // Three foreground patches (2, 4, 7), five target patches, nine reference patches.
  const foreground = Int32Array.of(2, 4, 7);
  const forward = forwardPairs(
    Float32Array.of(0.9, 0.1, 0.1, 0.1, 0.1, 0.8, 0.7, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6),
    foreground,
  );

  it('gives every foreground patch a target patch of its own', () => {
    // Patch 4 would rather have target 0 as well, but together 0.9 + 0.7 is more.
    expect([...forward.referencePatches]).toEqual([2, 4, 7]);
    expect([...forward.targetPatches]).toEqual([0, 1, 4]);
    expect([...forward.cosines]).toEqual([0.9, 0.7, 0.6].map(Math.fround));
  });

  const back = (...patches: number[]) => {
    const similarity = new Float32Array(27);
    for (const [row, patch] of patches.entries()) similarity[row * 9 + patch] = 1;
    return similarity;
  };

  it('keeps the pairs that come back to the foreground', () => {
    const { kept, rejected, weaker, returned } = backwardPairs(forward, back(4, 0, 7), foreground);
    expect(returned).toBe(true);
    expect(kept.map(({ targetPatch, backPatch }) => [targetPatch, backPatch])).toEqual([
      [0, 4],
      [4, 7],
    ]);
    expect(rejected.map(({ targetPatch, backPatch, backCosine }) => [targetPatch, backPatch, backCosine])).toEqual([
      [1, 0, 1],
    ]);
    expect(weaker).toEqual([]);
  });

  it('keeps the forward pairs where none comes back, and where nobody asks', () => {
    const none = backwardPairs(forward, back(0, 1, 3), foreground);
    expect(none.returned).toBe(false);
    expect(none.kept).toHaveLength(3);
    expect(none.rejected).toEqual([]);
    const unchecked = backwardPairs(forward, back(0, 1, 7), foreground, false);
    expect(unchecked.returned).toBe(true);
    expect(unchecked.kept).toHaveLength(3);
  });

  it('keeps the better half of more than forty', () => {
    const many = (count: number) => {
      const patches = Int32Array.from({ length: count }, (_, patch) => patch);
      const similarity = new Float32Array(count * count);
      for (let i = 0; i < count; i++) similarity[i * count + i] = 0.5 + ((i * 7) % count) / 1000;
      return backwardPairs(forwardPairs(similarity, patches), similarity, patches);
    };
    expect(many(40).kept).toHaveLength(40);
    const { kept, weaker } = many(41);
    expect(kept).toHaveLength(20);
    expect(weaker).toHaveLength(21);
    expect(Math.min(...kept.map(({ cosine }) => cosine))).toBeGreaterThan(
      Math.max(...weaker.map(({ cosine }) => cosine)),
    );
  });

  it('leaves target patches without a way back where the reference is smaller', () => {
    const two = backwardPairs(forward, Float32Array.of(0, 1, 1, 0, 0.5, 0.5), Int32Array.of(0, 1));
    expect([...two.kept, ...two.rejected].filter(({ backPatch }) => backPatch < 0)).toHaveLength(1);
    expect(two.rejected.map(({ backCosine }) => backCosine)).toEqual([undefined]);
  });
});
