import { describe, expect, it } from 'vitest';
import { backwardVotes, joinRegions, type TargetEvidence } from '../../src/core/strategies/cluster/regionJoin';
import { clusterTokens } from '../../src/core/strategies/cluster/tokenClusters';
import { meanDirection } from '../../src/core/tokens/tokenRows';

describe('backwardVotes', () => {
  it('goes to the side of the most similar reference patch; equals and nothing go to the background', () => {
    // Three patches, two tokens of the foreground and three of the background.
    const similarity = Float32Array.of(0.1, 0.9, 0.8, 0.2, 0.1, 0.5, 0.4, 0.5, 0.1, 0.1, 0.2, 0.3, 0.9, 0.1, 0.1);
    expect([...backwardVotes(similarity, 3, 2)]).toEqual([1, 0, 0]);
    expect([...backwardVotes(Float32Array.of(0.1, -0.5), 2, 1)]).toEqual([1, 1]);
  });
});

describe('joinRegions', () => {
  const drawing = ['aab...', 'aab...', '....aa', 'cc..aa'];
  const kinds: Record<string, number[]> = { a: [1, 0.1, 0], b: [0.9, 0.5, 0], c: [0.3, 0, 1], '.': [0, 1, 0.1] };
  const grid = { width: 6, height: 4 };
  const data = Float32Array.from(
    [...drawing.join('')].flatMap((kind) => {
      const length = Math.hypot(...kinds[kind]);
      return kinds[kind].map((value) => value / length);
    }),
  );
  const tokens = { grid, dim: 3, data, normalised: true };
  const clusters = clusterTokens(tokens, 0.05);
  const prototype = meanDirection({ dim: 3, data: Float32Array.of(1, 0.2, 0) });
  const is = (...kindNames: string[]) =>
    Uint8Array.from([...drawing.join('')], (kind) => (kindNames.includes(kind) ? 1 : 0));
  const evidence = (votes: Uint8Array, leastSimilarity = 0.5): TargetEvidence => ({
    tokens,
    grid,
    clusters,
    votes,
    prototype,
    leastSimilarity,
  });
  const drawn = (scores: Float32Array) => Array.from(scores, (score) => (score > 0 ? '#' : '.')).join('');

  it('joins what is like the seed and the prototype, touching or not', () => {
    const found = joinRegions(evidence(is('a', 'b', 'c')));
    expect(drawn(found!.scores.data)).toBe(drawing.join('').replace(/[^ab]/g, '.').replace(/[ab]/g, '#'));
    expect(found!.scores.size).toEqual(grid);
    expect(found!.joined).toBe(3);
  });

  it('weighs votes: a region that few patches vote for stays out', () => {
    const found = joinRegions(evidence(is('a')));
    expect(drawn(found!.scores.data)).toBe(drawing.join('').replace(/[^a]/g, '.').replace(/a/g, '#'));
    expect(Math.max(...found!.scores.data)).toBeLessThanOrEqual(0.8);
    expect(Math.min(...found!.scores.data)).toBe(Math.fround(-0.2));
  });

  it('starts from a region of few votes where none has more', () => {
    const one = is();
    one[drawing.join('').indexOf('a')] = 1;
    const found = joinRegions(evidence(one))!;
    expect(
      Array.from(found.scores.data, (score, patch) => (score > 0 ? patch : -1)).filter((patch) => patch >= 0),
    ).toEqual([drawing.join('').indexOf('a')]);
  });

  it('finds no seed where no patch votes, or no region is like the prototype', () => {
    expect(joinRegions(evidence(is()))).toBeUndefined();
    expect(joinRegions(evidence(is('c'), 0.5))).toBeUndefined();
  });
});
