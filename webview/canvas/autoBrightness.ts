/** Black and white points from what a picture holds. */
import type { Brightness } from './layerStyle';

/** Share of the pixels that may become plain black, and as many plain white. */
const CLIPPED = 0.01;

/**
 * The window that leaves at most 1 % of the pixels at either end. A picture of one grey keeps all of the range.
 *
 * @param histogram number of pixels per grey value, [256]
 */
export function brightnessOf(histogram: ArrayLike<number>): Brightness {
  const values = Array.from({ length: 256 }, (_, value) => value);
  const total = values.reduce((sum, value) => sum + histogram[value], 0);
  const beyond = (ordered: readonly number[]): number => {
    let sum = 0;
    return (
      ordered.find((value) => {
        sum += histogram[value];
        return sum > total * CLIPPED;
      }) ?? ordered[0]
    );
  };
  const low = beyond(values);
  const high = beyond([...values].reverse());
  return low < high ? { low, high } : { low: 0, high: 255 };
}

/** Grey values of RGBA pixels, counted. Transparent pixels do not count. */
export function greyHistogram(rgba: Uint8ClampedArray): Float64Array {
  const histogram = new Float64Array(256);
  for (let i = 0; i < rgba.length; i += 4) {
    if (rgba[i + 3] === 0) continue;
    // Weights of ITU-R BT.601.
    histogram[Math.round(0.299 * rgba[i] + 0.587 * rgba[i + 1] + 0.114 * rgba[i + 2])]++;
  }
  return histogram;
}
