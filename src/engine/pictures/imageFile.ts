/** An image file as it is on the disk: its bytes, its header, and what a person should know of it. */
import { webcrypto } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { area, describeSize, type Size } from '../../core/geometry';
import { UserError } from '../../core/userError';
import { openNamed } from '../../disk/guardedFile';
import { readBmpHeader } from '../../formats/bmp';
import { IMAGE_FORMATS, imageFormatOf, READ_FORMATS, whatInstead } from '../../formats/imageFormat';
import { lacksEnd } from '../../formats/jpegEnd';
import { brokenPromise, mainPage, readTiffPages, type TiffPage, unusualCoding } from '../../formats/tiffHeader';
import type { BandChoice, FileStamp, ImageInfo } from '../../protocol/engineApi';
import { type BandPlan, leftOut, planBands, showsAll } from './bands';
import { type LibraryHeader, readLibraryHeader } from './libvips';

/** An image file, read once: what it is and the bytes to decode it from. */
export interface ImageFile {
  readonly path: string;
  readonly info: ImageInfo;
  /** Things a person should know, such as pages that are not looked at. Decoding may find more. */
  readonly notes: string[];
  /** True where a pixel needs an intensity window: more than 8 bits, signed, or float. */
  readonly deep: boolean;
  /** True where libvips alone does not make the right picture of it; see imagePixels.ts. */
  readonly closely: boolean;
  readonly bands: BandPlan;
  readonly content: Buffer;
  readonly header: ImageHeader;
}

/** What the header says of the pixels. */
type ImageHeader = Pick<LibraryHeader, 'space' | 'depth' | 'channels' | 'hasAlpha' | 'autoOrient' | 'orientation'> & {
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

/** As `openImage`, of a file that was read before. Throws UserError when it has changed since. */
export async function openAgain(
  path: string,
  sha256: string,
  pixelLimit: number,
  bands?: BandChoice,
): Promise<ImageFile> {
  const file = await openImage(path, pixelLimit, bands);
  if (file.info.file.sha256 !== sha256) throw new UserError(`${path} has changed while it was worked on: try again.`);
  return file;
}

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
  const { channels, depth } = header;
  const format = header.format === 'heif' ? (header.compression === 'av1' ? 'avif' : 'heif') : header.format;
  // libvips draws SVG and PDF too, but a drawing has no pixels that a mask could label.
  if (format === 'svg' || format === 'pdf') {
    throw new UserError(`${path} is a drawing (${format.toUpperCase()}); expected an image in ${READ_FORMATS}.`);
  }
  const size: Size = header.autoOrient;
  checkPixels(path, size, channels, pixelLimit);
  const deep = isDeep(header);
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
export const isFloat = ({ space }: ImageHeader): boolean => space !== 'grey16' && space !== 'rgb16';

/** Whether an image of 8 bits is one of grey alone. */
export const isGrey = ({ space, channels }: Pick<ImageHeader, 'space' | 'channels'>): boolean =>
  space === 'b-w' && channels === 1;

const DEEP_SPACES: readonly string[] = ['grey16', 'rgb16', 'b-w', 'srgb', 'scrgb'];

/** Whether numbers of more than 8 bits, signed ones and floats come out of libvips as they are. */
export const isDeep = ({ depth, space }: Pick<ImageHeader, 'depth' | 'space'>): boolean =>
  depth !== 'uchar' && DEEP_SPACES.includes(space);

const BITS: Readonly<Record<string, number>> = {
  char: 8,
  short: 16,
  ushort: 16,
  int: 32,
  uint: 32,
  float: 32,
  double: 64,
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

/** What the header says, of its main page. Throws UserError where it is no image. */
export async function readHeader(path: string, content: Buffer): Promise<ImageHeader> {
  if (imageFormatOf(content) === 'bmp') return bmpHeader(path, content);
  const pages = readTiffPages(content) ?? [];
  const page = mainPage(pages);
  const tiff = pages[page];
  const broken = tiff && unusualCoding(tiff) === null ? brokenPromise(tiff) : null;
  if (broken !== null) throw new UserError(`${path} is damaged or cut short: ${broken}.`);
  try {
    const header = await readLibraryHeader(content, page);
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
export function whyUnreadable(path: string, content: Buffer, tiff?: TiffPage): string {
  const unusual = tiff && unusualCoding(tiff);
  if (unusual) return `${path} is ${unusual}.`;
  const format = imageFormatOf(content);
  if (format === null) return `${path} ${whatInstead(content)}; expected ${READ_FORMATS}.`;
  return `${path} is damaged or cut short: it begins as ${IMAGE_FORMATS[format].name} but its pixels cannot be decoded.`;
}
