/** Tokens of parts beside those of the whole picture. */
import { describe, expect, it } from 'vitest';
import { withSurroundings } from '../../src/core/tokens/surroundings';
import { dotAt } from '../../src/core/tokens/tokenRows';

const grid = (width: number, height: number) => ({ width, height });

describe('withSurroundings', () => {
  const around = { grid: grid(2, 1), dim: 2, data: Float32Array.of(1, 0, 0, 1), normalised: true };
  const own = { grid: grid(4, 2), dim: 3, data: new Float32Array(24).map((_, at) => (at % 3) + 1), normalised: false };

  it('gives each patch its own token and that of the whole at the same place, each half of its length', () => {
    const joined = withSurroundings(own, around);
    expect(joined).toMatchObject({ grid: own.grid, dim: 5, normalised: true });
    const length = Math.hypot(1, 2, 3);
    for (let patch = 0; patch < 8; patch++) {
      const token = joined.data.subarray(patch * 5, patch * 5 + 5);
      for (let k = 0; k < 3; k++) expect(token[k]).toBeCloseTo(((k + 1) * Math.SQRT1_2) / length, 6);
      expect(dotAt(token, 0, token, 0, 5)).toBeCloseTo(1, 6);
    }
    // The outer columns lie beyond the centres of the whole's patches, the inner ones a quarter of the way between.
    const seen = [0, 1, 2, 3].map((patch) => [...joined.data.subarray(patch * 5 + 3, patch * 5 + 5)]);
    const between = [0.75, 0.25].map((value) => (value * Math.SQRT1_2) / Math.hypot(0.75, 0.25));
    const expected = [[Math.SQRT1_2, 0], between, [...between].reverse(), [0, Math.SQRT1_2]];
    for (let column = 0; column < 4; column++) {
      for (let k = 0; k < 2; k++) expect(seen[column][k]).toBeCloseTo(expected[column][k], 6);
    }
  });

  it('makes cosines the mean of both', () => {
    const joined = withSurroundings({ ...around, grid: grid(2, 1) }, around);
    expect(dotAt(joined.data, 0, joined.data, 4, 4)).toBeCloseTo(0, 6);
    expect(dotAt(joined.data, 0, joined.data, 0, 4)).toBeCloseTo(1, 6);
  });
});
