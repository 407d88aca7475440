/**
 * The pixels of an image file, as the models and the screen get them.
 *
 * What comes out is always 8-bit RGB, EXIF-upright, with the numbers of the file wherever possible, because the models
 * were trained on plain pixel values: an embedded ICC profile is ignored, grey is repeated three times, and only CMYK
 * is converted. Opacity is laid on black: pictures with it here are mostly rotated or cropped ones, and black is what
 * "no signal" looks like in their opaque neighbours. Of more bands three are shown. More than 8 bits, signed and float
 * pass through an intensity window.
 *
 * Most images are decoded and resized in one pipeline of libvips. What that would spoil is taken "closely": decoded
 * whole, put right number by number, and resized as the picture that it became.
 */
import { area, type Size } from '../../core/geometry';
import { UserError } from '../../core/userError';
import { decodeBmp } from '../../formats/bmp';
import { PHOTOMETRIC } from '../../formats/tiffHeader';
import type { BandChoice, IntensityWindow } from '../../protocol/engineApi';
import { restartClock } from '../runtime/workClock';
import { notOpacity, pickBands, type Samples } from './bands';
import { blackenMissing } from './cutJpeg';
import { type ImageFile, isFloat, isGrey, openImage, whyUnreadable } from './imageFile';
import { type DeepPixels, Histogram, throughWindow, withoutNodata } from './intensity';
import {
  type Bitmap,
  decodeSamples,
  type EncodedImage,
  type Picture,
  resizePicture,
  type SampleRequest,
  writePixelFile,
} from './libvips';

/**
 * Decodes to uint8 RGB [height, width, 3], row-major, EXIF-upright, stretched to exactly `size` (default: the image's
 * own). Decoding and resizing are one pipeline, so a large JPEG is decoded at a fraction of its size. `window` applies
 * to deep images only; without one they use their own (see `windowOf`). Throws UserError on damaged content.
 */
export async function readRgb(
  file: ImageFile,
  size: Size = file.info.size,
  window?: IntensityWindow,
): Promise<Uint8Array> {
  const { channels, data } = await readPicture(file, size, window);
  if (channels === 3) return data;
  const rgb = new Uint8Array(data.length * 3);
  for (let i = 0, p = 0; i < data.length; i++, p += 3) rgb[p] = rgb[p + 1] = rgb[p + 2] = data[i]!;
  return rgb;
}

/** Like `readRgb`, with one channel for a grey image. The window may still be on its way. */
export async function readPicture(
  file: ImageFile,
  size: Size = file.info.size,
  window?: IntensityWindow | Promise<IntensityWindow>,
): Promise<Picture> {
  if (file.closely) return await resizePicture(await readClosely(file, window), size);
  if (file.deep) {
    const [pixels, shownThrough] = await Promise.all([readDeep(file, size), window ?? windowOf([file])]);
    return { size, channels: pixels.channels < 3 ? 1 : 3, data: await throughWindow(pixels, shownThrough) };
  }
  const channels = file.header.space === 'b-w' ? 1 : 3;
  const { samples } = await decode(file, size, { depth: 'uchar', space: channels === 1 ? 'b-w' : 'srgb' });
  return { size, channels, data: samples };
}

/**
 * Writes the picture of an image to a file (see `writePixelFile`), in one pass where libvips alone makes it; else it is
 * held once.
 *
 * @returns its channels
 */
export async function writePicture(file: ImageFile, window: IntensityWindow | undefined, path: string): Promise<1 | 3> {
  if (file.closely || file.deep) {
    const { size, channels, data } = await readPicture(file, file.info.size, window);
    await writePixelFile({ size, channels, data }, channels === 1 ? 'b-w' : 'srgb', path);
    return channels;
  }
  const channels = file.header.space === 'b-w' ? 1 : 3;
  await explained(file, (source) => writePixelFile(source, channels === 1 ? 'b-w' : 'srgb', path));
  return channels;
}

/** The window that shows the deep images among `files` (see Histogram); [0, 255] when there is none. */
export async function windowOf(files: Iterable<ImageFile>): Promise<IntensityWindow> {
  const histogram = new Histogram();
  for (const file of files) {
    if (file.deep) await histogram.add(await readNumbers(file));
  }
  return histogram.window();
}

/**
 * Like `windowOf`, for paths, one file in memory at a time. Files that cannot be read are left out; when none can,
 * throws the first one's UserError.
 */
export async function sampleWindow(
  paths: readonly string[],
  pixelLimit: number,
  bands?: BandChoice,
): Promise<IntensityWindow> {
  const histogram = new Histogram();
  const errors: unknown[] = [];
  for (const path of paths) {
    restartClock(path);
    try {
      const file = await openImage(path, pixelLimit, bands);
      if (file.deep) await histogram.add(await readNumbers(file));
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0 && errors.length === paths.length) throw errors[0];
  return histogram.window();
}

/** All numbers of a deep image that are shown, "no value" left out. */
const readNumbers = (file: ImageFile): Promise<DeepPixels> =>
  file.closely ? readDeepClosely(file) : readDeep(file, file.info.size);

/** Of an image that libvips decodes as it should be: one or three bands of 16 bits. */
async function readDeep(file: ImageFile, size: Size): Promise<DeepPixels> {
  const kept = asStored(file);
  const { samples, channels } = await decode(file, size, { ...kept.request, depth: 'ushort' });
  return { values: samples, channels, offset: kept.offset };
}

/** How libvips is asked for the file's own numbers, and what is to be added to them. */
function asStored({ header }: ImageFile): { readonly request: Kept; readonly offset: number } {
  const { space, depth, channels } = header;
  // Of several bands in a grey space libvips would give the first alone.
  const kept = space === 'grey16' && channels > 1 ? 'rgb16' : space;
  // libvips casts 16 bits to unsigned ones at the end: negatives must be lifted first.
  if (isFloat(header) || depth !== 'short') return { request: { space: kept }, offset: 0 };
  return { request: { space: kept, lift: new Array<number>(channels).fill(LIFT) }, offset: -LIFT };
}

type Kept = Pick<SampleRequest<'ushort'>, 'space' | 'lift'>;

/** Makes an unsigned number of a signed one of 16 bits. */
const LIFT = 32768;

/** The picture of an image at its own size, put right number by number. */
async function readClosely(
  file: ImageFile,
  window: IntensityWindow | Promise<IntensityWindow> | undefined,
): Promise<Picture> {
  const { size } = file.info;
  if (!file.deep) {
    const { samples, channels } = await readShownBands(file);
    return { size, channels, data: samples as Uint8Array };
  }
  const pixels = await readDeepClosely(file);
  return {
    size,
    channels: pixels.channels < 3 ? 1 : 3,
    data: await throughWindow(pixels, await (window ?? ownWindow(pixels))),
  };
}

async function ownWindow(pixels: DeepPixels): Promise<IntensityWindow> {
  const histogram = new Histogram();
  await histogram.add(pixels);
  return histogram.window();
}

async function readDeepClosely(file: ImageFile): Promise<DeepPixels> {
  const { header } = file;
  const { samples, channels, offset } = await readShownBands(file);
  const values = samples as Uint16Array | Float32Array;
  // libvips turns only unsigned whole numbers.
  const inverted = isFloat(header) && header.tiff?.photometric === PHOTOMETRIC.whiteIsZero;
  const pixels = { values, channels, offset, inverted };
  return isFloat(header) || header.tiff?.nodata !== undefined
    ? await withoutNodata(pixels, header.tiff?.nodata)
    : pixels;
}

/** Samples of the bands that are shown, laid on black where the file has an opacity that is one. */
async function readShownBands(
  file: ImageFile,
): Promise<{ readonly samples: Samples; readonly channels: 1 | 3; readonly offset: number }> {
  const { bands, header, deep } = file;
  const channels = bands.shown.length === 1 ? 1 : 3;
  // Only one band of floats in a grey space comes out of libvips.
  if (deep && isFloat(header) && header.space === 'b-w' && bands.count > 1) {
    return { samples: await readOneByOne(file), channels, offset: 0 };
  }
  const { samples, stride, offset } = await readAllBands(file);
  // A grey space becomes a coloured one of its first band three times, and the other bands.
  const at = (band: number): number => (band === 0 ? 0 : band + stride - bands.count);
  noteMissing(file, samples, stride);
  const opaque = opaqueOf(file, samples, stride, at);
  return { samples: await pickBands(samples, stride, bands.shown.map(at), opaque), channels, offset };
}

/** Opacity to be laid on black; of floats and signed numbers, which say nothing of what is opaque, none. */
function opaqueOf(
  { bands: { opacity }, header, deep, notes }: ImageFile,
  samples: Samples,
  stride: number,
  at: (band: number) => number,
): { readonly at: number; readonly opaque: number } | undefined {
  if (opacity === undefined || samples instanceof Float32Array || header.depth === 'short') return undefined;
  const found = { at: at(opacity), opaque: deep ? 0xffff : 0xff };
  const doubt = notOpacity(samples, stride, found.at, found.opaque, header.tiff !== undefined);
  if (doubt === null) return found;
  note(notes, doubt);
  return undefined;
}

/** Decoding the same file again says nothing new. */
function note(notes: string[], text: string): void {
  if (!notes.includes(text)) notes.push(text);
}

async function readAllBands(file: ImageFile): Promise<{ samples: Samples; stride: number; offset: number }> {
  const { header, deep, info } = file;
  const kept = deep ? asStored(file) : { request: { space: isGrey(header) ? 'b-w' : 'srgb' }, offset: 0 };
  const depth = deep ? (isFloat(header) ? 'float' : 'ushort') : 'uchar';
  const { samples, channels } = await decode(file, info.size, { ...kept.request, depth });
  return { samples, stride: channels, offset: kept.offset };
}

/** Bands that sharp can take out one by one. */
const MOST_FLOAT_BANDS = 5;

/** Decodes a file of floats once for each band that is shown. */
async function readOneByOne(file: ImageFile): Promise<Float32Array> {
  const { shown } = file.bands;
  if (shown.some((band) => band >= MOST_FLOAT_BANDS)) {
    throw new UserError(
      `${file.path} has floating-point bands, of which only the first ${MOST_FLOAT_BANDS} can be shown.`,
    );
  }
  const values = new Float32Array(area(file.info.size) * shown.length);
  for (const band of new Set(shown)) {
    const { samples: from } = await decode(file, file.info.size, { depth: 'float', space: 'b-w', band });
    shown.forEach((one, channel) => {
      if (one === band) for (let i = 0; i < from.length; i++) values[i * shown.length + channel] = from[i]!;
    });
  }
  return values;
}

/** What a mask can be drawn on: with less than half of an image it would be mostly a guess. */
const LEAST_SHOWN = 0.5;

/**
 * Notes how much of a JPEG that was cut short is missing. Throws UserError where it is too much. Of one that lacks but
 * its end marker, or the finest details of a progressive one, nothing is.
 */
function noteMissing({ path, header, info, notes }: ImageFile, samples: Samples, stride: number): void {
  if (!header.cut) return;
  const missing = blackenMissing(samples as Uint8Array, stride, info.size, header.orientation, header.space === 'cmyk');
  if (missing === 0) return;
  const percent = missing < 0.01 ? 'less than 1' : `about the last ${Math.round(missing * 100)}`;
  if (1 - missing < LEAST_SHOWN) {
    throw new UserError(`${path} is cut short: ${percent} % of the image are missing; expected at least half of it.`);
  }
  note(notes, `the file is cut short: ${percent} % of the image are missing`);
}

/** Decodes a file. Throws UserError on damaged content. */
async function decode<Depth extends 'uchar' | 'ushort' | 'float'>(
  file: ImageFile,
  size: Size,
  request: SampleRequest<Depth>,
) {
  return await explained(file, (source) => decodeSamples(source, size, request));
}

/** Does something with a file's content. Throws UserError where it cannot be decoded. */
async function explained<T>(file: ImageFile, decoding: (source: EncodedImage | Bitmap) => Promise<T>): Promise<T> {
  const source = file.info.format === 'bmp' ? bitmapOf(file) : encodedOf(file);
  try {
    return await decoding(source);
  } catch (cause) {
    throw new UserError(whyUnreadable(file.path, file.content, file.header.tiff), { cause });
  }
}

function bitmapOf({ content, path }: ImageFile): Bitmap {
  const { header, data } = decodeBmp(content, path);
  return { size: header.size, channels: header.channels, data };
}

const encodedOf = ({ content, header, info }: ImageFile): EncodedImage => ({
  content,
  page: header.page,
  size: info.size,
  ignoreIcc: header.space !== 'cmyk',
  isCut: header.cut === true,
  anyBands: true,
});
