/** Feature space, stage by stage, against the golden arrays: forward, backward and self matching, hard negatives. */
import { describe, expect, it } from 'vitest';
import {
  backwardMatches,
  consistency,
  emptyTable,
  farthestMatches,
  forwardMatches,
  hardNegatives,
  type Match,
  proposedTargets,
  samplePatches,
  selfMatches,
} from '../../src/core/tokens/matching';
import { golden, promptCases, setsOf, tokensOf } from '../goldenCases';
import { matchTokens, meanTokenDistances } from '../oracles';

const targets = (matches: readonly Match[]) => matches.map((match) => match.targetPatch);

describe.each(promptCases)('matching, golden case %s', (name) => {
  const data = golden(name);
  const sets = setsOf(data.support);
  const target = tokensOf(data.target, data.dim);
  const table = matchTokens(tokensOf(data.reference, data.dim), target, sets);
  const expected = data.matching;

  it('finds nearest and farthest neighbours, ties to the lowest index', () => {
    expect(table.nearestTarget).toHaveLength(expected.nearestTarget.length);
    for (const i of [...sets.foreground, ...sets.background]) {
      expect(table.nearestTarget[i]).toBe(expected.nearestTarget[i]);
      expect(table.nearestTargetDistance[i]).toBeCloseTo(expected.nearestTargetDistance[i], 4);
    }
    for (const i of sets.foreground) {
      expect(table.farthestTarget[i]).toBe(expected.farthestTarget[i]);
      expect(table.farthestTargetDistance[i]).toBeCloseTo(expected.farthestTargetDistance[i], 4);
    }
    for (const j of proposedTargets(table, sets)) {
      expect(table.nearestReference[j]).toBe(expected.nearestReference[j]);
      expect(table.nearestReferenceDistance[j]).toBeCloseTo(expected.nearestReferenceDistance[j], 4);
    }
  });

  it('lets only foreground and background patches propose', () => {
    const proposing = new Set([...sets.foreground, ...sets.background]);
    table.nearestTarget.forEach((patch, i) => {
      if (!proposing.has(i)) expect(patch).toBe(-1);
    });
  });

  it('proposes, checks backwards, drops outliers', () => {
    const { apMedsam } = data;
    const positives = forwardMatches(table, sets.foreground);
    expect(targets(positives)).toEqual(apMedsam.positives);
    const back = backwardMatches(positives, sets.foreground);
    expect(targets(back.kept)).toEqual(apMedsam.positivesBackward);
    expect(back.kept.length + back.rejected.length).toBe(positives.length);
    const means = meanTokenDistances(target, targets(back.kept));
    apMedsam.selfMeans?.forEach((mean, index) => {
      expect(means[index]).toBeCloseTo(mean, 4);
    });
    expect(targets(selfMatches(back.kept, means).kept)).toEqual(apMedsam.positivesSelf);
  });

  it('samples hard negatives', () => {
    if (data.apMedsam.hard === null) return;
    const claimed = new Set([...data.apMedsam.positivesBackward, ...data.apMedsam.negativesBackward]);
    const hard = hardNegatives(farthestMatches(table, sets.foreground), sets.foreground);
    expect(targets(hard).filter((patch) => !claimed.has(patch))).toEqual(data.apMedsam.hard);
  });
});

describe('consistency', () => {
  const table = {
    ...emptyTable({ width: 4, height: 1 }, { width: 2, height: 1 }),
    nearestTarget: Int32Array.of(0, 1, 1, -1),
    nearestReference: Int32Array.of(0, 3),
  };

  it('is the share of proposers whose match comes back', () => {
    const foreground = Int32Array.of(0, 1, 2);
    expect(consistency(table, foreground, foreground)).toBeCloseTo(1 / 3, 9);
    expect(consistency(table, Int32Array.of(0), foreground)).toBe(1);
    expect(consistency(table, new Int32Array(), foreground)).toBe(0);
  });
});

describe('sampling patches', () => {
  it('takes all where there are few, else evenly', () => {
    expect([...samplePatches(Int32Array.of(5, 6), 3)]).toEqual([5, 6]);
    expect([...samplePatches(Int32Array.of(0, 1, 2, 3, 4, 5, 6), 3)]).toEqual([0, 2, 4]);
  });
});

describe('forward matching', () => {
  it('keeps the closest proposer of a target patch that is proposed twice', () => {
    const line = (values: number[]) => ({
      grid: { width: values.length, height: 1 },
      dim: 1,
      data: Float32Array.from(values),
      normalised: false,
    });
    const sets = { foreground: Int32Array.of(0, 1, 2), background: new Int32Array() };
    const table = matchTokens(line([1, 2, 3]), line([2.9, 100]), sets);
    expect(forwardMatches(table, sets.foreground)).toEqual([
      expect.objectContaining({ targetPatch: 0, referencePatch: 2, backPatch: 2 }),
    ]);
  });

  it('refuses tokens of different length', () => {
    const tokens = (dim: number) => ({
      grid: { width: 1, height: 1 },
      dim,
      data: new Float32Array(dim),
      normalised: false,
    });
    const sets = { foreground: Int32Array.of(0), background: new Int32Array() };
    expect(() => matchTokens(tokens(3), tokens(4), sets)).toThrow(RangeError);
  });
});
