import { describe, expect, it } from 'vitest';
import { gridPoints, sampleSubsets } from '../../src/core/strategies/matcher/promptSampler';
import { seededRandom } from '../seeded';

describe('sampleSubsets', () => {
  it('lists all subsets where there are few', () => {
    const subsets = sampleSubsets(4, [2, 3], 10, seededRandom(1));
    expect(subsets.map((subset) => subset.join(''))).toEqual([
      '01',
      '02',
      '03',
      '12',
      '13',
      '23',
      '012',
      '013',
      '023',
      '123',
    ]);
  });

  it('draws different subsets of each size where there are many', () => {
    const subsets = sampleSubsets(40, [1, 6], 30, seededRandom(2));
    expect(subsets).toHaveLength(6 * 30);
    for (let size = 1; size <= 6; size++) {
      const ofSize = subsets.filter((subset) => subset.length === size);
      expect(new Set(ofSize.map(String)).size).toBe(30);
      for (const subset of ofSize) {
        expect(new Set(subset).size).toBe(size);
        expect(subset).toEqual([...subset].sort((a, b) => a - b));
        expect(subset.every((index) => index >= 0 && index < 40)).toBe(true);
      }
    }
  });

  it('draws every thing about as often', () => {
    const counts = new Int32Array(20);
    for (const subset of sampleSubsets(20, [5, 5], 2000, seededRandom(3))) for (const index of subset) counts[index]++;
    // 500 each; a standard deviation is about 19.
    for (const count of counts) expect(Math.abs(count - 500)).toBeLessThan(90);
  });

  it('shrinks the range to what there is', () => {
    expect(sampleSubsets(3, [4, 6], 30, seededRandom(1))).toEqual([[0, 1, 2]]);
    expect(sampleSubsets(1, [1, 6], 64, seededRandom(1))).toEqual([[0]]);
    expect(sampleSubsets(0, [1, 6], 64, seededRandom(1))).toEqual([]);
  });

  it('is the same for the same seed, and another for another', () => {
    const drawn = (seed: number) => sampleSubsets(30, [4, 6], 8, seededRandom(seed));
    expect(drawn(7)).toEqual(drawn(7));
    expect(drawn(7)).not.toEqual(drawn(8));
  });
});

describe('gridPoints', () => {
  it('lie in the middle of equal cells', () => {
    expect(gridPoints(2, { width: 8, height: 4 })).toEqual([
      { x: 2, y: 1 },
      { x: 6, y: 1 },
      { x: 2, y: 3 },
      { x: 6, y: 3 },
    ]);
    expect(gridPoints(0, { width: 8, height: 4 })).toEqual([]);
  });
});
