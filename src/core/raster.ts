/**
 * Resizing of float maps (decoder logits, similarities) and masks. Both frames cover the same rectangle and pixel centres
 * lie at half-integers (see geometry.ts), so nothing drifts: as torch's interpolate with align_corners=False.
 */
import { area, describeSize, type Size, sameSize } from './geometry';
import { checkMask, createMask, type Mask } from './mask';

/** Finite values over a whole image: float32 [height, width], row-major. */
export interface FloatMap {
  readonly size: Size;
  readonly data: Float32Array;
}

/**
 * Bilinear resize with half-pixel centres, clamped at the border, without antialiasing: the numbers of torch's
 * interpolate(mode='bilinear', align_corners=False). To shrink by more than 2, use a filter that averages instead.
 */
export function resizeBilinear(map: FloatMap, size: Size): FloatMap {
  const data = new Float32Array(area(size));
  forEachBilinearRow(map, size, (values, y) => data.set(values, y * size.width));
  return { size, data };
}

/**
 * The pixels of `resizeBilinear(map, size)` that are greater than `threshold`, without holding that map: one row of it
 * is all that exists at a time.
 */
export function thresholdToMask(map: FloatMap, size: Size, threshold: number): Mask {
  const mask = createMask(size);
  const { data } = mask;
  forEachBilinearRow(map, size, (values, y) => {
    const start = y * size.width;
    for (let x = 0; x < values.length; x++) data[start + x] = values[x] > threshold ? 1 : 0;
  });
  return mask;
}

/** Nearest-neighbour resize: each pixel takes the value under its centre. */
export function resizeMaskNearest(mask: Mask, size: Size): Mask {
  checkMask(mask);
  checkResize(mask.size, size);
  if (sameSize(mask.size, size)) return { size, data: mask.data.slice() };
  const result = createMask(size);
  const source = mask.data;
  const target = result.data;
  const columns = nearest(mask.size.width, size.width);
  const rows = nearest(mask.size.height, size.height);
  for (let y = 0; y < size.height; y++) {
    const from = rows[y] * mask.size.width;
    const to = y * columns.length;
    for (let x = 0; x < columns.length; x++) target[to + x] = source[from + columns[x]];
  }
  return result;
}

/** Source index under the centre of each of `to` pixels. Whole numbers divided once: exact where centres meet borders. */
function nearest(from: number, to: number): Int32Array {
  return Int32Array.from({ length: to }, (_, k) => Math.floor(((2 * k + 1) * from) / (2 * to)));
}

/** Calls `visit` with each row of the resized map, top to bottom; `values` is reused for the next row. */
function forEachBilinearRow(map: FloatMap, size: Size, visit: (values: Float32Array, y: number) => void): void {
  const { width, height } = map.size;
  if (map.data.length !== area(map.size)) {
    throw new RangeError(`map of ${describeSize(map.size)} needs ${area(map.size)} values, got ${map.data.length}`);
  }
  checkResize(map.size, size);
  const { data } = map;
  const rows = taps(height, size.height);
  const { index, weight } = taps(width, size.width);
  // One more value than the source is wide: the right neighbour of the last column is that column again.
  const blended = new Float32Array(width + 1);
  const values = new Float32Array(size.width);
  for (let y = 0; y < size.height; y++) {
    const upper = rows.index[y] * width;
    const lower = Math.min(rows.index[y] + 1, height - 1) * width;
    const down = rows.weight[y];
    for (let x = 0; x < width; x++) {
      const value = data[upper + x];
      blended[x] = value + (data[lower + x] - value) * down;
    }
    blended[width] = blended[width - 1];
    for (let x = 0; x < values.length; x++) {
      const left = blended[index[x]];
      values[x] = left + (blended[index[x] + 1] - left) * weight[x];
    }
    visit(values, y);
  }
}

/** For each of `to` pixels: its left (upper) neighbour among `from` pixels and the weight of the one after it. */
function taps(from: number, to: number): { index: Int32Array; weight: Float64Array } {
  const index = new Int32Array(to);
  const weight = new Float64Array(to);
  for (let k = 0; k < to; k++) {
    const position = Math.min(from - 1, Math.max(0, ((k + 0.5) * from) / to - 0.5));
    index[k] = Math.floor(position);
    weight[k] = position - index[k];
  }
  return { index, weight };
}

function checkResize(from: Size, to: Size): void {
  if (area(from) < 1 || !(area(to) >= 1)) {
    throw new RangeError(`cannot resize ${describeSize(from)} to ${describeSize(to)}: a side is 0`);
  }
}
