import { describe, expect, it } from 'vitest';
import { checkTokens, concatTokens, type PatchTokens, patchCentre } from '../../src/core/tokens/patchGrid';

const grid = { width: 7, height: 6 };

describe('checkTokens', () => {
  it('accepts one token per cell', () => {
    const data = new Float32Array(7 * 6 * 4);
    expect(() => checkTokens({ grid, dim: 4, data, normalised: false })).not.toThrow();
  });

  it('says what it expected and what it got', () => {
    const data = new Float32Array(7 * 6 * 4 - 1);
    expect(() => checkTokens({ grid, dim: 4, data, normalised: false })).toThrow(
      new RangeError('patch tokens of a 7 x 6 grid with 4 channels need 168 values, got 167'),
    );
  });
});

describe('patchCentre', () => {
  it('counts row by row and scales each axis by its own ratio', () => {
    expect(patchCentre(0, grid, { width: 140, height: 60 })).toEqual({ x: 10, y: 5 });
    expect(patchCentre(8, grid, { width: 140, height: 60 })).toEqual({ x: 30, y: 15 });
    expect(patchCentre(41, grid, { width: 140, height: 60 })).toEqual({ x: 130, y: 55 });
  });

  it('is the centre of the image for a single patch', () => {
    expect(patchCentre(0, { width: 1, height: 1 }, { width: 33, height: 8 })).toEqual({ x: 16.5, y: 4 });
  });
});

describe('concatTokens', () => {
  const tokens = (width: number, height: number, first: number, normalised = true): PatchTokens => ({
    grid: { width, height },
    dim: 2,
    data: Float32Array.from({ length: width * height * 2 }, (_, k) => first + k),
    normalised,
  });

  it('puts grids of one width below each other, and others in a row', () => {
    const joined = concatTokens([tokens(2, 1, 0), tokens(2, 2, 10)]);
    expect(joined).toEqual({
      grid: { width: 2, height: 3 },
      dim: 2,
      data: Float32Array.of(0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17),
      normalised: true,
    });
    expect(concatTokens([tokens(2, 1, 0), tokens(3, 1, 0, false)])).toMatchObject({
      grid: { width: 5, height: 1 },
      normalised: false,
    });
    const alone = tokens(2, 2, 0);
    expect(concatTokens([alone])).toBe(alone);
  });

  it('refuses tokens of different lengths', () => {
    expect(() => concatTokens([tokens(1, 1, 0), { ...tokens(1, 1, 0), dim: 1 }])).toThrow(
      new RangeError('tokens of 2 and 1 channels cannot be joined'),
    );
  });
});
