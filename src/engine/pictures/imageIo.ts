/**
 * Reads, resizes and writes pictures; the only importer of sharp (libvips).
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
import { webcrypto } from 'node:crypto';
import { stat } from 'node:fs/promises';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { area, type Box, describeSize, type Size, sameSize } from '../../core/geometry';
import type { MaskSamples, SampleArray } from '../../core/maskFiles/maskSamples';
import { UserError } from '../../core/userError';
import { openNamed } from '../../disk/guardedFile';
import { decodeBmp, readBmpHeader } from '../../formats/bmp';
import { IMAGE_FORMATS, imageFormatOf, READ_FORMATS, whatInstead } from '../../formats/imageFormat';
import { lacksEnd } from '../../formats/jpegEnd';
import {
  brokenPromise,
  mainPage,
  PHOTOMETRIC,
  readTiffPages,
  type TiffPage,
  unusualCoding,
} from '../../formats/tiffHeader';
import type { BandChoice, FileStamp, ImageInfo, IntensityWindow } from '../../protocol/engineApi';
import { restartClock } from '../runtime/workClock';
import { type BandPlan, leftOut, notOpacity, pickBands, planBands, type Samples, showsAll } from './bands';
import { blackenMissing } from './cutJpeg';
import { type DeepPixels, Histogram, throughWindow, withoutNodata } from './intensity';

/** An image file, read once: what it is and the bytes to decode it from. */
export interface ImageFile {
  readonly path: string;
  readonly info: ImageInfo;
  /** Things a person should know, such as pages that are not looked at. Decoding may find more. */
  readonly notes: string[];
  /** True where a pixel needs an intensity window: more than 8 bits, signed, or float. */
  readonly deep: boolean;
  /** True where libvips alone does not make the right picture of it; see above. */
  readonly closely: boolean;
  readonly bands: BandPlan;
  readonly content: Buffer;
  readonly header: ImageHeader;
}

/** What the header says of the pixels. */
export type ImageHeader = Pick<Metadata, 'space' | 'depth' | 'channels' | 'hasAlpha' | 'autoOrient' | 'orientation'> & {
  readonly format: string;
  readonly compression?: string | undefined;
  readonly bitsPerSample?: number | undefined;
  readonly pages?: number | undefined;
  /** Index of the page that is looked at, and what a TIFF says of it. */
  readonly page: number;
  readonly tiff?: TiffPage | undefined;
  /** A JPEG whose end is missing. */
  readonly cut?: boolean;
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
 * image, has more than `pixelLimit` pixels, or lacks a band that is to be shown.
 *
 * @param bands those to be shown; the first three, or the only one, where undefined
 */
export async function openImage(path: string, pixelLimit: number, bands?: BandChoice): Promise<ImageFile> {
  const { content, mtimeMs } = await readWhole(path);
  if (content.length === 0) throw new UserError(`${path} is empty (0 bytes); expected an image.`);
  const [header, digest] = await Promise.all([
    readHeader(path, content),
    // Unlike createHash, this runs beside the message loop.
    webcrypto.subtle.digest('SHA-256', content),
  ]);
  const { channels, depth, space } = header;
  const format = header.format === 'heif' ? (header.compression === 'av1' ? 'avif' : 'heif') : header.format;
  // libvips draws SVG and PDF too, but a drawing has no pixels that a mask could label.
  if (format === 'svg' || format === 'pdf') {
    throw new UserError(`${path} is a drawing (${format.toUpperCase()}); expected an image in ${READ_FORMATS}.`);
  }
  const size: Size = header.autoOrient;
  checkPixels(path, size, channels, pixelLimit);
  const deep = depth !== 'uchar' && DEEP_SPACES.some((name) => name === space);
  const plan = planBands(header, bands, path);
  const notes = [pagesNote(header), bands ? null : leftOut(plan)];
  return {
    path,
    content,
    header,
    deep,
    bands: plan,
    closely: header.cut === true || !showsAll(plan) || (deep && (isFloat(header) || header.tiff?.nodata !== undefined)),
    notes: notes.filter((note) => note !== null),
    info: {
      size,
      format,
      depth: header.bitsPerSample ?? BITS[depth] ?? 8,
      ...((header.orientation ?? 1) > 1 && { orientation: header.orientation! }),
      file: { sha256: Buffer.from(digest).toString('hex'), bytes: content.length, mtimeMs },
    },
  };
}

/** Samples per pixel that the limit on pixels stands for: further bands are decoded too. */
const USUAL_CHANNELS = 4;

function checkPixels(path: string, size: Size, channels: number, pixelLimit: number): void {
  const what = channels > USUAL_CHANNELS ? `${channels} bands of ${describeSize(size)}` : describeSize(size);
  const pixels = (area(size) * Math.max(channels, USUAL_CHANNELS)) / USUAL_CHANNELS;
  if (pixels <= pixelLimit) return;
  throw new UserError(
    `${path} is ${what} = ${Math.ceil(pixels).toLocaleString('en')} pixels; the limit is ${pixelLimit.toLocaleString('en')} pixels.`,
  );
}

function pagesNote({ pages = 1, page }: ImageHeader): string | null {
  if (pages < 2) return null;
  const which = page === 0 ? 'the first one is used' : `number ${page + 1}, the largest, is used`;
  return `the file has ${pages} pages or frames; ${which}`;
}

/** Whether decoded numbers are floats; others have 16 bits. */
const isFloat = ({ space }: ImageHeader): boolean => space !== 'grey16' && space !== 'rgb16';

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
  const { data } = await decode(
    file,
    resized(file, size)
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw(),
  );
  return { size, channels, data: bytesOf(data) };
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

/** Resizes uint8 [height, width] to exactly `to`, smoothly: a mask of 0 and 255 becomes its coverage. */
export async function resizeGrey(data: Uint8Array, from: Size, to: Size): Promise<Uint8Array> {
  if (sameSize(from, to)) return data;
  return (await resizePicture({ size: from, channels: 1, data }, to)).data;
}

/** Resizes to exactly `to`, smoothly. */
export async function resizePicture(picture: Picture, to: Size): Promise<Picture> {
  const { size, channels, data } = picture;
  if (sameSize(size, to)) return picture;
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

/** All numbers of a deep image that are shown, "no value" left out. */
const readNumbers = (file: ImageFile): Promise<DeepPixels> =>
  file.closely ? readDeepClosely(file) : readDeep(file, file.info.size);

/** Of an image that libvips decodes as it should be: one or three bands of 16 bits. */
async function readDeep(file: ImageFile, size: Size): Promise<DeepPixels> {
  const pipeline = resized(file, size);
  const offset = keepNumbers(pipeline, file);
  const { data, info } = await decode(file, pipeline.raw({ depth: 'ushort' }));
  return { values: uint16Of(data), channels: info.channels, offset };
}

/** Has libvips give the file's own numbers; returns what is to be added to them. */
function keepNumbers(pipeline: Sharp, { header }: ImageFile): number {
  const { space, depth, channels } = header;
  // Naming the image's own space keeps libvips from converting (and clipping) the numbers on their way out; but of
  // several bands in a grey space it would give the first alone.
  const kept = space === 'grey16' && channels > 1 ? 'rgb16' : space;
  pipeline.toColourspace(kept as (typeof DEEP_SPACES)[number]);
  // libvips casts 16 bits to unsigned ones at the end: negatives must be lifted first.
  if (isFloat(header) || depth !== 'short') return 0;
  pipeline.linear(new Array(channels).fill(1), new Array(channels).fill(LIFT));
  return -LIFT;
}

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
  const pipeline = resized(file, info.size);
  const offset = deep ? keepNumbers(pipeline, file) : 0;
  if (!deep) pipeline.toColourspace(header.space === 'b-w' && header.channels === 1 ? 'b-w' : 'srgb');
  const depth = deep ? (isFloat(header) ? 'float' : 'ushort') : 'uchar';
  const { data, info: raw } = await decode(file, pipeline.raw({ depth }));
  const samples = depth === 'float' ? floatsOf(data) : depth === 'ushort' ? uint16Of(data) : bytesOf(data);
  return { samples, stride: raw.channels, offset };
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
    const pipeline = resized(file, file.info.size)
      .extractChannel(band as 0)
      .toColourspace('b-w');
    const { data } = await decode(file, pipeline.raw({ depth: 'float' }));
    const from = floatsOf(data);
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

/** Bicubic is antialiased in libvips when it shrinks, and rings less than its default, Lanczos. */
function resized(file: ImageFile, size: Size): Sharp {
  const { info } = file;
  const image = info.format === 'bmp' ? openBmp(file) : openByLibrary(file);
  return sameSize(size, info.size) ? image : image.resize({ ...size, fit: 'fill', kernel: 'cubic' });
}

function openByLibrary({ content, header, info }: ImageFile): Sharp {
  return sharp(content, {
    autoOrient: true,
    page: header.page,
    // Warnings are mostly about unknown TIFF tags of scanners and microscopes.
    failOn: header.cut ? 'none' : 'error',
    limitInputPixels: area(info.size),
    limitInputChannels: false,
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

/** The samples of a result, without a copy. */
const bytesOf = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
const uint16Of = (buffer: Buffer): Uint16Array =>
  new Uint16Array(buffer.buffer, buffer.byteOffset, buffer.length / Uint16Array.BYTES_PER_ELEMENT);
const floatsOf = (buffer: Buffer): Float32Array =>
  new Float32Array(buffer.buffer, buffer.byteOffset, buffer.length / Float32Array.BYTES_PER_ELEMENT);

async function decode(file: ImageFile, pipeline: Sharp) {
  try {
    return await pipeline.toBuffer({ resolveWithObject: true });
  } catch (cause) {
    throw new UserError(whyUnreadable(file.path, file.content, file.header.tiff), { cause });
  }
}

/**
 * The numbers of a file as they are stored, for masks: no window, no profile, no resizing, EXIF-upright; palettes and
 * CMYK as RGB. Throws UserError on damaged content and for more pixels than `pixelLimit`.
 */
export async function readStored(content: Buffer, path: string, pixelLimit: number): Promise<MaskSamples> {
  const { autoOrient: size, depth, space, channels, page, tiff } = await readHeader(path, content);
  if (area(size) > pixelLimit)
    throw new UserError(`${path} is ${describeSize(size)}: expected at most ${pixelLimit} pixels.`);
  const kind = STORED[depth];
  if (kind === undefined) throw new UserError(`${path} holds numbers of the kind ${depth}, of which no mask is made.`);
  const options = { autoOrient: true, page, failOn: 'error', limitInputPixels: area(size), ignoreIcc: true } as const;
  const image = sharp(content, options);
  try {
    // Naming the image's own space keeps libvips from converting the numbers; of several bands a grey one gives the
    // first alone.
    const isDeep = depth !== 'uchar' && DEEP_SPACES.some((name) => name === space);
    const own = space === 'grey16' && channels > 1 ? 'rgb16' : space;
    const isGrey = space === 'b-w' && channels === 1;
    image.toColourspace((isDeep ? own : isGrey ? 'b-w' : 'srgb') as (typeof DEEP_SPACES)[number]);
    const { data, info } = await image.raw({ depth: kind.depth }).toBuffer({ resolveWithObject: true });
    return { size, channels: info.channels, samples: kind.of(data), white: kind.white, palette: [] };
  } catch (cause) {
    throw new UserError(whyUnreadable(path, content, tiff), { cause });
  }
}

interface StoredKind {
  readonly depth: 'uchar' | 'ushort' | 'uint' | 'float';
  readonly white: number;
  readonly of: (data: Buffer) => SampleArray;
}

const STORED_BYTES: StoredKind = { depth: 'uchar', white: 255, of: bytesOf };
const STORED_WORDS: StoredKind = { depth: 'ushort', white: 65535, of: uint16Of };
const STORED_FLOATS: StoredKind = { depth: 'float', white: 1, of: floatsOf };
const STORED: Readonly<Record<string, StoredKind>> = {
  uchar: STORED_BYTES,
  ushort: STORED_WORDS,
  // Negative numbers are no labels.
  short: STORED_WORDS,
  uint: {
    depth: 'uint',
    white: 65535,
    of: ({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length / 4),
  },
  float: STORED_FLOATS,
  double: STORED_FLOATS,
};

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
    const handle = await openNamed(path);
    try {
      const { mtimeMs } = await handle.stat();
      return { content: await handle.readFile(), mtimeMs };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    // No regular file, which is said already.
    if (cause instanceof UserError) throw cause;
    throw unreadable(path, cause);
  }
}

const unreadable = (path: string, cause: unknown): UserError =>
  new UserError(`${path} ${FILE_ERRORS[(cause as NodeJS.ErrnoException).code ?? ''] ?? 'cannot be read'}.`, { cause });

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  EBUSY: 'is held open by another program',
  ERR_FS_FILE_TOO_LARGE: 'is larger than 2 GB',
};

async function readHeader(path: string, content: Buffer): Promise<ImageHeader> {
  if (imageFormatOf(content) === 'bmp') return bmpHeader(path, content);
  const pages = readTiffPages(content) ?? [];
  const page = mainPage(pages);
  const tiff = pages[page];
  const broken = tiff && unusualCoding(tiff) === null ? brokenPromise(tiff) : null;
  if (broken !== null) throw new UserError(`${path} is damaged or cut short: ${broken}.`);
  try {
    const options = { page, failOn: 'error', limitInputPixels: false, limitInputChannels: false } as const;
    const header = await sharp(content, options).metadata();
    return { ...header, page, tiff, cut: header.format === 'jpeg' && lacksEnd(content) };
  } catch (cause) {
    throw new UserError(whyUnreadable(path, content, tiff), { cause });
  }
}

function bmpHeader(path: string, content: Buffer): ImageHeader {
  const { size, bits, channels } = readBmpHeader(content, path);
  return {
    format: 'bmp',
    page: 0,
    autoOrient: size,
    channels,
    hasAlpha: channels === 4,
    space: channels === 1 ? 'b-w' : 'srgb',
    depth: 'uchar',
    bitsPerSample: Math.min(8, bits),
  };
}

/** One sentence on what is wrong with a file that libvips refuses. */
function whyUnreadable(path: string, content: Buffer, tiff?: TiffPage): string {
  const unusual = tiff && unusualCoding(tiff);
  if (unusual) return `${path} is ${unusual}.`;
  const format = imageFormatOf(content);
  if (format === null) return `${path} ${whatInstead(content)}; expected ${READ_FORMATS}.`;
  return `${path} is damaged or cut short: it begins as ${IMAGE_FORMATS[format].name} but its pixels cannot be decoded.`;
}
