import { describe, expect, it } from 'vitest';
import type { Mask } from '../../src/core/pixels/mask';
import {
  combine,
  type MaskScores,
  patchesInside,
  type ScoreBasis,
  type SelectionRules,
  scoreMask,
  select,
} from '../../src/core/strategies/matcher/maskScores';
import { toProposal } from '../../src/core/strategies/matcher/proposals';
import { transport } from '../../src/core/strategies/matcher/transport';
import { drawMask, seededRandom } from '../seeded';

const random = seededRandom(31);
const packed = ({ size, data }: Mask) =>
  toProposal({ logits: { size, data: Float32Array.from(data, (pixel) => pixel - 0.5) }, iouPrediction: 1 }).mask;

describe('scoreMask', () => {
  const grid = { width: 4, height: 2 };
  const target = { width: 80, height: 40 };
  const similarity = Float32Array.from({ length: 3 * 8 }, () => 0.2 + 0.7 * random());
  const points = [
    { x: 10, y: 10 },
    { x: 30, y: 10 },
    { x: 70, y: 30 },
  ];
  const basis: ScoreBasis = { similarity, foreground: 3, grid, points, target };
  // Two pixels to a patch and side; covers patches 0 and 1 wholly, half of 4, a quarter of 2.
  const mask = drawMask(['#####...', '####....', '##......', '........']);

  it('counts the patches that a mask holds half of', () => {
    expect([...patchesInside(packed(mask), grid)]).toEqual([0, 1, 4]);
    expect([...patchesInside(packed(drawMask(['........', '........', '........', '...#....'])), grid)]).toEqual([5]);
  });

  it('is the transport of the foreground to the tokens inside, with purity and coverage', () => {
    const cost = new Float32Array(9);
    [0, 1, 4].forEach((patch, j) => {
      for (let i = 0; i < 3; i++) cost[i * 3 + j] = (1 - similarity[i * 8 + patch]) / 2;
    });
    const scores = scoreMask(packed(mask), basis);
    expect(scores.emd).toBeCloseTo(1 - transport(cost, 3, 3).cost, 12);
    expect(scores.purity).toBeCloseTo(2 / 3, 12);
    expect(scores.coverage).toBeCloseTo(2 / 3, 12);
  });

  it('is 0 for a mask of no patches', () => {
    expect(scoreMask(packed(drawMask(['........', '........', '........', '........'])), basis)).toEqual({
      emd: 0,
      purity: 0,
      coverage: 0,
    });
  });

  it('thins large sets of tokens evenly, with little change', () => {
    const large = { width: 30, height: 30 };
    const many = Float32Array.from({ length: 500 * 900 }, (_, at) => 0.5 + 0.4 * Math.sin(at % 900) * random());
    const all: Mask = { size: large, data: new Uint8Array(900).fill(1) };
    const scores = scoreMask(packed(all), { ...basis, similarity: many, foreground: 500, grid: large });
    const cost = many.map((value) => (1 - value) / 2);
    expect(Math.abs(scores.emd - (1 - transport(cost, 500, 900).cost))).toBeLessThan(0.01);
  });
});

describe('select', () => {
  const rules: SelectionRules = {
    alpha: 1,
    beta: 0,
    exponent: 0,
    leastPurity: 0,
    leastCoverage: 0,
    merged: 3,
    cut: 'distance',
  };
  const scores = (...emds: number[]): MaskScores[] => emds.map((emd) => ({ emd, purity: 0.1, coverage: 0.5 }));

  it('weighs', () => {
    const one = { emd: 0.8, purity: 0.5, coverage: 0.25 };
    expect(combine(one, { alpha: 0.8, beta: 0.2, exponent: 1 })).toBeCloseTo(0.64 + 0.025, 12);
    expect(combine(one, { alpha: 0.5, beta: 0.5, exponent: 0 })).toBeCloseTo(0.65, 12);
  });

  it('takes the best, best first, of equals the first', () => {
    expect(select(scores(0.8, 0.9, 0.88, 0.9, 0.5), { ...rules, cut: 'share' })).toEqual([1, 3, 2]);
  });

  it('cuts by the distance: absolute and relative to the worst, but for the best one', () => {
    // Distances 0.1, 0.14, 0.2, 0.5: relative (d - 0.1) / 0.5 = 0, 0.08, 0.2, 0.8.
    expect(select(scores(0.9, 0.86, 0.8, 0.5), rules)).toEqual([0, 1]);
    expect(select(scores(0.5, 0.49), rules)).toEqual([0]);
  });

  it('cuts by the share of the best score', () => {
    expect(select(scores(0.9, 0.64, 0.62), { ...rules, cut: 'share' })).toEqual([0, 1]);
  });

  it('applies thresholds that some mask passes', () => {
    const mixed = [
      { emd: 0.9, purity: 0.01, coverage: 0.2 },
      { emd: 0.85, purity: 0.05, coverage: 0.9 },
    ];
    expect(select(mixed, { ...rules, leastPurity: 0.02 })).toEqual([1]);
    expect(select(mixed, { ...rules, leastCoverage: 0.3 })).toEqual([1]);
    expect(select(mixed, { ...rules, leastPurity: 0.5 })[0]).toBe(0);
    expect(select([], rules)).toEqual([]);
  });
});
