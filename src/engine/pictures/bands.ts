/**
 * Which bands of an image are shown, and which one is opacity. Multispectral and microscope files have bands that are
 * neither colours nor opacity, though image libraries take the last of two or four for opacity; laid on black as such
 * it leaves a dark picture of nothing.
 */
import { UserError } from '../../core/userError';
import { EXTRA_SAMPLE, PHOTOMETRIC, type TiffPage } from '../../formats/tiffHeader';
import type { BandChoice } from '../../protocol/engineApi';
import { inBands } from './intensity';

/** Samples as decoded: [height, width, bands], row-major, bands interleaved. */
export type Samples = Uint8Array | Uint16Array | Float32Array;

/** Bands are counted from 0. */
export interface BandPlan {
  /** Of the image as decoded, opacity included. */
  readonly count: number;
  /** One for grey, or red, green and blue. */
  readonly shown: readonly number[];
  /** The band that the file calls opacity, where there is one that is not shown. */
  readonly opacity: number | undefined;
}

/** What a header tells of an image's bands. */
interface BandsInFile {
  readonly channels: number;
  readonly hasAlpha: boolean;
  readonly space: string | undefined;
  readonly tiff?: TiffPage | undefined;
}

/** @throws UserError naming the file where it lacks a band that was asked for */
export function planBands(file: BandsInFile, chosen: BandChoice | undefined, path: string): BandPlan {
  // Four inks become three colours.
  const count = file.space === 'cmyk' ? file.channels - 1 : file.channels;
  const opacity = opacityOf(file, count);
  const missing = chosen?.find((band) => band > count);
  if (missing !== undefined) {
    const has = count === 1 ? 'one band' : `${count} bands`;
    throw new UserError(`${path} has ${has}; the project shows the bands ${chosen!.join(', ')} of its images.`);
  }
  const colours = opacity === undefined ? count : count - 1;
  // One band three times is grey.
  const wanted = chosen && (new Set(chosen).size === 1 ? chosen.slice(0, 1) : chosen).map((band) => band - 1);
  const shown = wanted ?? (colours < 3 ? [0] : [0, 1, 2]);
  return { count, shown, opacity: opacity !== undefined && shown.includes(opacity) ? undefined : opacity };
}

function opacityOf({ hasAlpha, space, tiff }: BandsInFile, count: number): number | undefined {
  if (!tiff) return hasAlpha ? count - 1 : undefined;
  const isGrey = tiff.photometric === PHOTOMETRIC.blackIsZero || tiff.photometric === PHOTOMETRIC.whiteIsZero;
  const colours = isGrey && space !== 'srgb' ? 1 : 3;
  const extra = tiff.extraSamples.findIndex(
    (meaning) => meaning === EXTRA_SAMPLE.associatedAlpha || meaning === EXTRA_SAMPLE.opacity,
  );
  const at = colours + extra;
  return extra >= 0 && at < count ? at : undefined;
}

/** Whether the bands as decoded are the picture, in order, and nothing else. */
export const showsAll = ({ count, shown }: BandPlan): boolean =>
  count === shown.length && shown.every((band, index) => band === index);

/** What a person should know of bands that are left out without having been asked for; null where there are none. */
export function leftOut({ count, shown, opacity }: BandPlan): string | null {
  if (count <= shown.length + (opacity === undefined ? 0 : 1)) return null;
  const which = shown.length === 1 ? 'the first one is shown' : '1, 2 and 3 are shown as red, green and blue';
  return `the file has ${count} bands, of which ${which} (others with --bands, or "bands" in project.json)`;
}

/**
 * The shown bands alone, in place at the front of `samples`, laid on black by their opacity where `opacity` is given.
 *
 * @param stride samples per pixel
 * @param shown positions of one or three samples in a pixel
 * @param opacity its position, and the number that stands for full opacity
 */
export async function pickBands<T extends Samples>(
  samples: T,
  stride: number,
  shown: readonly number[],
  opacity?: { readonly at: number; readonly opaque: number },
): Promise<T> {
  const pixels = samples.length / stride;
  const [red, green = red, blue = red] = shown as readonly [number, number?, number?];
  const isGrey = shown.length === 1;
  const { at, opaque } = opacity ?? { at: 0, opaque: 0 };
  await inBands(pixels, (first, end) => {
    let from = first * stride;
    let to = first * shown.length;
    for (let pixel = first; pixel < end; pixel++, from += stride) {
      // All are read before the first is written: bands may be shown in any order, and twice.
      let r = samples[from + red]!;
      let g = samples[from + green]!;
      let b = samples[from + blue]!;
      if (opacity) {
        const share = samples[from + at]!;
        if (share !== opaque) {
          r = Math.floor((r * share) / opaque);
          g = Math.floor((g * share) / opaque);
          b = Math.floor((b * share) / opaque);
        }
      }
      samples[to++] = r;
      if (isGrey) continue;
      samples[to++] = g;
      samples[to++] = b;
    }
  });
  return samples.subarray(0, pixels * shown.length) as T;
}

/** Of the pixels that are not wholly transparent, how many must be wholly opaque where a band may be anything. */
const OPAQUE_SHARE = 0.1;

/**
 * Why a band that is called opacity is none, in words for a person; null where it is one. Opacity is full somewhere,
 * and not 0 throughout. In a TIFF, whose writers call the fourth band opacity whatever it is, it is full in more than a
 * few places: near infrared has some saturated pixels at most.
 */
export function notOpacity(
  samples: Samples,
  stride: number,
  at: number,
  opaque: number,
  inTiff: boolean,
): string | null {
  let visible = 0;
  let full = 0;
  for (let i = at; i < samples.length; i += stride) {
    const value = samples[i]!;
    if (value === 0) continue;
    visible++;
    if (value !== opaque) continue;
    full++;
    // Elsewhere one pixel tells, which is mostly the first.
    if (!inTiff) return null;
  }
  if (visible === 0) return 'its transparency is left out: the whole image would be invisible';
  if (full > 0 && full >= visible * OPAQUE_SHARE) return null;
  return 'its last band is left out: the file calls it opacity, but it is hardly opaque anywhere';
}
