/**
 * Reads, resizes and writes pictures; the only importer of sharp (libvips).
 *
 * What comes out is always 8-bit RGB, EXIF-upright, with the numbers of the file wherever possible, because the models
 * were trained on plain pixel values: an embedded ICC profile is ignored, grey is repeated three times, and only CMYK is
 * converted. Alpha is laid on black: pictures with alpha here are mostly rotated or cropped ones, and black is what
 * "no signal" looks like in their opaque neighbours. More than 8 bits, signed and float pass through an intensity window.
 */
import { webcrypto } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { area, type Box, describeSize, type Size, sameSize } from '../core/geometry';
import { UserError } from '../core/userError';
import { whenFree } from '../disk/patience';
import { decodeBmp, readBmpHeader } from '../formats/bmp';
import { FORMAT_NAMES, imageFormatOf, READ_FORMATS, whatInstead } from '../formats/imageFormat';
import type { FileStamp, ImageInfo, IntensityWindow } from '../protocol/engineApi';
import { type DeepPixels, Histogram, throughWindow } from './intensity';

/** An image file, read once: what it is and the bytes to decode it from. */
export interface ImageFile {
  readonly path: string;
  readonly info: ImageInfo;
  /** Things a person should know, such as pages that are not looked at. */
  readonly notes: readonly string[];
  /** True where a pixel needs an intensity window: more than 8 bits, signed, or float. */
  readonly deep: boolean;
  readonly content: Buffer;
  readonly header: ImageHeader;
}

/** What the header says of the pixels. */
export type ImageHeader = Pick<Metadata, 'space' | 'depth' | 'channels' | 'hasAlpha' | 'autoOrient'> & {
  readonly format: string;
  readonly compression?: string | undefined;
  readonly bitsPerSample?: number | undefined;
  readonly pages?: number | undefined;
};

/** Pixels as a screen shows them. */
export interface Picture {
  readonly size: Size;
  /** 1 where the image is grey, else RGB. */
  readonly channels: 1 | 3;
  /** uint8 [height, width, channels], row-major, EXIF-upright. */
  readonly data: Uint8Array;
}

/** The quickest: zlib's 2 makes tiles a third smaller for a third more time. */
const TILE_COMPRESSION = 1;

const DEEP_SPACES = ['grey16', 'rgb16', 'b-w', 'srgb', 'scrgb'] as const;

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
  const [header, digest] = await Promise.all([
    readHeader(path, content),
    // Unlike createHash, this runs beside the message loop.
    webcrypto.subtle.digest('SHA-256', content),
  ]);
  const { channels, depth, pages = 1, space } = header;
  const format = header.format === 'heif' ? (header.compression === 'av1' ? 'avif' : 'heif') : header.format;
  // libvips draws SVG and PDF too, but a drawing has no pixels that a mask could label.
  if (format === 'svg' || format === 'pdf') {
    throw new UserError(`${path} is a drawing (${format.toUpperCase()}); expected an image in ${READ_FORMATS}.`);
  }
  const size: Size = header.autoOrient;
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
    header,
    deep: depth !== 'uchar' && DEEP_SPACES.some((name) => name === space),
    notes: pages > 1 ? [`the file has ${pages} pages or frames; the first one is used`] : [],
    info: {
      size,
      format,
      depth: header.bitsPerSample ?? BITS[depth] ?? 8,
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
  if (file.deep) {
    const [pixels, shownThrough] = await Promise.all([readDeep(file, size), window ?? windowOf([file])]);
    return { size, channels: pixels.channels < 3 ? 1 : 3, data: await throughWindow(pixels, shownThrough) };
  }
  const channels = file.header.space === 'b-w' ? 1 : 3;
  const pipeline = resized(file, size).flatten({ background: '#000' });
  const { data } = await decode(file, pipeline.toColourspace(channels === 1 ? 'b-w' : 'srgb').raw());
  return { size, channels, data: bytesOf(data) };
}

/** The window that shows the deep images among `files` (see Histogram); [0, 255] when there is none. */
export async function windowOf(files: Iterable<ImageFile>): Promise<IntensityWindow> {
  const histogram = new Histogram();
  for (const file of files) {
    if (file.deep) await histogram.add(await readDeep(file, file.info.size));
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
      if (file.deep) await histogram.add(await readDeep(file, file.info.size));
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
  return (await resizePicture({ size: from, channels: 1, data }, to)).data;
}

/** Resizes to exactly `to`, smoothly. */
export async function resizePicture({ size, channels, data }: Picture, to: Size): Promise<Picture> {
  const image = fromRaw(data, size, channels).resize({ ...to, fit: 'fill', kernel: 'cubic' });
  return { size: to, channels, data: bytesOf(await image.raw().toBuffer()) };
}

/** Repeats the last column and row until the picture has size `to`. */
export async function extendPicture({ size, channels, data }: Picture, to: Size): Promise<Picture> {
  const missing = { right: to.width - size.width, bottom: to.height - size.height };
  const image = fromRaw(data, size, channels).extend({ ...missing, extendWith: 'copy' });
  return { size: to, channels, data: bytesOf(await image.raw().toBuffer()) };
}

/** A part of a picture as PNG, quickly rather than as small as possible. */
export function encodeTile({ size, channels, data }: Picture, { left, top, right, bottom }: Box): Promise<Buffer> {
  return fromRaw(data, size, channels)
    .extract({ left, top, width: right - left, height: bottom - top })
    .png({ compressionLevel: TILE_COMPRESSION })
    .toBuffer();
}

export function encodeJpeg({ size, channels, data }: Picture): Promise<Buffer> {
  return fromRaw(data, size, channels).jpeg({ quality: 90, chromaSubsampling: '4:4:4' }).toBuffer();
}

/** Encodes uint8 RGB [height, width, 3] as PNG, with an optional SVG drawing of the same size laid over it. */
export async function encodePng(rgb: Uint8Array, size: Size, svg?: string): Promise<Buffer> {
  const image = fromRaw(rgb, size, 3);
  if (svg) image.composite([{ input: Buffer.from(svg), left: 0, top: 0 }]);
  return await image.removeAlpha().png({ compressionLevel: 6 }).toBuffer();
}

async function readDeep(file: ImageFile, size: Size): Promise<DeepPixels> {
  const { space, depth, hasAlpha } = file.header;
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
  const { info } = file;
  const image = info.format === 'bmp' ? openBmp(file) : openByLibrary(file);
  return sameSize(size, info.size) ? image : image.resize({ ...size, fit: 'fill', kernel: 'cubic' });
}

function openByLibrary({ content, header, info }: ImageFile): Sharp {
  return sharp(content, {
    autoOrient: true,
    // Warnings are mostly about unknown TIFF tags of scanners and microscopes.
    failOn: 'error',
    limitInputPixels: area(info.size),
    ignoreIcc: header.space !== 'cmyk',
  });
}

function openBmp({ content, path }: ImageFile): Sharp {
  const { header, data } = decodeBmp(content, path);
  return fromRaw(data, header.size, header.channels);
}

function fromRaw(data: Uint8Array, size: Size, channels: 1 | 3 | 4): Sharp {
  const image = sharp(data, { raw: { ...size, channels }, limitInputPixels: false });
  // Raw pixels of one channel come out as three unless told otherwise.
  return channels === 1 ? image.toColourspace('b-w') : image;
}

/** The bytes of a result, without a copy. */
const bytesOf = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);

async function decode(file: ImageFile, pipeline: Sharp) {
  try {
    return await pipeline.toBuffer({ resolveWithObject: true });
  } catch (cause) {
    throw new UserError(whyUnreadable(file.path, file.content), { cause });
  }
}

/** What tells, without reading it, whether an image file is still the same. Throws UserError. */
export async function stampOf(path: string): Promise<Omit<FileStamp, 'sha256'>> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { bytes: size, mtimeMs };
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** The whole file and when it was last changed. Throws UserError. */
async function readWhole(path: string): Promise<{ content: Buffer; mtimeMs: number }> {
  try {
    const handle = await whenFree(() => open(path));
    try {
      const { mtimeMs } = await handle.stat();
      return { content: await handle.readFile(), mtimeMs };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

const unreadable = (path: string, cause: unknown): UserError =>
  new UserError(`${path} ${FILE_ERRORS[(cause as NodeJS.ErrnoException).code ?? ''] ?? 'cannot be read'}.`, { cause });

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EISDIR: 'is a folder; expected an image',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  EBUSY: 'is held open by another program',
  ERR_FS_FILE_TOO_LARGE: 'is larger than 2 GB',
};

async function readHeader(path: string, content: Buffer): Promise<ImageHeader> {
  if (imageFormatOf(content) === 'bmp') return bmpHeader(path, content);
  try {
    return await sharp(content, { failOn: 'error', limitInputPixels: false, limitInputChannels: false }).metadata();
  } catch (cause) {
    throw new UserError(whyUnreadable(path, content), { cause });
  }
}

function bmpHeader(path: string, content: Buffer): ImageHeader {
  const { size, bits, channels } = readBmpHeader(content, path);
  return {
    format: 'bmp',
    autoOrient: size,
    channels,
    hasAlpha: channels === 4,
    space: channels === 1 ? 'b-w' : 'srgb',
    depth: 'uchar',
    bitsPerSample: Math.min(8, bits),
  };
}

/** One sentence on what is wrong with a file that libvips refuses. */
function whyUnreadable(path: string, content: Buffer): string {
  const format = imageFormatOf(content);
  if (format === null) return `${path} ${whatInstead(content)}; expected ${READ_FORMATS}.`;
  return `${path} is damaged or cut short: it begins as ${FORMAT_NAMES[format]} but its pixels cannot be decoded.`;
}
