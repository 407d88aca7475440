/** From matches to prompts: ap-medsam's two spaces and GBMSeg's script, against the golden arrays. */
import { describe, expect, it } from 'vitest';
import type { PromptCandidate } from '../../src/core/prompting/prompts';
import { scaledRadii } from '../../src/core/prompting/prompts';
import { dualSpacePrompts } from '../../src/core/strategies/apMedSam/dualSpace';
import { gbmsegPrompts } from '../../src/core/strategies/gbmseg/gbmsegPrompts';
import { NO_ABLATION } from '../../src/core/strategies/strategy';
import { expectedObjectSize, meanObjectSize } from '../../src/core/tokens/supportMask';
import { type GoldenCandidate, golden, maskOf, promptCases, setsOf, tokensOf } from '../goldenCases';
import { matchTokens, meanTokenDistances } from '../oracles';

const everything = NO_ABLATION;

function prepare(name: string) {
  const data = golden(name);
  const sets = setsOf(data.support);
  const target = tokensOf(data.target, data.dim);
  return {
    data,
    input: {
      table: matchTokens(tokensOf(data.reference, data.dim), target, sets),
      sets,
      proposers: sets,
      target: data.target.size,
      expectedSize: expectedObjectSize(meanObjectSize(maskOf(data.mask)), data.mask.size, data.target.size),
      meanTokenDistances: async (patches: readonly number[]) => meanTokenDistances(target, patches),
    },
  };
}

describe.each(promptCases)('ap-medsam prompts, golden case %s', (name) => {
  it('gives every candidate with its reason', async () => {
    const { data, input } = prepare(name);
    const candidates = await dualSpacePrompts({ ...input, ablation: everything });
    expect(candidates.map(summary)).toEqual(data.apMedsam.candidates.map(goldenSummary));
    candidates.forEach((candidate, index) => {
      const expected = data.apMedsam.candidates[index];
      expect(candidate.point.x).toBeCloseTo(expected.point[0], 9);
      expect(candidate.point.y).toBeCloseTo(expected.point[1], 9);
      expect(candidate.referencePatch).toBe(expected.referencePatch);
      expect(candidate.backPatch).toBe(expected.backPatch);
      expect(candidate.forwardDistance).toBeCloseTo(expected.forwardDistance, 4);
      expect(candidate.backwardDistance).toBeCloseTo(expected.backwardDistance, 4);
    });
    const absent = !candidates.some(({ label, reason }) => label === 1 && reason === 'kept');
    expect(absent).toBe(data.apMedsam.absent);
  });

  it('scales the radii', () => {
    const { data, input } = prepare(name);
    if (data.apMedsam.rSparse === null || data.apMedsam.rExclusive === null) return;
    const radii = scaledRadii(input.target, input.expectedSize);
    expect(radii.sparse).toBeCloseTo(data.apMedsam.rSparse, 5);
    expect(radii.exclusive).toBeCloseTo(data.apMedsam.rExclusive, 5);
  });
});

describe.each(['aTwoBlobs', 'hLarge'])('ablation, golden case %s', (name) => {
  it.each(['backward', 'self', 'hard', 'sparse', 'exclusive'] as const)('without %s', async (stage) => {
    const { input } = prepare(name);
    const without = golden<Record<string, { candidates: unknown[] }>>(`${name}Without`);
    const candidates = await dualSpacePrompts({ ...input, ablation: { ...everything, [stage]: false } });
    expect(candidates.map(summary)).toEqual(without[stage].candidates);
  });
});

describe.each(promptCases)('gbmseg prompts, golden case %s', (name) => {
  it("reproduces the script's points, the off-image one included", () => {
    const { data, input } = prepare(name);
    const sets = setsOf(data.supportGbmseg);
    const table = matchTokens(tokensOf(data.reference, data.dim), tokensOf(data.target, data.dim), sets);
    const kept = gbmsegPrompts({ table, sets, target: input.target, ablation: everything }).filter(
      ({ reason }) => reason === 'kept',
    );
    expect(kept.map(({ point }) => [point.x, point.y])).toEqual(data.gbmseg.points ?? []);
    expect(kept.map(({ label }) => label)).toEqual(data.gbmseg.labels ?? []);
  });
});

const summary = ({ source, label, targetPatch, reason }: PromptCandidate) => [source, label, targetPatch, reason];

const goldenSummary = ({ source, label, patchIndex, reason }: GoldenCandidate) => [source, label, patchIndex, reason];
