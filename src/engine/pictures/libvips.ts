/**
 * libvips by way of sharp, of which this is the only importer: what a file's header says, its samples, and pictures
 * that are resized and written.
 */
import sharp, { type Metadata, type Sharp } from 'sharp';
import { area, type Box, type Size, sameSize } from '../../core/geometry';

/** Sets libvips up for an engine process: no cache of files that are read once, no threads besides libuv's. */
export function initLibvips(): void {
  sharp.cache(false);
  sharp.concurrency(1);
}

export const imageLibraryVersions = (): { sharp: string; libvips: string } => ({
  sharp: sharp.versions.sharp ?? 'unknown',
  libvips: sharp.versions.vips,
});

/** What libvips reads of a file's header. */
export type LibraryHeader = Pick<
  Metadata,
  | 'format'
  | 'compression'
  | 'space'
  | 'depth'
  | 'bitsPerSample'
  | 'channels'
  | 'hasAlpha'
  | 'pages'
  | 'autoOrient'
  | 'orientation'
>;

/** The header of one page of a file; no pixel is decoded. Rejects where libvips knows no such file. */
export function readLibraryHeader(content: Buffer, page: number): Promise<LibraryHeader> {
  return sharp(content, { page, failOn: 'error', limitInputPixels: false, limitInputChannels: false }).metadata();
}

/** Where pixels are decoded from. */
export interface EncodedImage {
  /** The whole file. */
  readonly content: Buffer;
  readonly page: number;
  /** Of the upright image. */
  readonly size: Size;
  /** The numbers are taken as they are, whatever an embedded profile says of them. */
  readonly ignoreIcc: boolean;
  /** A file that was cut short gives what is left of it. */
  readonly isCut?: boolean;
  /** Also of more bands than libvips would decode by itself. */
  readonly anyBands?: boolean;
}

/** uint8 [height, width, channels], row-major. */
export interface Bitmap {
  readonly size: Size;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

interface SampleArrays {
  readonly uchar: Uint8Array;
  readonly ushort: Uint16Array;
  readonly uint: Uint32Array;
  readonly float: Float32Array;
}

const SAMPLE_ARRAYS = { uchar: Uint8Array, ushort: Uint16Array, uint: Uint32Array, float: Float32Array } as const;

/** Which numbers are wanted of an image. */
export interface SampleRequest<Depth extends keyof SampleArrays> {
  readonly depth: Depth;
  /** The image's own keeps libvips from converting (and clipping) the numbers on their way out. */
  readonly space: string;
  /** The only band, counted from 0; all where undefined. */
  readonly band?: number | undefined;
  /** What is added to the numbers of each band. */
  readonly lift?: readonly number[] | undefined;
}

/**
 * Decodes and resizes in one pipeline, so that a large JPEG is decoded at a fraction of its size. Rejects where the
 * pixels cannot be decoded.
 *
 * @returns numbers [height, width, channels], row-major, EXIF-upright
 */
export async function decodeSamples<Depth extends keyof SampleArrays>(
  source: EncodedImage | Bitmap,
  size: Size,
  { depth, space, band, lift }: SampleRequest<Depth>,
): Promise<{ readonly samples: SampleArrays[Depth]; readonly channels: number }> {
  const image = 'content' in source ? openEncoded(source) : fromRaw(source.data, source.size, source.channels);
  // Bicubic is antialiased in libvips when it shrinks, and rings less than its default, Lanczos.
  if (!sameSize(size, source.size)) image.resize({ ...size, fit: 'fill', kernel: 'cubic' });
  if (band !== undefined) image.extractChannel(band as 0);
  image.toColourspace(space as 'srgb');
  if (lift !== undefined) image.linear(new Array(lift.length).fill(1), [...lift]);
  const { data, info } = await image.raw({ depth }).toBuffer({ resolveWithObject: true });
  const { buffer, byteOffset, length } = data;
  const Samples = SAMPLE_ARRAYS[depth];
  const samples = new Samples(buffer, byteOffset, length / Samples.BYTES_PER_ELEMENT);
  return { samples: samples as SampleArrays[Depth], channels: info.channels };
}

/**
 * Writes all pixels of an image of 8 bits to a file, in one pass and without holding them: libvips' own format, a
 * header of `PIXEL_FILE_HEADER` bytes, then uint8 [height, width, channels]. Rejects where they cannot be decoded.
 *
 * @param path ends in .v
 */
export async function writePixelFile(source: EncodedImage | Bitmap, space: string, path: string): Promise<void> {
  const image = 'content' in source ? openEncoded(source, true) : fromRaw(source.data, source.size, source.channels);
  await image.toColourspace(space as 'srgb').toFile(path);
}

export const PIXEL_FILE_HEADER = 64;

function openEncoded(
  { content, page, size, ignoreIcc, isCut = false, anyBands = false }: EncodedImage,
  sequentialRead = false,
): Sharp {
  return sharp(content, {
    ...{ sequentialRead, autoOrient: true },
    page,
    // Warnings are mostly about unknown TIFF tags of scanners and microscopes.
    failOn: isCut ? 'none' : 'error',
    limitInputPixels: area(size),
    ...(anyBands && { limitInputChannels: false }),
    ignoreIcc,
  });
}

function fromRaw(data: Uint8Array, size: Size, channels: 1 | 3 | 4): Sharp {
  const image = sharp(data, { raw: { ...size, channels }, limitInputPixels: false });
  // Raw pixels of one channel come out as three unless told otherwise.
  return channels === 1 ? image.toColourspace('b-w') : image;
}

/** Pixels as a screen shows them. */
export interface Picture {
  readonly size: Size;
  /** 1 where the image is grey, else RGB. */
  readonly channels: 1 | 3;
  /** uint8 [height, width, channels], row-major, EXIF-upright. */
  readonly data: Uint8Array;
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

/** The quickest: zlib's 2 makes tiles a third smaller for a third more time. */
const TILE_COMPRESSION = 1;

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

const bytesOf = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
