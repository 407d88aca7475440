/** From decoded pixels to the tensors that models take. */
import { area, describeSize, type Size } from '../../core/geometry';
import type { ModelEntry } from '../../models/manifest';
import type { FloatTensor } from './tensors';

/** One value per channel, red first. */
type Channels = readonly [number, number, number];

/** What is done to each value: (value / 255 - mean) / std. */
interface Normalisation {
  readonly mean: Channels;
  readonly std: Channels;
}

/**
 * ImageNet's, which DINO and SAM share: SAM's 123.675, 116.28, 103.53 and 58.395, 57.12, 57.375 are 255 times these.
 */
export const IMAGENET: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Values 0..1. */
export const UNIT_RANGE: Normalisation = { mean: [0, 0, 0], std: [1, 1, 1] };

/** Values 0..255, unchanged. */
const BYTES: Normalisation = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };

/** uint8 [h, w, 3] -> float32 [1, 3, h, w], values unchanged. */
export const planarFloats = (pixels: Uint8Array, size: Size): FloatTensor => normalisedFloats(pixels, size, BYTES);

/**
 * uint8 RGB [size.height, size.width, 3] -> float32 [1, 3, to.height, to.width], normalised, with the image at the top
 * left and zeros below and to the right of it, as SAM pads: after normalising.
 */
export function normalisedFloats(
  pixels: Uint8Array,
  size: Size,
  { mean, std }: Normalisation,
  to: Size = size,
): FloatTensor {
  checkPixels(pixels, size);
  const plane = area(to);
  const data = new Float32Array(plane * 3);
  for (let channel = 0; channel < 3; channel++) {
    // 256 values at most: looked up instead of computed a million times.
    const value = Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - mean[channel]!) / std[channel]!);
    for (let y = 0; y < size.height; y++) {
      const start = channel * plane + y * to.width;
      for (let x = 0, p = y * size.width * 3 + channel; x < size.width; x++, p += 3)
        data[start + x] = value[pixels[p]!]!;
    }
  }
  return { dims: [1, 3, to.height, to.width], data };
}

/** uint8 [h, w, 3] -> float32 [h, w, 3], values unchanged. */
export function interleavedFloats(pixels: Uint8Array, size: Size): FloatTensor {
  checkPixels(pixels, size);
  return { dims: [size.height, size.width, 3], data: Float32Array.from(pixels) };
}

/** The normalisation that spreads an image's own smallest and largest value over 0..1, as MedSAM was trained with. */
export function stretchedRange(pixels: Uint8Array): Normalisation {
  let low = 255;
  let high = 0;
  for (const value of pixels) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const mean = low / 255;
  const std = Math.max(high - low, 1e-8) / 255;
  return { mean: [mean, mean, mean], std: [std, std, std] };
}

/** A model's own normalisation, where its manifest entry gives one. */
export const ownOr = (usual: Normalisation, { mean, std }: Pick<ModelEntry, 'mean' | 'std'>): Normalisation => ({
  mean: mean ?? usual.mean,
  std: std ?? usual.std,
});

function checkPixels(pixels: Uint8Array, size: Size): void {
  if (pixels.length === area(size) * 3) return;
  throw new RangeError(`expected ${area(size) * 3} bytes of RGB for ${describeSize(size)}, got ${pixels.length}`);
}
