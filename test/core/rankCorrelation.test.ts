import { describe, expect, it } from 'vitest';
import { spearman } from '../../src/core/rankCorrelation';
import { seededRandom } from '../seeded';

describe('spearman', () => {
  it('is 1 for any rising relation and -1 for any falling one', () => {
    const a = [3, 1, 2, 10];
    expect(spearman(a, a.map(Math.exp))).toBeCloseTo(1, 12);
    expect(
      spearman(
        a,
        a.map((value) => -value),
      ),
    ).toBeCloseTo(-1, 12);
  });

  it('is the textbook formula where there are no ties', () => {
    const random = seededRandom(3);
    const a = Array.from({ length: 40 }, random);
    const b = Array.from({ length: 40 }, random);
    const rank = (values: number[], value: number) => values.filter((other) => other <= value).length;
    const squares = a.reduce((sum, value, i) => sum + (rank(a, value) - rank(b, b[i])) ** 2, 0);
    expect(spearman(a, b)).toBeCloseTo(1 - (6 * squares) / (40 * (40 ** 2 - 1)), 12);
  });

  it('shares the ranks of equal values', () => {
    // Ranks 1.5, 1.5, 3 and 1, 2, 3: covariance 1.5, variances 1.5 and 2.
    expect(spearman([5, 5, 9], [0, 1, 2])).toBeCloseTo(1.5 / Math.sqrt(1.5 * 2), 12);
  });

  it('says nothing about one pair or equal values, and refuses what is no pairs', () => {
    expect(spearman([], [])).toBeNaN();
    expect(spearman([1], [2])).toBeNaN();
    expect(spearman([1, 1], [2, 3])).toBeNaN();
    expect(() => spearman([1], [])).toThrow(RangeError);
  });
});
