/**
 * Stage *pixel prior*: what each pixel of a picture and its surroundings look like, as the users of Weka, ilastik and
 * LABKIT describe pixels: colour, edges, ridges, blobs and texture at three scales.
 */
import { area, type Size } from '../geometry';
import { tapsAt } from '../pixels/raster';

/** A picture: uint8 RGB [height, width, 3], row-major, upright. */
export interface RgbPixels {
  readonly size: Size;
  readonly data: Uint8Array;
}

/** float32 [height, width, PIXEL_CHANNELS], row-major, over a whole picture. */
export interface PixelFeatures {
  readonly size: Size;
  readonly data: Float32Array;
}

/** Each scale is twice the one before. (A fourth one gained nothing on 22 sets: Dice .659 and .656.) */
const SCALES = 3;
/** Of a scale: three blurred colours, gradient, both eigenvalues of the Hessian, deviation of the brightness. */
const SCALE_CHANNELS = 7;
const COLOURS = 3;
export const PIXEL_CHANNELS = COLOURS + SCALES * SCALE_CHANNELS;

/** Brightness and two differences of colours, each in [-1, 1]. */
type Colours = readonly Float32Array[];

export function pixelFeatures(pixels: RgbPixels): PixelFeatures {
  const { size } = pixels;
  const data = new Float32Array(area(size) * PIXEL_CHANNELS);
  let level = { size, planes: opponentColours(pixels) };
  for (const [channel, plane] of level.planes.entries()) interleave(plane, data, channel);
  for (let scale = 0; scale < SCALES; scale++) {
    const blurred = level.planes.map((plane) => blur(plane, level.size));
    const described = [
      ...blurred,
      ...shapeOf(blurred[0], level.size),
      deviation(level.planes[0], blurred[0], level.size),
    ];
    for (const [channel, plane] of described.entries()) {
      stretch(plane, level.size, data, size, COLOURS + scale * SCALE_CHANNELS + channel);
    }
    const half = { width: (level.size.width + 1) >> 1, height: (level.size.height + 1) >> 1 };
    level = { size: half, planes: blurred.map((plane) => halve(plane, level.size, half)) };
  }
  return { size, data };
}

function opponentColours({ data }: RgbPixels): Colours {
  const count = data.length / 3;
  const planes = [new Float32Array(count), new Float32Array(count), new Float32Array(count)];
  const [brightness, redGreen, yellowBlue] = planes;
  for (let at = 0, p = 0; at < count; at++, p += 3) {
    const red = data[p] / 255;
    const green = data[p + 1] / 255;
    const blue = data[p + 2] / 255;
    brightness[at] = (red + green + blue) / 3;
    redGreen[at] = red - green;
    yellowBlue[at] = (red + green) / 2 - blue;
  }
  return planes;
}

function interleave(plane: Float32Array, data: Float32Array, channel: number): void {
  for (let at = 0, to = channel; at < plane.length; at++, to += PIXEL_CHANNELS) data[to] = plane[at];
}

/** Writes a plane of a coarser scale as a channel of the whole, bilinearly. */
function stretch(plane: Float32Array, from: Size, data: Float32Array, to: Size, channel: number): void {
  if (from.width === to.width && from.height === to.height) {
    interleave(plane, data, channel);
    return;
  }
  const columns = tapsAt(centres(to.width, from.width), from.width);
  const rows = tapsAt(centres(to.height, from.height), from.height);
  const { index, weight } = columns;
  const row = new Float32Array(from.width + 1);
  let at = channel;
  for (let y = 0; y < to.height; y++) {
    const upper = rows.index[y] * from.width;
    const lower = Math.min(rows.index[y] + 1, from.height - 1) * from.width;
    const down = rows.weight[y];
    for (let x = 0; x < from.width; x++) row[x] = plane[upper + x] + (plane[lower + x] - plane[upper + x]) * down;
    row[from.width] = row[from.width - 1];
    for (let x = 0; x < index.length; x++, at += PIXEL_CHANNELS) {
      const left = row[index[x]];
      data[at] = left + (row[index[x] + 1] - left) * weight[x];
    }
  }
}

/** Where the centres of `to` pixels lie among `from` pixels. */
const centres = (to: number, from: number): Float64Array =>
  Float64Array.from({ length: to }, (_, k) => ((k + 0.5) * from) / to - 0.5);

/** Binomial weights 1 4 6 4 1 along both axes, a deviation of one pixel; beyond the border the last pixel goes on. */
function blur(plane: Float32Array, { width, height }: Size): Float32Array {
  const across = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    const start = y * width;
    const last = start + width - 1;
    for (let x = 0, at = start; x < width; x++, at++) {
      const inside = x > 1 && x < width - 2;
      const a = inside ? at - 2 : Math.max(start, at - 2);
      const b = inside ? at - 1 : Math.max(start, at - 1);
      const c = inside ? at + 1 : Math.min(last, at + 1);
      const d = inside ? at + 2 : Math.min(last, at + 2);
      across[at] = (plane[a] + plane[d] + 4 * (plane[b] + plane[c]) + 6 * plane[at]) / 16;
    }
  }
  const blurred = new Float32Array(plane.length);
  const rowAt = (y: number) => Math.min(Math.max(y, 0), height - 1) * width;
  for (let y = 0; y < height; y++) {
    const [a, b, c, d] = [rowAt(y - 2), rowAt(y - 1), rowAt(y + 1), rowAt(y + 2)];
    for (let x = 0, at = y * width; x < width; x++, at++) {
      blurred[at] = (across[a + x] + across[d + x] + 4 * (across[b + x] + across[c + x]) + 6 * across[at]) / 16;
    }
  }
  return blurred;
}

/** Strength of the gradient, larger and smaller eigenvalue of the Hessian, by differences of neighbours. */
function shapeOf(plane: Float32Array, { width, height }: Size): Float32Array[] {
  const gradient = new Float32Array(plane.length);
  const larger = new Float32Array(plane.length);
  const smaller = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    const here = y * width;
    const above = Math.max(0, y - 1) * width;
    const below = Math.min(height - 1, y + 1) * width;
    for (let x = 0; x < width; x++) {
      const left = x > 0 ? x - 1 : 0;
      const right = x < width - 1 ? x + 1 : x;
      const centre = plane[here + x];
      const west = plane[here + left];
      const east = plane[here + right];
      const north = plane[above + x];
      const south = plane[below + x];
      const dx = (east - west) / 2;
      const dy = (south - north) / 2;
      const xx = west + east - 2 * centre;
      const yy = north + south - 2 * centre;
      const xy = (plane[below + right] - plane[below + left] - plane[above + right] + plane[above + left]) / 4;
      const half = (xx - yy) / 2;
      const spread = Math.sqrt(half * half + xy * xy);
      gradient[here + x] = Math.sqrt(dx * dx + dy * dy);
      larger[here + x] = (xx + yy) / 2 + spread;
      smaller[here + x] = (xx + yy) / 2 - spread;
    }
  }
  return [gradient, larger, smaller];
}

/** Standard deviation of a plane around each pixel, under the weights that blurred it. */
function deviation(plane: Float32Array, blurred: Float32Array, size: Size): Float32Array {
  const squares = blur(
    plane.map((value) => value * value),
    size,
  );
  for (let at = 0; at < squares.length; at++) {
    squares[at] = Math.sqrt(Math.max(0, squares[at] - blurred[at] * blurred[at]));
  }
  return squares;
}

/** The mean of each 2 x 2 pixels. */
function halve(plane: Float32Array, { width, height }: Size, half: Size): Float32Array {
  const halved = new Float32Array(area(half));
  for (let y = 0, to = 0; y < half.height; y++) {
    const upper = 2 * y * width;
    const lower = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < half.width; x++, to++) {
      const left = 2 * x;
      const right = Math.min(left + 1, width - 1);
      halved[to] = (plane[upper + left] + plane[upper + right] + plane[lower + left] + plane[lower + right]) / 4;
    }
  }
  return halved;
}
