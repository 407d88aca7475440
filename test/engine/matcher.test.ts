/** The matching graph against its specification, the plain loops of core/tokens/matching.ts. */
import { describe, expect, it } from 'vitest';
import type { MatchTable, PatchSets } from '../../src/core/tokens/matching';
import type { PatchTokens } from '../../src/core/tokens/patchGrid';
import { Matcher } from '../../src/engine/matching/matcher';
import { golden, promptCases, setsOf, tokensOf } from '../goldenCases';
import { matchTokens, meanTokenDistances } from '../oracles';
import { seededRandom } from '../seeded';

const indexFields = ['nearestTarget', 'farthestTarget', 'nearestReference'] as const;
const floatFields = ['nearestTargetDistance', 'farthestTargetDistance', 'nearestReferenceDistance'] as const;

function expectSameTable(actual: MatchTable, expected: MatchTable): void {
  for (const field of indexFields) expect([...actual[field]], field).toEqual([...expected[field]]);
  for (const field of floatFields) {
    expect(actual[field]).toHaveLength(expected[field].length);
    actual[field].forEach((value, index) => {
      if (!Number.isFinite(expected[field][index])) expect(value).toBe(expected[field][index]);
      // A distance is the root of a difference of products, so float32 leaves about the root of its precision near
      // zero.
      else expect(Math.abs(value - expected[field][index]), `${field}[${index}]`).toBeLessThan(2e-3);
    });
  }
}

describe.each(promptCases)('matching graph, golden case %s', (name) => {
  it('gives the table of the plain loops', async () => {
    const data = golden(name);
    const sets = setsOf(data.support);
    const reference = tokensOf(data.reference, data.dim);
    const target = tokensOf(data.target, data.dim);
    const matcher = await Matcher.create(reference, sets, 1);
    expectSameTable(await matcher.match(target), matchTokens(reference, target, sets));
    await matcher.dispose();
  });
});

describe('matching graph', () => {
  const random = seededRandom(7);
  const tokens = (width: number, height: number, dim: number): PatchTokens => {
    const data = Float32Array.from({ length: width * height * dim }, () => random() - 0.5);
    for (let at = 0; at < data.length; at += dim) {
      const token = data.subarray(at, at + dim);
      const length = Math.hypot(...token);
      token.forEach((value, k) => {
        token[k] = value / length;
      });
    }
    return { grid: { width, height }, dim, data, normalised: true };
  };
  const reference = tokens(9, 8, 24);
  const target = tokens(11, 7, 24);
  const sets: PatchSets = {
    foreground: Int32Array.of(3, 4, 12, 13, 40, 41),
    background: Int32Array.from({ length: 50 }, (_, i) => i + 20).filter((i) => i !== 40 && i !== 41),
  };

  it('gives the same for normalised tokens as for tokens not known to be normalised', async () => {
    const expected = matchTokens(reference, target, sets);
    for (const normalised of [true, false]) {
      const matcher = await Matcher.create({ ...reference, normalised }, sets, 1);
      expectSameTable(await matcher.match({ ...target, normalised }), expected);
      await matcher.dispose();
    }
  });

  it('does without background', async () => {
    const alone: PatchSets = { ...sets, background: new Int32Array(0) };
    const matcher = await Matcher.create(reference, alone, 1);
    expectSameTable(await matcher.match(target), matchTokens(reference, target, alone));
    await matcher.dispose();
  });

  it('serves targets of different grids', async () => {
    const matcher = await Matcher.create(reference, sets, 1);
    for (const other of [target, tokens(3, 2, 24), tokens(1, 1, 24)]) {
      expectSameTable(await matcher.match(other), matchTokens(reference, other, sets));
    }
    await matcher.dispose();
  });

  it('measures how far matches lie from each other', async () => {
    const matcher = await Matcher.create(reference, sets, 1);
    const patches = [5, 0, 76, 30, 31];
    const expected = meanTokenDistances(target, patches);
    const actual = await matcher.meanTokenDistances(target, patches);
    expect(actual).toHaveLength(5);
    actual.forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index], 3);
    });
    expect([...(await matcher.meanTokenDistances(target, [4]))]).toEqual([0]);
    expect(await matcher.meanTokenDistances(target, [])).toHaveLength(0);
    await matcher.dispose();
  });

  it('refuses tokens of another length, and data that does not fill the grid', async () => {
    const matcher = await Matcher.create(reference, sets, 1);
    await expect(matcher.match(tokens(2, 2, 25))).rejects.toThrow(
      'reference tokens have 24 channels, target tokens 25',
    );
    await expect(matcher.match({ ...target, data: target.data.subarray(1) })).rejects.toThrow(RangeError);
    await matcher.dispose();
  });
});
