/**
 * How alike two masks are: Dice (1945), IoU (Jaccard 1912) and the boundary F-score of DAVIS (Perazzi et al., CVPR
 * 2016). Two empty masks agree perfectly (1); an empty and a non-empty one not at all (0). Every measure is in [0, 1].
 */
import type { Size } from '../geometry';
import { checkMask, checkSameSize, createMask, foregroundArea, type Mask } from './mask';

/** Twice the common area over the sum of both areas. */
export function dice(a: Mask, b: Mask): number {
  const { common, total } = overlap(a, b);
  return total === 0 ? 1 : (2 * common) / total;
}

/** Common area over the area of the union. */
export function iou(a: Mask, b: Mask): number {
  const { common, total } = overlap(a, b);
  return total === 0 ? 1 : common / (total - common);
}

/**
 * Boundary pixels: foreground with at least one of its 4 neighbours in the background. What lies outside the image
 * counts as background, so a full mask has the frame of the image as its boundary.
 */
export function boundary(mask: Mask): Mask {
  checkMask(mask);
  const { size, data } = mask;
  const { width, height } = size;
  const result = createMask(size);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (data[i] === 0) continue;
      const inner =
        y > 0 &&
        y < height - 1 &&
        x > 0 &&
        x < width - 1 &&
        data[i - width] === 1 &&
        data[i + width] === 1 &&
        data[i - 1] === 1 &&
        data[i + 1] === 1;
      if (!inner) result.data[i] = 1;
    }
  }
  return result;
}

/** Tolerance of DAVIS in pixels: 0.008 of the image diagonal, rounded up as in its released code. */
export function defaultTolerance(size: Size): number {
  return Math.ceil(0.008 * Math.hypot(size.width, size.height));
}

/**
 * Boundary F-score: harmonic mean of the share of a's boundary pixels that lie within `tolerance` pixels (Euclidean,
 * between pixel centres, inclusive) of b's boundary, and the reverse. Where DAVIS thins its boundaries to lie between
 * pixels, this keeps whole boundary pixels.
 */
export function boundaryF(a: Mask, b: Mask, tolerance: number = defaultTolerance(a.size)): number {
  checkSameSize(a, b);
  if (!(tolerance >= 0)) throw new RangeError(`tolerance is at least 0 pixels, got ${tolerance}`);
  const boundaryA = boundary(a);
  const boundaryB = boundary(b);
  const areaA = foregroundArea(boundaryA);
  const areaB = foregroundArea(boundaryB);
  if (areaA === 0 || areaB === 0) return areaA === areaB ? 1 : 0;
  const precision = overlap(boundaryA, dilate(boundaryB, tolerance)).common / areaA;
  const recall = overlap(boundaryB, dilate(boundaryA, tolerance)).common / areaB;
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/** Pixels whose centre is within `radius` pixels (Euclidean, inclusive) of a foreground pixel's centre. */
export function dilate(mask: Mask, radius: number): Mask {
  checkMask(mask);
  const { width, height } = mask.size;
  const reach = Math.min(Math.floor(radius), height - 1);
  // A disc is one span per row; each span is a +1 and a -1 in that row, summed once at the end. Cost: pixels x radius.
  const stride = width + 1;
  const changes = new Int32Array(stride * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (mask.data[y * width + x] === 0) continue;
      const top = Math.max(-reach, -y);
      const bottom = Math.min(reach, height - 1 - y);
      for (let dy = top; dy <= bottom; dy++) {
        const half = Math.floor(Math.sqrt(radius * radius - dy * dy));
        const row = (y + dy) * stride;
        changes[row + Math.max(0, x - half)]++;
        changes[row + Math.min(width, x + half + 1)]--;
      }
    }
  }
  const result = createMask(mask.size);
  for (let y = 0; y < height; y++) {
    let depth = 0;
    for (let x = 0; x < width; x++) {
      depth += changes[y * stride + x];
      if (depth > 0) result.data[y * width + x] = 1;
    }
  }
  return result;
}

function overlap(a: Mask, b: Mask): { common: number; total: number } {
  checkSameSize(a, b);
  checkMask(a);
  checkMask(b);
  let common = 0;
  let total = 0;
  for (let i = 0; i < a.data.length; i++) {
    common += a.data[i] & b.data[i];
    total += a.data[i] + b.data[i];
  }
  return { common, total };
}
