/** Sparse and exclusive sampling against brute force on random points, ties included. */
import { describe, expect, it } from 'vitest';
import type { Point } from '../../src/core/geometry';
import {
  exclusiveSampling,
  GBMSEG_RADII,
  MOST_POSITIVES,
  type PromptCandidate,
  type PromptReason,
  scaledRadii,
  sparseSampling,
  spreadPoints,
  toCandidate,
} from '../../src/core/prompting/prompts';
import { seededRandom } from '../seeded';

function candidate(targetPatch: number, point: Point, changes: Partial<PromptCandidate> = {}): PromptCandidate {
  return {
    targetPatch,
    referencePatch: 0,
    backPatch: 0,
    forwardDistance: 0,
    backwardDistance: 0,
    point,
    label: 1,
    reason: 'kept',
    source: 'forward',
    instance: 0,
    ...changes,
  };
}

/** Points on a coarse lattice, so that many distances are equal; patches in no order. */
function randomCandidates(count: number, random: () => number, spread = 8): PromptCandidate[] {
  const patches = Array.from({ length: count }, (_, i) => i * 3);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [patches[i], patches[j]] = [patches[j], patches[i]];
  }
  return patches.map((patch) =>
    candidate(
      patch,
      { x: Math.floor(random() * spread), y: Math.floor(random() * spread) },
      { forwardDistance: Math.floor(random() * 4) / 4 },
    ),
  );
}

const away = (a: PromptCandidate, b: PromptCandidate) => Math.hypot(a.point.x - b.point.x, a.point.y - b.point.y);
const toNearest = (one: PromptCandidate, others: readonly PromptCandidate[]) =>
  Math.min(Number.POSITIVE_INFINITY, ...others.map((other) => away(one, other)));
const reasons = (candidates: readonly PromptCandidate[]) => candidates.map(({ reason }) => reason);
const patches = (candidates: readonly PromptCandidate[]) => candidates.map(({ targetPatch }) => targetPatch);

const random = seededRandom(5);
const clouds = [0, 1, 2, 3, 7, 20, 45].flatMap((count) => [
  randomCandidates(count, random),
  randomCandidates(count, random, 40),
]);

describe('spreadPoints', () => {
  /** The patches chosen, the best by search through all that are left. */
  function chosenByForce(positives: readonly PromptCandidate[], limit: number): Set<number> {
    const chosen: PromptCandidate[] = [];
    while (chosen.length < Math.min(limit, positives.length)) {
      const left = positives.filter((one) => !chosen.includes(one));
      left.sort(
        (a, b) =>
          (chosen.length === 0 ? a.forwardDistance - b.forwardDistance : toNearest(b, chosen) - toNearest(a, chosen)) ||
          a.targetPatch - b.targetPatch,
      );
      chosen.push(left[0]);
    }
    return new Set(patches(chosen));
  }

  it('keeps the points that farthest-point sampling by search keeps', () => {
    for (const cloud of clouds) {
      for (const limit of [1, 2, 5, MOST_POSITIVES]) {
        const spread = spreadPoints(cloud, limit);
        const chosen = chosenByForce(cloud, limit);
        expect(spread).toEqual(cloud.map((one) => (chosen.has(one.targetPatch) ? one : { ...one, reason: 'thinned' })));
        expect(reasons(spread).filter((reason) => reason === 'kept')).toHaveLength(Math.min(limit, cloud.length));
      }
    }
  });

  it('begins with the best match and goes on with the one farthest away', () => {
    const row = [
      candidate(0, { x: 0, y: 0 }, { forwardDistance: 0.5 }),
      candidate(1, { x: 5, y: 0 }, { forwardDistance: 0.1 }),
      candidate(2, { x: 6, y: 0 }, { forwardDistance: 0.4 }),
      candidate(3, { x: 9, y: 0 }, { forwardDistance: 0.2 }),
    ];
    expect(reasons(spreadPoints(row, 1))).toEqual(['thinned', 'kept', 'thinned', 'thinned']);
    expect(reasons(spreadPoints(row, 2))).toEqual(['kept', 'kept', 'thinned', 'thinned']);
    expect(reasons(spreadPoints(row, 3))).toEqual(['kept', 'kept', 'thinned', 'kept']);
  });

  it('settles ties by the lowest patch, wherever it stands in the list', () => {
    const square = [
      candidate(30, { x: 0, y: 0 }),
      candidate(10, { x: 10, y: 10 }),
      candidate(40, { x: 10, y: 0 }),
      candidate(20, { x: 0, y: 10 }),
    ];
    expect(reasons(spreadPoints(square, 1))).toEqual(['thinned', 'kept', 'thinned', 'thinned']);
    expect(reasons(spreadPoints(square, 3))).toEqual(['kept', 'kept', 'thinned', 'kept']);
  });

  it('never takes one of several points in the same place twice', () => {
    const heap = [4, 2, 9].map((patch) => candidate(patch, { x: 1, y: 1 }));
    expect(reasons(spreadPoints(heap, 2))).toEqual(['kept', 'kept', 'thinned']);
  });

  it('leaves up to 16 alone, and its argument always', () => {
    const sixteen = randomCandidates(16, seededRandom(1));
    expect(spreadPoints(sixteen)).toEqual(sixteen);
    expect(spreadPoints(sixteen)).not.toBe(sixteen);
    const seventeen = randomCandidates(17, seededRandom(1));
    const before = structuredClone(seventeen);
    expect(reasons(spreadPoints(seventeen)).filter((reason) => reason === 'thinned')).toHaveLength(1);
    expect(seventeen).toEqual(before);
  });
});

describe('sparseSampling', () => {
  it('keeps, from far to near, whatever is no closer than the radius to what it has kept', () => {
    for (const cloud of clouds) {
      for (const positives of [randomCandidates(6, random), randomCandidates(1, random), []]) {
        for (const radius of [0, 1, 2, 3.5, 100]) {
          const order = [...cloud].sort(
            (a, b) =>
              (positives.length === 0 ? 0 : toNearest(b, positives) - toNearest(a, positives)) ||
              a.targetPatch - b.targetPatch,
          );
          const kept: PromptCandidate[] = [];
          const expected = order.map((one): PromptCandidate => {
            const free = kept.every((other) => away(one, other) >= radius);
            if (free) kept.push(one);
            return free ? one : { ...one, reason: 'thinned' };
          });
          const before = structuredClone(cloud);
          const sampled = sparseSampling(cloud, positives, radius);
          expect(sampled).toEqual(expected);
          expect(cloud).toEqual(before);
          if (radius === 0) expect(new Set(reasons(sampled)).has('thinned')).toBe(false);
          if (radius === 100)
            expect(sampled.filter(({ reason }) => reason === 'kept')).toHaveLength(Math.min(1, cloud.length));
        }
      }
    }
  });

  it('keeps what is exactly at the radius', () => {
    const positives = [candidate(99, { x: 0, y: 0 })];
    const row = [3, 6, 8.9].map((x, i) => candidate(i, { x, y: 0 }, { label: 0 }));
    const sampled = sparseSampling(row, positives, 3);
    expect(patches(sampled)).toEqual([2, 1, 0]);
    expect(reasons(sampled)).toEqual(['kept', 'thinned', 'kept']);
    expect(reasons(sparseSampling(row.slice(0, 2), positives, 3))).toEqual(['kept', 'kept']);
  });

  it('is not hindered by what it has thinned', () => {
    const positives = [candidate(99, { x: 0, y: 0 })];
    const row = [10, 8, 6].map((x, i) => candidate(i, { x, y: 0 }, { label: 0 }));
    expect(reasons(sparseSampling(row, positives, 3))).toEqual(['kept', 'thinned', 'kept']);
  });
});

describe('exclusiveSampling', () => {
  it('drops what is closer than the radius to a positive, and keeps order and earlier reasons', () => {
    const others: PromptReason[] = ['kept', 'kept', 'thinned', 'failed backward', 'outlier', 'inconsistent'];
    let dropped = 0;
    for (const cloud of clouds) {
      const negatives = cloud.map(
        (one, i): PromptCandidate => ({ ...one, label: 0, reason: others[i % others.length] }),
      );
      for (const positives of [randomCandidates(4, random), []]) {
        for (const radius of [0, 1, 2, 5]) {
          const expected = negatives.map((one): PromptCandidate => {
            const near = one.reason === 'kept' && toNearest(one, positives) < radius;
            if (near) dropped++;
            return near ? { ...one, reason: 'too close to a positive' } : one;
          });
          const before = structuredClone(negatives);
          expect(exclusiveSampling(negatives, positives, radius)).toEqual(expected);
          expect(negatives).toEqual(before);
        }
      }
    }
    expect(dropped).toBeGreaterThan(20);
  });

  it('keeps what is exactly at the radius', () => {
    const positives = [candidate(99, { x: 0, y: 0 }), candidate(98, { x: 100, y: 0 })];
    const row = [4.99, 5, 95, 95.01].map((x, i) => candidate(i, { x, y: 0 }, { label: 0 }));
    expect(reasons(exclusiveSampling(row, positives, 5))).toEqual([
      'too close to a positive',
      'kept',
      'kept',
      'too close to a positive',
    ]);
  });
});

describe('scaledRadii', () => {
  it("are GBMSeg's at its size and follow the long side", () => {
    expect(GBMSEG_RADII).toEqual({ sparse: 64, exclusive: 128 });
    expect(scaledRadii({ width: 1024, height: 1024 }, 1000)).toEqual({ sparse: 64, exclusive: 128 });
    expect(scaledRadii({ width: 512, height: 100 }, 1000)).toEqual({ sparse: 32, exclusive: 64 });
    expect(scaledRadii({ width: 100, height: 2048 }, 1000)).toEqual({ sparse: 128, exclusive: 256 });
  });

  it('let negatives come within half the size of the object to be expected', () => {
    const size = { width: 1024, height: 768 };
    expect(scaledRadii(size, 256)).toEqual({ sparse: 64, exclusive: 128 });
    expect(scaledRadii(size, 60)).toEqual({ sparse: 64, exclusive: 30 });
    expect(scaledRadii({ width: 2048, height: 768 }, 60)).toEqual({ sparse: 128, exclusive: 30 });
  });
});

describe('toCandidate', () => {
  it('puts a match at the centre of its target patch', () => {
    const match = { targetPatch: 7, referencePatch: 3, backPatch: 2, forwardDistance: 0.5, backwardDistance: 0.25 };
    const about = { label: 0, source: 'hard', reason: 'outlier' } as const;
    // Column 1, row 1 of 6 x 4 cells of 10 x 5 pixels.
    expect(toCandidate(match, { width: 6, height: 4 }, { width: 60, height: 20 }, about)).toEqual({
      ...match,
      ...about,
      point: { x: 15, y: 7.5 },
      instance: 0,
    });
  });
});
