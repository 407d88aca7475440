/** Matcher's maths against the NumPy and SciPy transcription (test/golden/make_matcher_golden.py). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Size } from '../../src/core/geometry';
import { assign } from '../../src/core/strategies/matcher/assignment';
import { type AssignedPair, backwardPairs, forwardPairs } from '../../src/core/strategies/matcher/bidirectional';
import { type MaskScores, type SelectionRules, scoreMask, select } from '../../src/core/strategies/matcher/maskScores';
import { MATCHER_SETTINGS } from '../../src/core/strategies/matcher/matcherPresets';
import { toProposal } from '../../src/core/strategies/matcher/proposals';
import { transport } from '../../src/core/strategies/matcher/transport';
import { patchCentre } from '../../src/core/tokens/patchGrid';
import { cosines, pickRows } from '../../src/core/tokens/tokenRows';

type Pair = [referencePatch: number, targetPatch: number, backPatch: number, cosine: number];

interface Side {
  readonly grid: Size;
  readonly tokens: number[];
}

interface Golden {
  readonly assignments: { rows: number; columns: number; cost: number[]; total: number }[];
  readonly transports: { sources: number; sinks: number; cost: number[]; total: number }[];
  readonly cases: {
    readonly about: string;
    readonly dim: number;
    readonly reference: Side;
    readonly target: Side;
    readonly size: Size;
    readonly foreground: number[];
    readonly kept: Pair[];
    readonly weaker: Pair[];
    readonly rejected: Pair[];
    readonly returned: boolean;
    readonly points: [number, number][];
    readonly masks: { readonly size: Size; readonly logits: number[][] };
    readonly scores: [emd: number, purity: number, coverage: number][];
    readonly stabilities: number[];
    readonly selected: Record<'semantic' | 'object' | 'part', { rules: SelectionRules; indices: number[] }>;
  }[];
}

const golden: Golden = JSON.parse(readFileSync(path.join(import.meta.dirname, '..', 'golden', 'matcher.json'), 'utf8'));

describe('solvers', () => {
  it.each(golden.assignments)('assign $rows x $columns as SciPy does', ({ rows, columns, cost, total }) => {
    expect(assign(Float64Array.from(cost), rows, columns).cost).toBeCloseTo(total, 9);
  });

  it.each(golden.transports)('transport $sources x $sinks as a linear programme does', (problem) => {
    const { sources, sinks, cost, total } = problem;
    expect(transport(Float64Array.from(cost), sources, sinks).cost).toBeCloseTo(total, 9);
  });
});

describe.each(golden.cases)('$about', (one) => {
  const rows = ({ tokens }: Side) => ({ dim: one.dim, data: Float32Array.from(tokens) });
  const reference = rows(one.reference);
  const target = rows(one.target);
  const foreground = Int32Array.from(one.foreground);
  const similarity = cosines(pickRows(reference, foreground), target);
  const forward = forwardPairs(similarity, foreground);
  const matches = backwardPairs(forward, cosines(pickRows(target, forward.targetPatches), reference), foreground);
  const points = matches.kept.map(({ targetPatch }) => patchCentre(targetPatch, one.target.grid, one.size));
  const proposals = one.masks.logits.map((logits) =>
    toProposal({ logits: { size: one.masks.size, data: Float32Array.from(logits) }, iouPrediction: 1 }),
  );
  const basis = { similarity, foreground: foreground.length, grid: one.target.grid, points, target: one.size };
  const scores = proposals.map(({ mask }) => scoreMask(mask, basis));

  it('gives the same pairs', () => {
    const same = (found: readonly AssignedPair[], expected: readonly Pair[]) => {
      const byTarget = (a: readonly number[], b: readonly number[]) => a[1] - b[1];
      const indices = found.map(({ referencePatch, targetPatch, backPatch }) => [
        referencePatch,
        targetPatch,
        backPatch,
      ]);
      expect(indices.sort(byTarget)).toEqual(expected.map(([i, j, back]) => [i, j, back]).sort(byTarget));
    };
    same(matches.kept, one.kept);
    same(matches.weaker, one.weaker);
    same(matches.rejected, one.rejected);
    expect(matches.returned).toBe(one.returned);
    for (const [at, { cosine }] of matches.kept.entries()) expect(cosine).toBeCloseTo(one.kept[at][3], 5);
  });

  it('gives the same points', () => {
    expect(points.map(({ x, y }) => [x, y])).toEqual(one.points);
  });

  it('gives the same scores', () => {
    scores.forEach(({ emd, purity, coverage }: MaskScores, index) => {
      expect(emd).toBeCloseTo(one.scores[index][0], 5);
      expect(purity).toBeCloseTo(one.scores[index][1], 9);
      expect(coverage).toBeCloseTo(one.scores[index][2], 9);
      expect(proposals[index].stability).toBeCloseTo(one.stabilities[index], 9);
    });
  });

  it.each(['semantic', 'object', 'part'] as const)('selects the same masks, %s', (preset) => {
    const { rules, indices } = one.selected[preset];
    expect(MATCHER_SETTINGS[preset].selection).toEqual(rules);
    expect(select(scores, rules)).toEqual(indices);
  });
});
