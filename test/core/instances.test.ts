import { describe, expect, it } from 'vitest';
import { clusterPositives, instancePrompts, withoutDuplicates } from '../../src/core/prompting/instances';
import type { PromptCandidate } from '../../src/core/prompting/prompts';
import { discs } from '../fakes';

const at = (x: number, y: number, label: 0 | 1 = 1): PromptCandidate => ({
  point: { x, y },
  label,
  reason: 'kept',
  source: 'forward',
  targetPatch: x * 1000 + y,
  referencePatch: 0,
  backPatch: 0,
  forwardDistance: x,
  backwardDistance: 0,
  instance: 0,
});

const places = (list: readonly PromptCandidate[]) => list.map(({ point }) => [point.x, point.y]);

describe('clusters of positives', () => {
  it('are chains of points closer than the link', () => {
    const clusters = clusterPositives([at(0, 0), at(50, 0), at(9, 0), at(18, 0), at(50, 9)], 10);
    expect(clusters.map(places)).toEqual([
      [
        [0, 0],
        [9, 0],
        [18, 0],
      ],
      [
        [50, 0],
        [50, 9],
      ],
    ]);
  });

  it('exclude the link itself, and may be single points', () => {
    expect(clusterPositives([at(0, 0), at(10, 0)], 10)).toHaveLength(2);
    expect(clusterPositives([], 10)).toEqual([]);
  });
});

describe('prompts of an instance', () => {
  it('are its positives, the medoids of the others as negatives, and the common negatives', () => {
    const clusters = [[at(0, 0), at(1, 0), at(2, 0)], [at(50, 50)]];
    const [first, second] = instancePrompts(clusters, [at(30, 30, 0)]);
    expect(places(first)).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [50, 50],
      [30, 30],
    ]);
    expect(first.map(({ label }) => label)).toEqual([1, 1, 1, 0, 0]);
    expect(first.every(({ instance }) => instance === 0)).toBe(true);
    expect(places(second)).toEqual([
      [50, 50],
      [1, 0],
      [30, 30],
    ]);
    expect(second[1]).toMatchObject({ label: 0, source: 'instance', instance: 1 });
  });
});

describe('duplicates', () => {
  const size = { width: 40, height: 40 };
  const a = discs(size, { x: 15, y: 15, radius: 8 });
  const nearA = discs(size, { x: 16, y: 15, radius: 8 });
  const b = discs(size, { x: 30, y: 30, radius: 6 });

  it('give way to the mask with the higher IoU prediction', () => {
    expect(withoutDuplicates([a, nearA, b], [0.5, 0.9, 0.1])).toEqual([1, 2]);
    expect(withoutDuplicates([a, nearA, b], [0.9, 0.9, 0.1])).toEqual([0, 2]);
    expect(withoutDuplicates([], [])).toEqual([]);
  });
});
