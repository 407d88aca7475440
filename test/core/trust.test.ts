/** Trust: its parts against counts by hand and plain loops, and that the number rises with each of them. */
import { describe, expect, it } from 'vitest';
import { area } from '../../src/core/geometry';
import { maskExtent } from '../../src/core/pixels/maskExtent';
import type { FloatMap } from '../../src/core/pixels/raster';
import type { PatchSets } from '../../src/core/tokens/matching';
import { TRUST_COEFFICIENTS, type TrustInput, type TrustParts, trustOf, trustParts } from '../../src/core/tokens/trust';
import { discs, tokensFromMask } from '../fakes';
import { matchTokens } from '../oracles';

const size = { width: 96, height: 96 };
const grid = { width: 12, height: 12 };
const drawn = discs(size, { x: 40, y: 40, radius: 24 });
const logits: FloatMap = { size, data: Float32Array.from(drawn.data, (value) => (value === 1 ? 4 : -4)) };
const likeness: TrustInput['likeness'] = {
  scores: { size: grid, data: Float32Array.from({ length: area(grid) }, (_, patch) => (patch % 12 < 6 ? 1 : -1)) },
  reach: 4,
};
const reference = tokensFromMask(drawn, grid, 1);
const target = tokensFromMask(drawn, grid, 2);
const proposers: PatchSets = { foreground: Int32Array.of(39, 52, 53, 65), background: Int32Array.of(0, 11, 130, 143) };
const table = matchTokens(reference, target, proposers);

const parts = (input: Partial<TrustInput> = {}) =>
  trustParts({
    logits: [logits],
    table,
    proposers,
    likeness,
    support: { area: 0.2, border: 0 },
    ...input,
  });

const row = (...values: number[]): FloatMap => ({
  size: { width: values.length, height: 1 },
  data: Float32Array.from(values),
});

describe('how sure a mask is', () => {
  it('is counted over the pixels of all objects', () => {
    const { stability } = parts({ logits: [row(2, 0.5, -0.5, -1), row(-3, 0, 1, 1.5)] });
    // Above -1: 2, 0.5, -0.5, 0, 1, 1.5; above +1: 2, 1.5.
    expect(stability).toBeCloseTo(2 / 6, 3);
  });

  it('is nothing for an empty mask', () => {
    expect(parts({ logits: [row(-2, -3)] }).stability).toBe(0);
  });
});

describe('similarity', () => {
  const cosine = (i: number, j: number) => {
    let sum = 0;
    for (let k = 0; k < reference.dim; k++) {
      sum += reference.data[i * reference.dim + k] * target.data[j * target.dim + k];
    }
    return sum;
  };
  const all = Array.from({ length: area(grid) }, (_, j) => j);
  const both = [...proposers.foreground, ...proposers.background];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  it('is the mean cosine of the nearest neighbours of all proposers', () => {
    const { forwardSimilarity } = parts();
    expect(forwardSimilarity).toBeCloseTo(mean(both.map((i) => Math.max(...all.map((j) => cosine(i, j))))), 3);
  });

  it('does without background', () => {
    const alone: PatchSets = { ...proposers, background: new Int32Array(0) };
    const { forwardSimilarity } = parts({ proposers: alone, table: matchTokens(reference, target, alone) });
    const foreground = [...alone.foreground];
    expect(forwardSimilarity).toBeCloseTo(mean(foreground.map((i) => Math.max(...all.map((j) => cosine(i, j))))), 3);
  });
});

describe('contrast', () => {
  const left = (value: number): FloatMap => ({
    size: { width: 12, height: 12 },
    data: Float32Array.from({ length: 144 }, (_, at) => (at % 12 < 6 ? value : -value)),
  });

  it('is the mean score of the mask less that of the rest, in units of what stands out in the reference', () => {
    // Scores are 1 in the left half and -1 in the right one.
    expect(parts({ logits: [left(1)] }).priorContrast).toBe(2 / 4);
    expect(parts({ logits: [left(-1)] }).priorContrast).toBe(-2 / 4);
    const column: FloatMap = { ...left(1), data: left(1).data.map((_, at) => (at % 12 < 3 ? 1 : -1)) };
    // Inside 1; outside a third of the left half's and all of the right half's patches.
    expect(parts({ logits: [column] }).priorContrast).toBeCloseTo((1 - (3 - 6) / 9) / 4, 3);
  });

  it('is nothing where nothing or everything is drawn, or nothing stood out', () => {
    expect(parts({ logits: [{ ...left(1), data: left(1).data.map(() => -3) }] }).priorContrast).toBe(0);
    expect(parts({ logits: [{ ...left(1), data: left(1).data.map(() => 3) }] }).priorContrast).toBe(0);
    expect(parts({ logits: [left(1)], likeness: { ...likeness, reach: 0 } }).priorContrast).toBe(0);
  });
});

describe('reach', () => {
  const disc = (radius: number, ...more: Parameters<typeof discs>[1][]): FloatMap => ({
    size,
    data: Float32Array.from(discs(size, { x: 48, y: 48, radius }, ...more).data, (value) => 2 * value - 1),
  });

  it('to the border counts against a mask where the support mask lies inside, and only there', () => {
    const inside = maskExtent([disc(24)]);
    const running = disc(24, { x: 0, y: 0, radius: 24 });
    const touching = disc(24, { x: 2, y: 48, radius: 3 });
    const share = maskExtent([touching]).border;
    expect(share).toBeGreaterThan(0.005);
    expect(share).toBeLessThan(0.02);
    expect(parts({ logits: [disc(20)], support: inside }).borderKept).toBe(1);
    expect(parts({ logits: [touching], support: inside }).borderKept).toBeCloseTo(1 - share / 0.02, 3);
    expect(parts({ logits: [running], support: inside }).borderKept).toBe(0);
    expect(parts({ logits: [running], support: maskExtent([touching]) }).borderKept).toBe(1);
  });
});

describe('trust', () => {
  const typical: TrustParts = {
    stability: 0.9,
    forwardSimilarity: 0.85,
    priorContrast: 0.8,
    borderKept: 0.9,
  };

  it('rises with every part, from 0 to 1', () => {
    for (const part of Object.keys(typical) as (keyof TrustParts)[]) {
      const along = Array.from({ length: 101 }, (_, k) => trustOf({ ...typical, [part]: k / 100 }));
      along.forEach((value, k) => {
        expect(value).toBeGreaterThanOrEqual(along[Math.max(0, k - 1)]);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
      });
      expect(along[99]).toBeGreaterThan(along[50]);
    }
  });

  it('is low if either the outline is unsure or the image is of another kind', () => {
    expect(trustOf(typical)).toBeGreaterThan(0.6);
    expect(trustOf({ ...typical, stability: 0.3 })).toBeLessThan(0.4);
    expect(trustOf({ ...typical, forwardSimilarity: 0.5 })).toBeLessThan(0.1);
  });

  it('has no coefficient that makes it fall', () => {
    const { outline, presence } = TRUST_COEFFICIENTS;
    for (const { bias, ...slopes } of [outline, presence]) {
      expect(Number.isFinite(bias)).toBe(true);
      for (const slope of Object.values(slopes)) expect(slope).toBeGreaterThan(0);
    }
  });
});
