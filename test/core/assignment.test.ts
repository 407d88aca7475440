import { describe, expect, it } from 'vitest';
import { type Assignment, assign } from '../../src/core/strategies/matcher/assignment';
import { seededRandom } from '../seeded';

type Costs = Float32Array | Float64Array;

/** Least total cost by trying everything. */
function leastCost(cost: Costs, rows: number, columns: number): number {
  const taken = new Set<number>();
  const search = (row: number, idle: number): number => {
    if (row === rows) return 0;
    // More rows than columns: `idle` of the rows go without.
    let best = idle > 0 ? search(row + 1, idle - 1) : Number.POSITIVE_INFINITY;
    for (let column = 0; column < columns; column++) {
      if (taken.has(column)) continue;
      taken.add(column);
      best = Math.min(best, cost[row * columns + column] + search(row + 1, idle));
      taken.delete(column);
    }
    return best;
  };
  return search(0, Math.max(0, rows - columns));
}

/** One to one, as many as possible, and optimal because the duals say so. */
function expectOptimal({ columnOfRow, cost: total, rowDual, columnDual }: Assignment, cost: Costs, columns: number) {
  const rows = columnOfRow.length;
  const used = [...columnOfRow].filter((column) => column >= 0);
  expect(used).toHaveLength(Math.min(rows, columns));
  expect(new Set(used).size).toBe(used.length);
  expect(used.every((column) => column < columns)).toBe(true);
  let sum = 0;
  let slack = Number.POSITIVE_INFINITY;
  for (let row = 0; row < rows; row++) {
    if (columnOfRow[row] >= 0) sum += cost[row * columns + columnOfRow[row]];
    for (let column = 0; column < columns; column++) {
      slack = Math.min(slack, cost[row * columns + column] - rowDual[row] - columnDual[column]);
    }
  }
  expect(total).toBeCloseTo(sum, 9);
  expect(slack).toBeGreaterThan(-1e-9);
  const duals = [...rowDual, ...columnDual].reduce((all, value) => all + value, 0);
  expect(Math.abs(duals - total)).toBeLessThan(1e-7 * Math.max(1, rows));
}

describe('assign', () => {
  const random = seededRandom(3);
  const shapes = [
    [1, 1],
    [1, 4],
    [4, 1],
    [3, 3],
    [5, 5],
    [3, 6],
    [6, 3],
    [6, 6],
  ] as const;
  const values: readonly [string, () => number][] = [
    ['any costs', () => random() * 10 - 5],
    ['costs with many ties', () => Math.floor(random() * 3)],
    ['equal costs', () => 2],
  ];
  for (const [name, value] of values) {
    it.each(shapes)(`is as cheap as the best of all, ${name}, %i x %i`, (rows, columns) => {
      for (let trial = 0; trial < 20; trial++) {
        const cost = Float64Array.from({ length: rows * columns }, value);
        const found = assign(cost, rows, columns);
        expectOptimal(found, cost, columns);
        expect(found.cost).toBeCloseTo(leastCost(cost, rows, columns), 9);
      }
    });
  }

  it('takes float32 costs', () => {
    const cost = Float32Array.from({ length: 30 }, random);
    expect(assign(cost, 5, 6).cost).toBeCloseTo(leastCost(cost, 5, 6), 6);
  });

  it('gives nothing to nobody', () => {
    expect(assign(new Float64Array(0), 0, 5).columnOfRow).toHaveLength(0);
    expect([...assign(new Float64Array(0), 3, 0).columnOfRow]).toEqual([-1, -1, -1]);
  });

  it('refuses costs of another shape', () => {
    expect(() => assign(new Float64Array(5), 2, 3)).toThrow('costs of 2 x 3 need 6 values, got 5');
  });

  it.each([
    [1369, 1369],
    [150, 1369],
    [1369, 150],
  ])('proves its solution for token grids, %i x %i', (rows, columns) => {
    // Cosines of unit tokens that share directions, as those of two images of the same kind do.
    const kinds = Array.from({ length: 12 }, () => Float64Array.from({ length: 16 }, () => random() - 0.5));
    const tokens = (count: number) =>
      Array.from({ length: count }, () => {
        const token = kinds[Math.floor(random() * kinds.length)].map((value) => value + 0.3 * (random() - 0.5));
        const length = Math.hypot(...token);
        return token.map((value) => value / length);
      });
    const a = tokens(rows);
    const b = tokens(columns);
    const cost = new Float32Array(rows * columns);
    a.forEach((x, i) => {
      b.forEach((y, j) => {
        cost[i * columns + j] = -x.reduce((sum, value, k) => sum + value * y[k], 0);
      });
    });
    const started = performance.now();
    const found = assign(cost, rows, columns);
    console.log(`assign ${rows} x ${columns}: ${(performance.now() - started).toFixed(0)} ms`);
    expectOptimal(found, cost, columns);
  });
});
