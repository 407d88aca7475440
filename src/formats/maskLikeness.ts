/** Whether a file that is called like the mask of an image holds what a mask holds: areas, not a picture. */
import { area, type Size } from '../core/geometry';
import { UserError } from '../core/userError';
import { imageFormatOf } from './imageFormat';
import { readHeader } from './pngChunks';
import { type PngSamples, readPng } from './pngSamples';
import { readTiffPages } from './tiffHeader';

/** A file of fewer bits per pixel holds areas; pictures take more, however they are compressed. */
const AREA_BITS = 0.25;

/** The same for the codings of TIFF, none of which loses anything worth mentioning. */
const TIFF_AREA_BITS = 1;

/** The tables of a JPEG, which are there for the smallest one as well. */
const JPEG_TABLES = 700;

/** More pixels are not decoded to find out. */
const MOST_PIXELS = 1 << 26;

/** So few values are no picture. */
const FEW_VALUES = 4;

/** Shares of pixels like their left neighbour, and of those near black or white, that areas have at least. */
const ALIKE = 0.9;
const EXTREME = 0.98;

/** Cheap where the file is small for its pixels; else the pixels are looked at. */
export function looksLikeMask(content: Uint8Array): boolean {
  switch (imageFormatOf(content)) {
    case 'png':
      return pngLooksLikeMask(content);
    case 'jpeg': {
      const size = jpegSize(content);
      return size !== null && bitsPerPixel(content.length - JPEG_TABLES, size) < AREA_BITS;
    }
    case 'tiff': {
      const size = readTiffPages(content)?.[0]?.size;
      return (size !== undefined && bitsPerPixel(content.length, size) < TIFF_AREA_BITS) || isMonotonous(content);
    }
    case 'bmp':
      return isMonotonous(content);
    default:
      return false;
  }
}

const bitsPerPixel = (bytes: number, size: Size): number => (8 * bytes) / area(size);

function pngLooksLikeMask(content: Uint8Array): boolean {
  const header = readHeader(content);
  if (header === null || area(header.size) === 0) return false;
  const isWhole = Buffer.from(content.subarray(-8)).toString('latin1', 0, 4) === 'IEND';
  if (isWhole && bitsPerPixel(content.length, header.size) < AREA_BITS) return true;
  if (area(header.size) > MOST_PIXELS) return false;
  try {
    return holdsAreas(readPng(content, 'it'));
  } catch (error) {
    // Damaged: whoever reads it as an image or as a mask says so.
    if (error instanceof UserError) return false;
    throw error;
  }
}

function holdsAreas({ size, channels, samples }: PngSamples): boolean {
  const values = new Set<number>();
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < samples.length; i += channels) {
    least = Math.min(least, samples[i]);
    most = Math.max(most, samples[i]);
  }
  const margin = (most - least) / 16;
  let [alike, dark, bright] = [0, 0, 0];
  for (let i = 0; i < samples.length; i += channels) {
    let same = (i / channels) % size.width !== 0;
    for (let c = 0; c < channels && same; c++) same = samples[i + c] === samples[i + c - channels];
    if (same) alike++;
    else if (values.size <= FEW_VALUES) values.add(colourAt(samples, i, channels));
    if (samples[i] <= least + margin) dark++;
    else if (samples[i] >= most - margin) bright++;
  }
  const count = area(size);
  return values.size <= FEW_VALUES || alike >= ALIKE * count || (bright > 0 && dark + bright >= EXTREME * count);
}

function colourAt(samples: PngSamples['samples'], at: number, channels: number): number {
  let colour = 0;
  // Wider than 32 bits for 16-bit samples, hence no shifts; opacity is no colour.
  for (let c = 0; c < Math.min(3, channels); c++) colour = colour * 65536 + samples[at + c];
  return colour;
}

/** Whether the bytes of a file that stores its pixels one after the other hardly change from pixel to pixel. */
function isMonotonous(content: Uint8Array): boolean {
  const pixelBytes = [1, 2, 3, 4];
  return pixelBytes.some((step) => {
    let same = 0;
    for (let i = step; i < content.length; i++) if (content[i] === content[i - step]) same++;
    return same >= ALIKE * content.length;
  });
}

/** Size in the frame header of a JPEG (ITU-T T.81, B.2.2), null where none is found. */
function jpegSize(content: Uint8Array): Size | null {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  for (let at = 2; at + 9 < content.length && content[at] === 0xff; ) {
    const marker = content[at + 1];
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return null;
}
