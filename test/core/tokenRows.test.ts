import { describe, expect, it } from 'vitest';
import type { PatchTokens } from '../../src/core/tokens/patchGrid';
import { cosines, meanDirection, pickRows, rowCount, stackRows, unitTokens } from '../../src/core/tokens/tokenRows';

const tokens: PatchTokens = {
  grid: { width: 3, height: 1 },
  dim: 2,
  data: Float32Array.of(3, 4, 0, 0, 0, -2),
  normalised: false,
};

describe('token rows', () => {
  it('are scaled to length 1, zeros aside, and not copied where they have it', () => {
    const unit = unitTokens(tokens);
    expect([...unit.data]).toEqual([0.6, 0.8, 0, 0, 0, -1].map(Math.fround));
    expect(unit.normalised).toBe(true);
    expect(tokens.data[0]).toBe(3);
    expect(unitTokens(unit)).toBe(unit);
  });

  it('are picked in order', () => {
    const picked = pickRows(tokens, [2, 0]);
    expect(picked).toEqual({ dim: 2, data: Float32Array.of(0, -2, 3, 4) });
    expect(rowCount(picked)).toBe(2);
  });

  it('are stacked', () => {
    const b = { dim: 2, data: Float32Array.of(5, 6) };
    expect([...stackRows(b, tokens).data]).toEqual([5, 6, 3, 4, 0, 0, 0, -2]);
  });

  it('have a mean direction', () => {
    expect(meanDirection({ dim: 2, data: Float32Array.of(1, 0, 0, 1) }).data[0]).toBeCloseTo(Math.SQRT1_2, 6);
  });

  it('are multiplied pair by pair', () => {
    const b = { dim: 2, data: Float32Array.of(1, 0, 0, 1) };
    expect([...cosines(tokens, b)]).toEqual([3, 4, 0, 0, 0, -2]);
    expect(() => cosines(tokens, { dim: 3, data: new Float32Array(3) })).toThrow('2 and 3 channels');
  });
});
