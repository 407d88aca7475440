/**
 * From more than 8 bits to what a screen and an encoder take: windows over intensities, pixels seen through one, and
 * what stands for "no value". Large images are gone through in bands, between which the process answers others.
 */
import { setImmediate } from 'node:timers/promises';
import type { IntensityWindow } from '../../protocol/engineApi';

/** Samples of a deep image, in file order, without alpha. */
export interface DeepPixels {
  /** [height, width, channels], row-major, channels interleaved. */
  readonly values: Float32Array | Uint16Array;
  readonly channels: number;
  /** What to add to a value to get the file's own number. */
  readonly offset: number;
  /** Whether the file's lowest number is white, not black. */
  readonly inverted?: boolean;
}

/** Quantiles of the automatic window; robust against dead pixels and burnt-in text. */
const WINDOW_QUANTILES = [0.005, 0.995] as const;

/** Values gone through at a time: some milliseconds. */
const BAND = 1 << 20;

/**
 * What writers put where they have no value, below everything that is measured: GDAL, ESRI, NetCDF, whole numbers of 16
 * and 32 bits.
 */
const USUAL_SENTINELS: readonly number[] = [-999, -9999, -99_999, -999_999, -32_767, -32_768, -2_147_483_648];

/** No measurement comes near: the largest floats, 1e20 and their like stand for "no value". */
const BEYOND_MEASUREMENT = 1e15;

/** Share of all values that one of them must have to be more than an outlier, which the quantiles leave out anyway. */
const SENTINEL_SHARE = 0.001;

/**
 * How many times the range of all others any other number must be away from them, and how many values these must have.
 */
const SENTINEL_GAP = 100;
const FEWEST_OTHERS = 16;

/** More values than this are quicker to look up than to compute, where they have 16 bits. */
const WORTH_A_TABLE = 1 << 16;

/** Goes through many values in turns with others of this process. */
export async function inBands(length: number, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < length; from += BAND) {
    if (from > 0) await setImmediate();
    work(from, Math.min(length, from + BAND));
  }
}

/**
 * uint8 [height, width, 3] or, where there are fewer than three channels, [height, width] of the first one: black at
 * and below the window, white at and above it (the other way round where the file is inverted), linear and rounded
 * between, 0 for NaN.
 */
export async function throughWindow(pixels: DeepPixels, window: IntensityWindow): Promise<Uint8Array> {
  const { values, channels, offset, inverted = false } = pixels;
  const black = (inverted ? window.high : window.low) - offset;
  const scale = window.high > window.low ? 255 / (window.high - window.low) : Number.POSITIVE_INFINITY;
  const slope = inverted ? -scale : scale;
  const shown = channels < 3 ? 1 : 3;
  // Clamps and rounds on assignment, and makes 0 of NaN.
  const bytes = new Uint8ClampedArray((values.length / channels) * shown);
  if (channels === shown && values instanceof Uint16Array && values.length > WORTH_A_TABLE) {
    const table = Uint8ClampedArray.from({ length: 1 << 16 }, (_, value) => (value - black) * slope);
    await inBands(bytes.length, (from, to) => {
      for (let i = from; i < to; i++) bytes[i] = table[values[i]!]!;
    });
  } else {
    await inBands(bytes.length, (from, to) => {
      for (let i = from; i < to; i++) {
        const channel = i % shown;
        bytes[i] = (values[((i - channel) / shown) * channels + channel]! - black) * slope;
      }
    });
  }
  return new Uint8Array(bytes.buffer);
}

/**
 * Makes NaN of what stands for "no value": the number that the file names, infinities, and what `Histogram.sentinels`
 * takes for it in this image. In place where the samples are floats.
 *
 * @param nodata in the file's own numbers
 */
export async function withoutNodata(pixels: DeepPixels, nodata?: number): Promise<DeepPixels> {
  const { values, offset } = pixels;
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  const named = nodata === undefined ? Number.NaN : Math.fround(nodata - offset);
  // The largest float is written with more or fewer digits, and read as itself or as infinity.
  const isNamed = Math.abs(named) >= BEYOND_MEASUREMENT ? (value: number) => value / named > 0.999 : undefined;
  await inBands(floats.length, (from, to) => {
    for (let i = from; i < to; i++) {
      const value = floats[i]!;
      if (value === named || !Number.isFinite(value) || isNamed?.(value)) floats[i] = Number.NaN;
    }
  });
  const cleaned = { ...pixels, values: floats };
  const histogram = new Histogram();
  await histogram.add(cleaned);
  const sentinels = histogram.sentinels();
  if (sentinels.length === 0) return cleaned;
  await inBands(floats.length, (from, to) => {
    for (let i = from; i < to; i++)
      if (sentinels.includes(histogram.binOf(floats[i]! + offset))) floats[i] = Number.NaN;
  });
  return cleaned;
}

/**
 * Counts of values in 2^20 bins: the sign, exponent and upper 11 fraction bits of a float32. So whole numbers up to
 * 4096 (12-bit scanners) are exact and everything else is within 0.05 %, in 4 MB whatever the range and number of
 * images.
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
   * From the 0.5th to the 99.5th percentile of all but sentinels; [0, 255] when nothing was counted. Where both fall on
   * one value (a nearly empty image), the extremes.
   */
  window(): IntensityWindow {
    const { bins } = this.measured();
    let total = 0;
    for (const bin of bins) total += this.counts[bin]!;
    if (total === 0) return { low: 0, high: 255 };
    const valueAt = (rank: number): number => {
      let index = 0;
      for (let before = this.counts[bins[0]!]!; before <= rank; before += this.counts[bins[index]!]!) index++;
      return this.valueOf(bins[index]!);
    };
    const [low, high] = WINDOW_QUANTILES;
    const window = { low: valueAt(Math.floor(low * (total - 1))), high: valueAt(Math.ceil(high * (total - 1))) };
    return window.low < window.high ? window : { low: valueAt(0), high: valueAt(total - 1) };
  }

  /**
   * Bins of values that stand for "no value" though the file does not say so: the lowest or highest of all, one number
   * that many pixels share, away from all others by at least their range where the number is a usual one, else by a
   * hundred times that.
   */
  sentinels(): readonly number[] {
    return this.measured().sentinels;
  }

  /** The bin that counts a value; -1 for NaN and infinities, which are not counted. */
  binOf(value: number): number {
    this.float[0] = value;
    const bits = this.bits[0]!;
    // Turned so that the order of the bins is the order of the numbers, negatives included.
    return (bits & 0x7f800000) === 0x7f800000 ? -1 : (bits & 0x80000000 ? ~bits : bits ^ 0x80000000) >>> 12;
  }

  /** Bins that are not empty, in ascending order, without those of sentinels. */
  private measured(): { readonly bins: readonly number[]; readonly sentinels: readonly number[] } {
    const bins: number[] = [];
    let total = 0;
    this.counts.forEach((count, bin) => {
      if (count > 0) bins.push(bin);
      total += count;
    });
    const sentinels: number[] = [];
    const isSentinel = (bin: number, nearest: number, range: number, others: number): boolean => {
      if (this.counts[bin]! < total * SENTINEL_SHARE) return false;
      const gap = Math.abs(this.valueOf(bin) - this.valueOf(nearest));
      return this.isUsualSentinel(bin) ? gap >= range : others >= FEWEST_OTHERS && gap >= SENTINEL_GAP * range;
    };
    for (let found = true; found && bins.length > 1; ) {
      found = false;
      const [lowest, second] = bins as [number, number];
      const [next, highest] = bins.slice(-2) as [number, number];
      const [low, high] = [this.valueOf(lowest), this.valueOf(highest)];
      if (isSentinel(highest, next, this.valueOf(next) - low, bins.length - 1)) {
        sentinels.push(bins.pop()!);
        found = true;
      } else if (isSentinel(lowest, second, high - this.valueOf(second), bins.length - 1)) {
        sentinels.push(bins.shift()!);
        found = true;
      }
    }
    return { bins, sentinels };
  }

  private isUsualSentinel(bin: number): boolean {
    return (
      Math.abs(this.valueOf(bin)) >= BEYOND_MEASUREMENT || USUAL_SENTINELS.some((value) => this.binOf(value) === bin)
    );
  }

  private count(value: number, times: number): void {
    const bin = this.binOf(value);
    if (bin >= 0) this.counts[bin]! += times;
  }

  /** Of a bin, the number nearest to zero. */
  private valueOf(bin: number): number {
    const turned = bin << 12;
    this.bits[0] = turned & 0x80000000 ? turned ^ 0x80000000 : ~(turned | 0xfff);
    return this.float[0]!;
  }
}
