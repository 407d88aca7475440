/**
 * k-means with k-means++ centres (Lloyd 1982; Arthur and Vassilvitskii 2007): where Matcher's object setting prompts in
 * stage *prompt sampling*.
 */
import { type Point, squaredDistance } from '../../geometry';

/** Lloyd's steps; tens of points settle in a few. */
const MOST_STEPS = 100;

/**
 * Centres of `count` clusters of the points, or the points themselves where there are no more than that.
 *
 * @param random uniform numbers in [0, 1)
 */
export function pointCentres(points: readonly Point[], count: number, random: () => number): Point[] {
  if (points.length <= count) return [...points];
  let centres = spreadCentres(points, count, random);
  let clusterOf: readonly number[] = [];
  for (let step = 0; step < MOST_STEPS; step++) {
    const next = points.map((point) => nearestTo(point, centres));
    if (next.every((cluster, index) => cluster === clusterOf[index])) break;
    clusterOf = next;
    centres = centres.map((centre, cluster) => meanOf(points.filter((_, index) => next[index] === cluster)) ?? centre);
  }
  return centres;
}

/**
 * k-means++: each next centre is a point, drawn with a probability in proportion to its squared distance to those
 * before.
 */
function spreadCentres(points: readonly Point[], count: number, random: () => number): Point[] {
  const centres = [points[Math.floor(random() * points.length)]];
  while (centres.length < count) {
    const weights = points.map((point) => squaredDistance(point, centres[nearestTo(point, centres)]));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let left = random() * total;
    const drawn = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    // All points lie on a centre, or rounding has run past the last one.
    centres.push(points[drawn < 0 ? weights.lastIndexOf(Math.max(...weights)) : drawn]);
  }
  return centres;
}

function nearestTo(point: Point, centres: readonly Point[]): number {
  let best = 0;
  for (let index = 1; index < centres.length; index++) {
    if (squaredDistance(point, centres[index]) < squaredDistance(point, centres[best])) best = index;
  }
  return best;
}

function meanOf(points: readonly Point[]): Point | undefined {
  if (points.length === 0) return undefined;
  const sum = (pick: (point: Point) => number) => points.reduce((all, point) => all + pick(point), 0) / points.length;
  return { x: sum(({ x }) => x), y: sum(({ y }) => y) };
}
