/**
 * Sizes, points and the frames they live in.
 *
 * Frames: `targetPx` / `referencePx` are pixels of the original, EXIF-upright image; `modelPx` are pixels of a model's
 * input; `patchIndex` counts the cells of a patch grid, row-major. A frame is continuous: pixel (column c, row r)
 * covers [c, c + 1) x [r, r + 1) and its centre is (c + 0.5, r + 0.5). Every frame here covers the same rectangle of
 * the world, so a point moves between two frames by the ratio of their sizes alone, and no half-pixel shift can creep
 * in.
 */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Axis-aligned box, left/top inclusive, right/bottom exclusive, in the frame its owner names. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Number of pixels. */
export const area = (size: Size): number => size.width * size.height;

export const longSide = (size: Size): number => Math.max(size.width, size.height);

export const sameSize = (a: Size, b: Size): boolean => a.width === b.width && a.height === b.height;

/** "640 x 480", as every message to a person writes a size: width first. */
export const describeSize = (size: Size): string => `${size.width} x ${size.height}`;

/** Moves a point from a frame of size `from` to one of size `to` that covers the same rectangle. */
export function moveToFrame(point: Point, from: Size, to: Size): Point {
  return { x: (point.x * to.width) / from.width, y: (point.y * to.height) / from.height };
}

export function squaredDistance(a: Point, b: Point): number {
  const dx = a.x - b.x;
  const dy = a.y - b.y;
  return dx * dx + dy * dy;
}

export const distance = (a: Point, b: Point): number => Math.sqrt(squaredDistance(a, b));
