/** Principal directions against their definition: an orthonormal basis of what the rows vary in, and nothing else. */
import { describe, expect, it } from 'vitest';
import { principalDirections } from '../../src/core/tokens/subspace';
import { rowCount, type TokenRows } from '../../src/core/tokens/tokenRows';
import { projectOut } from '../oracles';
import { seededRandom } from '../seeded';

const random = seededRandom(11);

const rowsOf = (values: readonly (readonly number[])[]): TokenRows => ({
  dim: values[0]!.length,
  data: Float32Array.from(values.flat()),
});

const row = ({ data, dim }: TokenRows, index: number): number[] => [...data.subarray(index * dim, (index + 1) * dim)];

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** Variance of the rows along a direction, times their number. */
function spreadAlong(rows: TokenRows, direction: readonly number[]): number {
  const values = Array.from({ length: rowCount(rows) }, (_, i) => dot(row(rows, i), direction));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
}

const randomRows = (count: number, dim: number): TokenRows => ({
  dim,
  data: Float32Array.from({ length: count * dim }, (_, i) => (random() - 0.5) * (1 + (i % dim)) + (i % dim)),
});

describe('principal directions', () => {
  it('are the axes of a cloud that is long along them, the longest first, whatever its mean', () => {
    const rows = rowsOf([
      [5, 0, 7],
      [-5, 0, 7],
      [0, 2, 7],
      [0, -2, 7],
    ]);
    const directions = principalDirections(rows, 3);
    expect(rowCount(directions)).toBe(2);
    expect(row(directions, 0).map(Math.abs)).toEqual([1, 0, 0]);
    expect(row(directions, 1).map(Math.abs)).toEqual([0, 1, 0]);
  });

  it.each([
    [40, 6],
    [9, 17],
    [200, 33],
    [3, 1],
    [2, 2],
  ])('of %i random rows of %i values are orthonormal, in order, and uncorrelated', (count, dim) => {
    const rows = randomRows(count, dim);
    const directions = principalDirections(rows, dim);
    const found = rowCount(directions);
    expect(found).toBe(Math.min(dim, count - 1));
    const all = Array.from({ length: found }, (_, i) => row(directions, i));
    for (const [i, a] of all.entries()) {
      for (const [j, b] of all.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 5);
      if (i > 0) expect(spreadAlong(rows, a)).toBeLessThanOrEqual(spreadAlong(rows, all[i - 1]!) * (1 + 1e-6));
    }
    // Uncorrelated: along a sum of two of them the rows spread as the sum of both, which holds for no other basis.
    for (let i = 1; i < found; i++) {
      const sum = all[0]!.map((value, k) => value + all[i]![k]!);
      const expected = spreadAlong(rows, all[0]!) + spreadAlong(rows, all[i]!);
      expect(spreadAlong(rows, sum) / expected).toBeCloseTo(1, 4);
    }
    // All of the spread is found.
    const total = Array.from({ length: dim }, (_, k) =>
      spreadAlong(
        rows,
        Array.from({ length: dim }, (_, i) => Number(i === k)),
      ),
    ).reduce((sum, value) => sum + value, 0);
    const explained = all.reduce((sum, direction) => sum + spreadAlong(rows, direction), 0);
    expect(explained / total).toBeCloseTo(1, 5);
  });

  it('are at most as many as asked for, and none of rows that are alike', () => {
    expect(rowCount(principalDirections(randomRows(50, 8), 3))).toBe(3);
    expect(
      rowCount(
        principalDirections(
          rowsOf([
            [1, 2],
            [1, 2],
            [1, 2],
          ]),
          2,
        ),
      ),
    ).toBe(0);
    expect(rowCount(principalDirections(randomRows(50, 8), 0))).toBe(0);
  });

  it('explain more than any other direction does', () => {
    const rows = randomRows(60, 12);
    const [first] = [row(principalDirections(rows, 1), 0)];
    for (let k = 0; k < 50; k++) {
      const other = Array.from({ length: 12 }, () => random() - 0.5);
      const length = Math.sqrt(dot(other, other));
      expect(spreadAlong(rows, first)).toBeGreaterThanOrEqual(
        spreadAlong(
          rows,
          other.map((value) => value / length),
        ),
      );
    }
  });
});

describe('projecting out', () => {
  it('leaves nothing along the directions and everything across', () => {
    const directions = rowsOf([[1, 0, 0]]);
    expect(row(projectOut(rowsOf([[3, 4, 5]]), directions), 0)).toEqual([0, 4, 5]);
    const found = principalDirections(randomRows(40, 10), 4);
    const rows = randomRows(7, 10);
    const rest = projectOut(rows, found);
    for (let i = 0; i < 7; i++) {
      for (let k = 0; k < 4; k++) expect(dot(row(rest, i), row(found, k))).toBeCloseTo(0, 4);
    }
    const again = projectOut(rest, found);
    for (const [i, value] of again.data.entries()) expect(value).toBeCloseTo(rest.data[i]!, 4);
  });

  it('refuses directions of another dimension and changes nothing without any', () => {
    expect(() => projectOut(rowsOf([[1, 2]]), rowsOf([[1, 0, 0]]))).toThrow(RangeError);
    const rows = rowsOf([[1, 2]]);
    expect(projectOut(rows, { dim: 2, data: new Float32Array(0) }).data).toEqual(rows.data);
  });
});
