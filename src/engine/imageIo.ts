/**
 * Reads, resizes and writes pictures; the only importer of sharp (libvips).
 *
 * What comes out is always 8-bit RGB, EXIF-upright, with the numbers of the file wherever possible, because the models
 * were trained on plain pixel values: an embedded ICC profile is ignored, grey is repeated three times, and only CMYK is
 * converted. Alpha is laid on black: pictures with alpha here are mostly rotated or cropped ones, and black is what
 * "no signal" looks like in their opaque neighbours. More than 8 bits, signed and float pass through an intensity window.
 */
import { webcrypto } from 'node:crypto';
import { open } from 'node:fs/promises';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { area, describeSize, type Size, sameSize } from '../core/geometry';
import { UserError } from '../core/userError';
import type { ImageInfo, IntensityWindow } from '../protocol';

/** An image file, read once: what it is and the bytes to decode it from. */
export interface ImageFile {
  readonly path: string;
  readonly info: ImageInfo;
  /** Things a person should know, such as pages that are not looked at. */
  readonly notes: readonly string[];
  /** True where a pixel needs an intensity window: more than 8 bits, signed, or float. */
  readonly deep: boolean;
  readonly content: Buffer;
  readonly metadata: Metadata;
}

/** Quantiles of the automatic window; robust against dead pixels and burnt-in text. */
const WINDOW_QUANTILES = [0.005, 0.995] as const;

const DEEP_SPACES = ['grey16', 'rgb16', 'b-w', 'srgb', 'scrgb'] as const;

const FORMATS = 'PNG, JPEG, TIFF or WebP';

/** Sets libvips up for an engine process: no cache of files that are read once, no threads besides libuv's. */
export function initImageIo(): void {
  sharp.cache(false);
  sharp.concurrency(1);
}

export const imageLibraryVersions = (): { sharp: string; libvips: string } => ({
  sharp: sharp.versions.sharp ?? 'unknown',
  libvips: sharp.versions.vips,
});

/**
 * Reads a file and its header; no pixel is decoded. Throws UserError naming the file when it is missing, empty, not an
 * image, or has more than `pixelLimit` pixels.
 */
export async function openImage(path: string, pixelLimit: number): Promise<ImageFile> {
  const { content, mtimeMs } = await readWhole(path);
  if (content.length === 0) throw new UserError(`${path} is empty (0 bytes); expected an image.`);
  const [metadata, digest] = await Promise.all([
    readHeader(path, content),
    // Unlike createHash, this runs beside the message loop.
    webcrypto.subtle.digest('SHA-256', content),
  ]);
  const { channels, depth, pages = 1, space } = metadata;
  const format = metadata.format === 'heif' ? (metadata.compression === 'av1' ? 'avif' : 'heif') : metadata.format;
  // libvips draws SVG and PDF too, but a drawing has no pixels that a mask could label.
  if (format === 'svg' || format === 'pdf') {
    throw new UserError(`${path} is a drawing (${format.toUpperCase()}); expected an image in ${FORMATS}.`);
  }
  const size: Size = metadata.autoOrient;
  if (area(size) > pixelLimit) {
    throw new UserError(
      `${path} is ${describeSize(size)} = ${area(size).toLocaleString('en')} pixels; the limit is ${pixelLimit.toLocaleString('en')} pixels.`,
    );
  }
  if (channels > 4) {
    throw new UserError(`${path} has ${channels} channels; expected grey, RGB or CMYK, with or without alpha.`);
  }
  return {
    path,
    content,
    metadata,
    deep: depth !== 'uchar' && DEEP_SPACES.some((name) => name === space),
    notes: pages > 1 ? [`the file has ${pages} pages or frames; the first one is used`] : [],
    info: {
      size,
      format,
      depth: metadata.bitsPerSample ?? BITS[depth] ?? 8,
      file: { sha256: Buffer.from(digest).toString('hex'), bytes: content.length, mtimeMs },
    },
  };
}

const BITS: Readonly<Record<string, number>> = {
  char: 8,
  short: 16,
  ushort: 16,
  int: 32,
  uint: 32,
  float: 32,
  double: 64,
};

/**
 * Decodes to uint8 RGB [height, width, 3], row-major, EXIF-upright, stretched to exactly `size` (default: the image's
 * own). Decoding and resizing are one pipeline, so a large JPEG is decoded at a fraction of its size. `window` applies to
 * deep images only; without one they use their own (see `windowOf`). Throws UserError on damaged content.
 */
export async function readRgb(
  file: ImageFile,
  size: Size = file.info.size,
  window?: IntensityWindow,
): Promise<Uint8Array> {
  if (file.deep) return toRgb(await readDeep(file, size), window ?? (await windowOf([file])));
  const pipeline = resized(file, size).flatten({ background: '#000' }).toColourspace('srgb').raw();
  const { data } = await decode(file, pipeline);
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

/**
 * Window from the 0.5th to the 99.5th percentile over the deep images among `files`, every pixel and channel counted
 * alike; [0, 255] when there is none. Where both percentiles fall on one value (a nearly empty image), the extremes.
 */
export async function windowOf(files: Iterable<ImageFile>): Promise<IntensityWindow> {
  const histogram = new Histogram();
  for (const file of files) {
    if (file.deep) histogram.add(await readDeep(file, file.info.size));
  }
  return histogram.window();
}

/**
 * Like `windowOf`, for paths, one file in memory at a time. Files that cannot be read are left out; when none can, throws
 * the first one's UserError.
 */
export async function sampleWindow(paths: readonly string[], pixelLimit: number): Promise<IntensityWindow> {
  const histogram = new Histogram();
  const errors: unknown[] = [];
  for (const path of paths) {
    try {
      const file = await openImage(path, pixelLimit);
      if (file.deep) histogram.add(await readDeep(file, file.info.size));
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0 && errors.length === paths.length) throw errors[0];
  return histogram.window();
}

/** Resizes uint8 [height, width] to exactly `to`, smoothly: a mask of 0 and 255 becomes its coverage. */
export async function resizeGrey(data: Uint8Array, from: Size, to: Size): Promise<Uint8Array> {
  if (sameSize(from, to)) return data;
  const resizedData = await sharp(data, { raw: { ...from, channels: 1 }, limitInputPixels: false })
    .resize({ ...to, fit: 'fill', kernel: 'cubic' })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  return new Uint8Array(resizedData.buffer, resizedData.byteOffset, resizedData.length);
}

/** Encodes uint8 RGB [height, width, 3] as PNG, with an optional SVG drawing of the same size laid over it. */
export async function encodePng(rgb: Uint8Array, size: Size, svg?: string): Promise<Buffer> {
  const image = sharp(rgb, { raw: { ...size, channels: 3 }, limitInputPixels: false });
  if (svg) image.composite([{ input: Buffer.from(svg), left: 0, top: 0 }]);
  return await image.removeAlpha().png({ compressionLevel: 6 }).toBuffer();
}

/** Samples of a deep image, in file order, without alpha. */
interface DeepPixels {
  /** [height, width, channels], row-major, channels interleaved. */
  readonly values: Float32Array | Uint16Array;
  readonly channels: number;
  /** What to add to a value to get the file's own number. */
  readonly offset: number;
}

async function readDeep(file: ImageFile, size: Size): Promise<DeepPixels> {
  const { space, depth, hasAlpha } = file.metadata;
  const pipeline = resized(file, size);
  // Naming the image's own space keeps libvips from converting (and clipping) the numbers on their way out.
  pipeline.toColourspace(space as (typeof DEEP_SPACES)[number]);
  const is16Bit = space === 'grey16' || space === 'rgb16';
  // libvips casts these spaces to unsigned 16 bits at the end: alpha can be flattened, negatives must be lifted first.
  const offset = is16Bit && depth === 'short' ? -32768 : 0;
  if (offset) pipeline.linear(1, -offset);
  if (hasAlpha && is16Bit) pipeline.flatten({ background: '#000' });
  else if (hasAlpha) pipeline.removeAlpha();
  const { data, info } = await decode(file, pipeline.raw({ depth: is16Bit ? 'ushort' : 'float' }));
  const values = is16Bit
    ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
    : new Float32Array(data.buffer, data.byteOffset, data.length / 4);
  return { values, channels: info.channels, offset };
}

/** Bicubic is antialiased in libvips when it shrinks, and rings less than its default, Lanczos. */
function resized(file: ImageFile, size: Size): Sharp {
  const { content, metadata, info } = file;
  const image = sharp(content, {
    autoOrient: true,
    // Warnings are mostly about unknown TIFF tags of scanners and microscopes.
    failOn: 'error',
    limitInputPixels: area(info.size),
    ignoreIcc: metadata.space !== 'cmyk',
  });
  return sameSize(size, info.size) ? image : image.resize({ ...size, fit: 'fill', kernel: 'cubic' });
}

async function decode(file: ImageFile, pipeline: Sharp) {
  try {
    return await pipeline.toBuffer({ resolveWithObject: true });
  } catch (cause) {
    throw new UserError(whyUnreadable(file.path, file.content), { cause });
  }
}

function toRgb({ values, channels, offset }: DeepPixels, window: IntensityWindow): Uint8Array {
  const low = window.low - offset;
  const scale = window.high > window.low ? 255 / (window.high - window.low) : Number.POSITIVE_INFINITY;
  const count = values.length / channels;
  // Clamps and rounds on assignment, and makes 0 of NaN.
  const rgb = new Uint8ClampedArray(count * 3);
  for (let pixel = 0; pixel < count; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      rgb[pixel * 3 + channel] = (values[pixel * channels + Math.min(channel, channels - 1)]! - low) * scale;
    }
  }
  return new Uint8Array(rgb.buffer);
}

/**
 * Counts of values in 2^20 bins: the sign, exponent and upper 11 fraction bits of a float32. So whole numbers up to 4096
 * (12-bit scanners) are exact and everything else is within 0.05 %, in 4 MB whatever the range and number of images.
 */
class Histogram {
  private readonly counts = new Uint32Array(1 << 20);
  private readonly float = new Float32Array(1);
  private readonly bits = new Uint32Array(this.float.buffer);

  add({ values, offset }: DeepPixels): void {
    for (const value of values) {
      this.float[0] = value + offset;
      const bits = this.bits[0]!;
      const isNumber = (bits & 0x7f800000) !== 0x7f800000;
      // Turned so that the order of the bins is the order of the numbers, negatives included.
      if (isNumber) this.counts[(bits & 0x80000000 ? ~bits : bits ^ 0x80000000) >>> 12]!++;
    }
  }

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

  /** The value of that rank in ascending order: of its bin, the number nearest to zero. */
  private valueAt(rank: number): number {
    let bin = 0;
    for (let before = this.counts[0]!; before <= rank; before += this.counts[bin]!) bin++;
    const turned = bin << 12;
    this.bits[0] = turned & 0x80000000 ? turned ^ 0x80000000 : ~(turned | 0xfff);
    return this.float[0]!;
  }
}

/** The whole file and when it was last changed. Throws UserError. */
async function readWhole(path: string): Promise<{ content: Buffer; mtimeMs: number }> {
  try {
    const handle = await open(path);
    try {
      const { mtimeMs } = await handle.stat();
      return { content: await handle.readFile(), mtimeMs };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new UserError(`${path} ${FILE_ERRORS[(cause as NodeJS.ErrnoException).code ?? ''] ?? 'cannot be read'}.`, {
      cause,
    });
  }
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EISDIR: 'is a folder; expected an image',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  ERR_FS_FILE_TOO_LARGE: 'is larger than 2 GB',
};

async function readHeader(path: string, content: Buffer): Promise<Metadata> {
  try {
    return await sharp(content, { failOn: 'error', limitInputPixels: false, limitInputChannels: false }).metadata();
  } catch (cause) {
    throw new UserError(whyUnreadable(path, content), { cause });
  }
}

/** First bytes of the formats that are read here. */
const READABLE: readonly (readonly [name: string, offset: number, magic: string])[] = [
  ['PNG', 0, '\x89PNG'],
  ['JPEG', 0, '\xff\xd8\xff'],
  ['TIFF', 0, 'II*\0'],
  ['TIFF', 0, 'MM\0*'],
  ['GIF', 0, 'GIF8'],
  ['WebP', 8, 'WEBP'],
  ['AVIF', 4, 'ftypavi'],
];

/** First bytes of what people also keep in image folders. */
const FOREIGN: typeof READABLE = [
  ['a DICOM file', 128, 'DICM'],
  ['a NIfTI volume', 344, 'n+1\0'],
  ['an NRRD volume', 0, 'NRRD'],
  ['a HEIC photo', 4, 'ftyphei'],
  ['a BMP image', 0, 'BM'],
  ['a JPEG 2000 image', 0, '\0\0\0\x0cjP'],
  ['a JPEG XL image', 0, '\xff\x0a'],
  ['a Photoshop document', 0, '8BPS'],
  ['a PDF document', 0, '%PDF'],
  ['a zip archive', 0, 'PK\x03\x04'],
  ['a gzip archive', 0, '\x1f\x8b'],
  ['a Git LFS pointer, not the image itself (run "git lfs pull")', 0, 'version https://git-lfs'],
];

/** One sentence on what is wrong with a file that libvips refuses. */
function whyUnreadable(path: string, content: Buffer): string {
  const isMagic = ([, offset, magic]: (typeof READABLE)[number]) =>
    content.toString('latin1', offset, offset + magic.length) === magic;
  const readable = READABLE.find(isMagic);
  if (readable) return `${path} is damaged or cut short: it begins as ${readable[0]} but its pixels cannot be decoded.`;
  const foreign = FOREIGN.find(isMagic);
  return `${path} is ${foreign ? foreign[0] : 'not an image'}; expected ${FORMATS}.`;
}
