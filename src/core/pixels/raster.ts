/**
 * Resizing of float maps (decoder logits, similarities) and masks. Both frames cover the same rectangle and pixel
 * centres lie at half-integers (see geometry.ts), so nothing drifts: as torch's interpolate with align_corners=False.
 */
import { area, describeSize, type Size, sameSize } from '../geometry';
import { checkMask, createMask, type Mask, type RunMask } from './mask';

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
  return blendAll(openBlender(map, size));
}

/** The map where these rows and columns lie in it, see `tapsAt`; bilinear, as `resizeBilinear`. */
export function resampleBilinear(map: FloatMap, rows: Taps, columns: Taps): FloatMap {
  checkMap(map);
  return blendAll(blenderOf(map, rows, columns));
}

function blendAll(blender: Blender): FloatMap {
  const size = { width: blender.columns.index.length, height: blender.rows.index.length };
  const data = new Float32Array(area(size));
  for (let y = 0; y < size.height; y++) {
    blendRow(blender, y);
    blendColumns(blender, data, y * size.width);
  }
  return { size, data };
}

/**
 * The pixels of `resizeBilinear(map, size)` that are greater than `threshold`, without holding that map: one row of it
 * is all that exists at a time.
 */
export function thresholdToMask(map: FloatMap, size: Size, threshold: number): Mask {
  const mask = createMask(size);
  const { data } = mask;
  const values = new Float32Array(size.width);
  const blender = openBlender(map, size);
  for (let y = 0, at = 0; y < size.height; y++) {
    blendRow(blender, y);
    blendColumns(blender, values, 0);
    for (let x = 0; x < values.length; x++, at++) data[at] = values[x] > threshold ? 1 : 0;
  }
  return mask;
}

/**
 * `toRuns(thresholdToMask(map, size, threshold))`, the very same pixels, in time proportional to size.height x
 * map.size.width and the number of runs instead of the number of pixels.
 *
 * Between two columns of the map the value rises or falls steadily, with its rounding too: the weights rise, and
 * product, sum and conversion to float32 never turn an order around. So a stretch of pixels between two columns changes
 * sides once at most, and its ends tell whether it does.
 */
export function thresholdToRuns(map: FloatMap, size: Size, threshold: number): RunMask {
  const blender = openBlender(map, size);
  const { blended } = blender;
  const { weight } = blender.columns;
  const { starts, left, firstWeight, lastWeight } = stretchesOf(blender.columns);
  const runs: number[] = [];
  let inside = false;
  let runStart = 0;
  for (let y = 0; y < size.height; y++) {
    blendRow(blender, y);
    const rowStart = y * size.width;
    for (let i = 0; i < left.length; i++) {
      const base = blended[left[i]];
      const step = blended[left[i] + 1] - base;
      const startsInside = Math.fround(base + step * firstWeight[i]) > threshold;
      if (startsInside !== inside) {
        runs.push(rowStart + starts[i] - runStart);
        runStart = rowStart + starts[i];
        inside = startsInside;
      }
      const endsInside = Math.fround(base + step * lastWeight[i]) > threshold;
      if (endsInside === inside) continue;
      let before = starts[i];
      let after = starts[i + 1] - 1;
      while (after - before > 1) {
        const middle = (before + after) >> 1;
        if (Math.fround(base + step * weight[middle]) > threshold === inside) before = middle;
        else after = middle;
      }
      runs.push(rowStart + after - runStart);
      runStart = rowStart + after;
      inside = endsInside;
    }
  }
  runs.push(area(size) - runStart);
  return { size, runs: Uint32Array.from(runs) };
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

/**
 * Source index under the centre of each of `to` pixels. Whole numbers divided once: exact where centres meet borders.
 */
function nearest(from: number, to: number): Int32Array {
  return Int32Array.from({ length: to }, (_, k) => Math.floor(((2 * k + 1) * from) / (2 * to)));
}

/**
 * Blends the map's rows to what they are at the height of a row of the resized map. Plain functions read it, not
 * closures: the optimised code of a closure is lost with the closure, and a call per image would never be fast.
 */
interface Blender {
  readonly map: FloatMap;
  readonly rows: Taps;
  readonly columns: Taps;
  /** One row of the map, and one value more, as the last column's right neighbour. */
  readonly blended: Float32Array;
}

function openBlender(map: FloatMap, size: Size): Blender {
  const { width, height } = map.size;
  checkMap(map);
  checkResize(map.size, size);
  return blenderOf(map, taps(height, size.height), taps(width, size.width));
}

function blenderOf(map: FloatMap, rows: Taps, columns: Taps): Blender {
  return { map, rows, columns, blended: new Float32Array(map.size.width + 1) };
}

/** Fills `blended` for row `y` of the resized map. */
function blendRow({ map, rows, blended }: Blender, y: number): void {
  const { data } = map;
  const { width, height } = map.size;
  const upper = rows.index[y] * width;
  const lower = Math.min(rows.index[y] + 1, height - 1) * width;
  const down = rows.weight[y];
  for (let x = 0; x < width; x++) {
    const value = data[upper + x];
    blended[x] = value + (data[lower + x] - value) * down;
  }
  blended[width] = blended[width - 1];
}

/** Writes the blended row at all columns of the resized map to `values`, from `offset`. */
function blendColumns({ columns, blended }: Blender, values: Float32Array, offset: number): void {
  const { index, weight } = columns;
  for (let x = 0; x < index.length; x++) {
    const left = blended[index[x]];
    values[offset + x] = left + (blended[index[x] + 1] - left) * weight[x];
  }
}

/** Single pixels (x, y) of `resizeBilinear(map, size)`; cheap where neighbours in a row are asked for in turn. */
export function bilinearSampler(map: FloatMap, size: Size): (x: number, y: number) => number {
  const blender = openBlender(map, size);
  const { blended } = blender;
  const { index, weight } = blender.columns;
  let row = -1;
  return (x, y) => {
    if (y !== row) blendRow(blender, y);
    row = y;
    const left = blended[index[x]];
    return Math.fround(left + (blended[index[x] + 1] - left) * weight[x]);
  };
}

/** Pixels along one axis of a map that others are made from. */
export interface Taps {
  /** The left (upper) neighbour of each pixel. */
  readonly index: Int32Array;
  /** The weight of the one after it, in [0, 1). */
  readonly weight: Float64Array;
}

/** Where each of `to` pixels lies among `from` pixels. */
export function taps(from: number, to: number): Taps {
  const positions = new Float64Array(to);
  for (let k = 0; k < to; k++) positions[k] = ((k + 0.5) * from) / to - 0.5;
  return tapsAt(positions, from);
}

/**
 * Of positions along an axis of `from` pixels, whose centres are whole numbers; beyond the border the last pixel goes
 * on.
 */
export function tapsAt(positions: Float64Array, from: number): Taps {
  const index = new Int32Array(positions.length);
  const weight = new Float64Array(positions.length);
  for (let k = 0; k < positions.length; k++) {
    const position = Math.min(from - 1, Math.max(0, positions[k]));
    index[k] = Math.floor(position);
    weight[k] = position - index[k];
  }
  return { index, weight };
}

/** Stretches of pixels with the same left neighbour, from left to right. */
interface Stretches {
  /** The first pixel of each, and after them the end of the last one. */
  readonly starts: Int32Array;
  /** The left neighbour. */
  readonly left: Int32Array;
  /** The weights of the first and the last pixel. */
  readonly firstWeight: Float64Array;
  readonly lastWeight: Float64Array;
}

function stretchesOf({ index, weight }: Taps): Stretches {
  const firsts: number[] = [];
  for (let x = 0; x < index.length; x++) if (x === 0 || index[x] !== index[x - 1]) firsts.push(x);
  const starts = Int32Array.from([...firsts, index.length]);
  return {
    starts,
    left: Int32Array.from(firsts, (x) => index[x]),
    firstWeight: Float64Array.from(firsts, (x) => weight[x]),
    lastWeight: Float64Array.from(firsts, (_, i) => weight[starts[i + 1] - 1]),
  };
}

function checkMap({ size, data }: FloatMap): void {
  if (data.length !== area(size)) {
    throw new RangeError(`map of ${describeSize(size)} needs ${area(size)} values, got ${data.length}`);
  }
}

function checkResize(from: Size, to: Size): void {
  if (area(from) < 1 || !(area(to) >= 1)) {
    throw new RangeError(`cannot resize ${describeSize(from)} to ${describeSize(to)}: a side is 0`);
  }
}
