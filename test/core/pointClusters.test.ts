import { describe, expect, it } from 'vitest';
import { type Point, squaredDistance } from '../../src/core/geometry';
import { pointCentres } from '../../src/core/strategies/matcher/pointClusters';
import { seededRandom } from '../seeded';

const random = seededRandom(17);
const around = (x: number, y: number, count: number): Point[] =>
  Array.from({ length: count }, () => ({ x: x + 6 * random() - 3, y: y + 6 * random() - 3 }));

const spreadOf = (points: readonly Point[], centres: readonly Point[]): number =>
  points.reduce((sum, point) => sum + Math.min(...centres.map((centre) => squaredDistance(point, centre))), 0);

describe('pointCentres', () => {
  it('finds clusters that lie apart, from nearly any seed', () => {
    const groups = [around(10, 10, 9), around(90, 20, 14), around(50, 80, 7)];
    const best = groups.reduce((sum, group) => sum + spreadOf(group, pointCentres(group, 1, random)), 0);
    let found = 0;
    for (let seed = 0; seed < 50; seed++) {
      const centres = pointCentres(groups.flat(), 3, seededRandom(seed));
      expect(centres).toHaveLength(3);
      if (spreadOf(groups.flat(), centres) < best + 1e-6) found++;
    }
    // Two first centres in one cluster happen, seldom, because a draw is in proportion to squared distances.
    expect(found).toBeGreaterThan(45);
  });

  it('ends where each centre is the mean of the points nearest to it', () => {
    const points = around(50, 50, 60).map(({ x, y }) => ({ x: 10 * x, y: 10 * y }));
    const centres = pointCentres(points, 8, seededRandom(4));
    for (const centre of centres) {
      const own = points.filter((point) =>
        centres.every((c) => squaredDistance(point, centre) <= squaredDistance(point, c)),
      );
      expect(own.reduce((sum, { x }) => sum + x, 0) / own.length).toBeCloseTo(centre.x, 6);
      expect(own.reduce((sum, { y }) => sum + y, 0) / own.length).toBeCloseTo(centre.y, 6);
    }
    // Better than eight of the points as they come.
    expect(spreadOf(points, centres)).toBeLessThan(spreadOf(points, points.slice(0, 8)));
  });

  it('gives the points themselves where there are no more, and does not stumble over equal ones', () => {
    const points = around(0, 0, 5);
    expect(pointCentres(points, 8, random)).toEqual(points);
    const same = Array.from({ length: 12 }, () => ({ x: 1, y: 2 }));
    expect(pointCentres(same, 3, random)).toEqual(same.slice(0, 3));
  });

  it('is the same for the same seed', () => {
    const points = around(0, 0, 40);
    expect(pointCentres(points, 8, seededRandom(1))).toEqual(pointCentres(points, 8, seededRandom(1)));
  });
});
