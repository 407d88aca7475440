/**
 * From more than 8 bits to what a screen and an encoder take: windows over intensities, and pixels seen through one. Large
 * images are gone through in bands, between which the process answers others.
 */
import { setImmediate } from 'node:timers/promises';
import type { IntensityWindow } from '../protocol/engineApi';

/** Samples of a deep image, in file order, without alpha. */
export interface DeepPixels {
  /** [height, width, channels], row-major, channels interleaved. */
  readonly values: Float32Array | Uint16Array;
  readonly channels: number;
  /** What to add to a value to get the file's own number. */
  readonly offset: number;
}

/** Quantiles of the automatic window; robust against dead pixels and burnt-in text. */
const WINDOW_QUANTILES = [0.005, 0.995] as const;

/** Values gone through at a time: some milliseconds. */
const BAND = 1 << 20;

/** More values than this are quicker to look up than to compute, where they have 16 bits. */
const WORTH_A_TABLE = 1 << 16;

async function inBands(length: number, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < length; from += BAND) {
    if (from > 0) await setImmediate();
    work(from, Math.min(length, from + BAND));
  }
}

/**
 * uint8 [height, width, 3] or, where there are fewer than three channels, [height, width] of the first one: black at and
 * below the window, white at and above it, linear and rounded between, 0 for NaN.
 */
export async function throughWindow(pixels: DeepPixels, window: IntensityWindow): Promise<Uint8Array> {
  const { values, channels, offset } = pixels;
  const low = window.low - offset;
  const scale = window.high > window.low ? 255 / (window.high - window.low) : Number.POSITIVE_INFINITY;
  const shown = channels < 3 ? 1 : 3;
  // Clamps and rounds on assignment, and makes 0 of NaN.
  const bytes = new Uint8ClampedArray((values.length / channels) * shown);
  if (channels === shown && values instanceof Uint16Array && values.length > WORTH_A_TABLE) {
    const table = Uint8ClampedArray.from({ length: 1 << 16 }, (_, value) => (value - low) * scale);
    await inBands(bytes.length, (from, to) => {
      for (let i = from; i < to; i++) bytes[i] = table[values[i]!]!;
    });
  } else {
    await inBands(bytes.length, (from, to) => {
      for (let i = from; i < to; i++) {
        const channel = i % shown;
        bytes[i] = (values[((i - channel) / shown) * channels + channel]! - low) * scale;
      }
    });
  }
  return new Uint8Array(bytes.buffer);
}

/**
 * Counts of values in 2^20 bins: the sign, exponent and upper 11 fraction bits of a float32. So whole numbers up to 4096
 * (12-bit scanners) are exact and everything else is within 0.05 %, in 4 MB whatever the range and number of images.
 */
export class Histogram {
  private readonly counts = new Uint32Array(1 << 20);
  private readonly float = new Float32Array(1);
  private readonly bits = new Uint32Array(this.float.buffer);

  /** Counts every pixel and channel alike. */
  async add({ values, offset }: DeepPixels): Promise<void> {
    if (values instanceof Uint16Array && values.length > WORTH_A_TABLE) {
      const times = new Uint32Array(1 << 16);
      await inBands(values.length, (from, to) => {
        for (let i = from; i < to; i++) times[values[i]!]!++;
      });
      for (let value = 0; value < times.length; value++) this.count(value + offset, times[value]!);
    } else {
      await inBands(values.length, (from, to) => {
        for (let i = from; i < to; i++) this.count(values[i]! + offset, 1);
      });
    }
  }

  /**
   * From the 0.5th to the 99.5th percentile; [0, 255] when nothing was counted. Where both fall on one value (a nearly empty
   * image), the extremes.
   */
  window(): IntensityWindow {
    let total = 0;
    for (const count of this.counts) total += count;
    if (total === 0) return { low: 0, high: 255 };
    const [low, high] = WINDOW_QUANTILES;
    const window = {
      low: this.valueAt(Math.floor(low * (total - 1))),
      high: this.valueAt(Math.ceil(high * (total - 1))),
    };
    return window.low < window.high ? window : { low: this.valueAt(0), high: this.valueAt(total - 1) };
  }

  private count(value: number, times: number): void {
    this.float[0] = value;
    const bits = this.bits[0]!;
    const isNumber = (bits & 0x7f800000) !== 0x7f800000;
    // Turned so that the order of the bins is the order of the numbers, negatives included.
    if (isNumber) this.counts[(bits & 0x80000000 ? ~bits : bits ^ 0x80000000) >>> 12]! += times;
  }

  /** The value of that rank in ascending order: of its bin, the number nearest to zero. */
  private valueAt(rank: number): number {
    let bin = 0;
    for (let before = this.counts[0]!; before <= rank; before += this.counts[bin]!) bin++;
    const turned = bin << 12;
    this.bits[0] = turned & 0x80000000 ? turned ^ 0x80000000 : ~(turned | 0xfff);
    return this.float[0]!;
  }
}
