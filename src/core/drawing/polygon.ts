/** Filling of polygons, row by row. */
import type { Point, Size } from '../geometry';
import type { LabelMap } from '../pixels/labelMap';
import { type Ink, InkWriter } from './ink';
import type { LabelChange } from './labelChange';

/** An edge that goes down: x at a row's centre is `x + slope * (centre - y)`. */
interface Edge {
  readonly x: number;
  readonly y: number;
  readonly slope: number;
  /** First row whose centre it meets, and the row after the last. */
  readonly first: number;
  readonly end: number;
}

/**
 * Writes the inside of a polygon into a label map, in place: the pixels whose centre an odd number of edges surrounds.
 * Centres on a left or upper edge are inside, those on a right or lower one are not, so that neighbours that share an
 * edge share no pixel.
 *
 * @param points in targetPx, anywhere; the last is joined to the first.
 */
export function fillPolygon(labels: LabelMap, points: readonly Point[], ink: Ink): LabelChange {
  const writer = new InkWriter(labels, ink);
  const { width } = labels.size;
  forEachPolygonSpan(labels.size, points, (row, left, right) => writer.write(row * width + left, row * width + right));
  return writer.change();
}

/** Visits the inside of a polygon as spans [left, right) of rows, top to bottom and left to right, cut at the image. */
export function forEachPolygonSpan(
  { width, height }: Size,
  points: readonly Point[],
  visit: (row: number, left: number, right: number) => void,
): void {
  const waiting = edgesOf(points, height).sort((a, b) => a.first - b.first);
  let active: Edge[] = [];
  let next = 0;
  for (let row = waiting[0]?.first ?? height; row < height; row++) {
    active = active.filter((edge) => edge.end > row);
    while (next < waiting.length && waiting[next].first <= row) active.push(waiting[next++]);
    if (active.length === 0 && next === waiting.length) break;
    const crossings = active.map((edge) => edge.x + edge.slope * (row + 0.5 - edge.y)).sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const left = Math.max(0, Math.ceil(crossings[i] - 0.5));
      const right = Math.min(width, Math.ceil(crossings[i + 1] - 0.5));
      if (left < right) visit(row, left, right);
    }
  }
}

/** The edges that meet the centre of any row of the image; level ones meet none. */
function edgesOf(points: readonly Point[], height: number): Edge[] {
  const edges: Edge[] = [];
  points.forEach((point, i) => {
    const other = points[(i + 1) % points.length];
    const [from, to] = point.y <= other.y ? [point, other] : [other, point];
    const first = Math.max(0, Math.ceil(from.y - 0.5));
    const end = Math.min(height, Math.ceil(to.y - 0.5));
    if (first < end) edges.push({ x: from.x, y: from.y, slope: (to.x - from.x) / (to.y - from.y), first, end });
  });
  return edges;
}
