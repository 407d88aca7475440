import { expect, it } from 'vitest';
import { resemblance } from '../../src/core/tokens/resemblance';

const tokens = (rows: number[][], normalised = false) => ({
  grid: { width: rows.length, height: 1 },
  dim: 2,
  data: Float32Array.from(rows.flat()),
  normalised,
});

it('is the mean cosine of patches with the most similar one of the reference', () => {
  const reference = tokens([
    [2, 0],
    [0, 3],
  ]);
  expect(resemblance(tokens([[5, 0]]), reference)).toBeCloseTo(1, 6);
  const mixed = [
    [5, 0],
    [-1, -1],
    [1, 1],
  ];
  expect(resemblance(tokens(mixed), reference)).toBeCloseTo((1 - Math.SQRT1_2 + Math.SQRT1_2) / 3, 6);
});
