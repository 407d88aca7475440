/**
 * A round brush: a stroke is the union of the capsules between its pointer positions, so that a fast hand leaves no
 * gaps.
 */
import type { Box, Point, Size } from '../geometry';
import type { LabelMap } from '../pixels/labelMap';
import { type Ink, InkWriter } from './ink';
import type { LabelChange } from './labelChange';

/** Up to this radius (targetPx) a brush is a pencil one pixel wide, however the pointer lies between pixel centres. */
export const PENCIL_RADIUS = 0.5;

/** Receives pixels [left, right) of a row, inside the image. */
type VisitSpan = (row: number, left: number, right: number) => void;

/** One stroke, written into a label map in place while it is drawn. */
export class Stroke {
  private readonly writer: InkWriter;
  private last: Point | undefined;

  /** @param radius in targetPx. */
  constructor(
    private readonly labels: LabelMap,
    ink: Ink,
    private readonly radius: number,
  ) {
    this.writer = new InkWriter(labels, ink);
  }

  /**
   * Draws from the last position to `point` (targetPx, anywhere). Gives the box of pixels looked at, null if none
   * changed.
   */
  moveTo(point: Point): Box | null {
    const from = this.last ?? point;
    this.last = point;
    const { size } = this.labels;
    let changed = false;
    let box: Box | null = null;
    forEachSpan(size, from, point, this.radius, (row, left, right) => {
      changed = this.writer.write(row * size.width + left, row * size.width + right) || changed;
      box = box
        ? { left: Math.min(box.left, left), top: box.top, right: Math.max(box.right, right), bottom: row + 1 }
        : { left, top: row, right, bottom: row + 1 };
    });
    return changed ? box : null;
  }

  /** The whole stroke as one change, however often a pixel was crossed. */
  change(): LabelChange {
    return this.writer.change();
  }
}

/**
 * Visits the pixels of the brush between two positions, top to bottom, one span per row. Positions and radius in
 * targetPx.
 */
export function forEachSpan(size: Size, from: Point, to: Point, radius: number, visit: VisitSpan): void {
  if (radius <= PENCIL_RADIUS) pencil(size, from, to, visit);
  else capsule(size, from, to, radius, visit);
}

/** Pixels whose centre is at most `radius` from the segment. */
function capsule({ width, height }: Size, from: Point, to: Point, radius: number, visit: VisitSpan): void {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = Math.hypot(dx, dy);
  const first = Math.max(0, Math.ceil(Math.min(from.y, to.y) - radius - 0.5));
  const last = Math.min(height - 1, Math.floor(Math.max(from.y, to.y) + radius - 0.5));
  for (let row = first; row <= last; row++) {
    const y = row + 0.5;
    // A capsule is convex, so a row cuts it in one interval: the hull of what the row cuts from its three parts.
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const end of [from, to]) {
      const squared = radius * radius - (y - end.y) * (y - end.y);
      if (squared < 0) continue;
      const half = Math.sqrt(squared);
      low = Math.min(low, end.x - half);
      high = Math.max(high, end.x + half);
    }
    if (length > 0) {
      // Along the segment 0 <= t <= length, across it |s| <= radius, both linear in x.
      const along = interval(dx / length, ((y - from.y) * dy) / length, 0, length);
      const across = interval(-dy / length, ((y - from.y) * dx) / length, -radius, radius);
      const left = Math.max(along.low, across.low);
      const right = Math.min(along.high, across.high);
      if (left <= right) {
        low = Math.min(low, from.x + left);
        high = Math.max(high, from.x + right);
      }
    }
    const left = Math.max(0, Math.ceil(low - 0.5));
    const right = Math.min(width, Math.floor(high - 0.5) + 1);
    if (left < right) visit(row, left, right);
  }
}

/** Where min <= slope * x + offset <= max. */
function interval(slope: number, offset: number, min: number, max: number): { low: number; high: number } {
  if (slope === 0) {
    const everywhere = offset >= min && offset <= max;
    return everywhere
      ? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
      : { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
  }
  const a = (min - offset) / slope;
  const b = (max - offset) / slope;
  return { low: Math.min(a, b), high: Math.max(a, b) };
}

/** The pixels under both positions and an 8-connected line between them. */
function pencil({ width, height }: Size, from: Point, to: Point, visit: VisitSpan): void {
  const [a, b] = from.y <= to.y ? [from, to] : [to, from];
  const x = Math.floor(a.x);
  const y = Math.floor(a.y);
  const dx = Math.floor(b.x) - x;
  const dy = Math.floor(b.y) - y;
  const steps = Math.max(Math.abs(dx), dy);
  const spans = new Map<number, { left: number; right: number }>();
  for (let step = 0; step <= steps; step++) {
    const column = x + (steps === 0 ? 0 : Math.round((dx * step) / steps));
    const row = y + (steps === 0 ? 0 : Math.round((dy * step) / steps));
    if (column < 0 || column >= width || row < 0 || row >= height) continue;
    const span = spans.get(row);
    if (!span) spans.set(row, { left: column, right: column + 1 });
    else {
      span.left = Math.min(span.left, column);
      span.right = Math.max(span.right, column + 1);
    }
  }
  for (const [row, { left, right }] of spans) visit(row, left, right);
}
