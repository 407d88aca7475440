/** Samples of a PNG of any kind, one array element each. */
import { deflateSync, inflateSync } from 'node:zlib';
import { decode } from 'fast-png';
import { area, describeSize, type Size } from '../core/geometry';
import { UserError } from '../core/userError';
import { imageFormatOf } from './imageFormat';
import { assemblePng, COLOUR_TYPE, chunksOf, type PngHeader, readHeader } from './pngChunks';

export interface PngSamples {
  readonly size: Size;
  /** One of COLOUR_TYPE. */
  readonly colourType: number;
  /** Samples per pixel. */
  readonly channels: number;
  /** [height, width, channels], row-major, as stored in the file: 0 to 2^depth - 1, never scaled. */
  readonly samples: Uint8Array | Uint16Array;
  /** Palette entries [r, g, b], uint8; empty unless the colour type is palette. */
  readonly palette: readonly (readonly number[])[];
}

/** As many pixels as sharp decodes by default, so that a mask may be as large as its image. */
const PIXEL_LIMIT = 0x3fff * 0x3fff;

/** Start and step of the seven passes of Adam7. */
const ADAM7 = [
  { x: 0, y: 0, stepX: 8, stepY: 8 },
  { x: 4, y: 0, stepX: 8, stepY: 8 },
  { x: 0, y: 4, stepX: 4, stepY: 8 },
  { x: 2, y: 0, stepX: 4, stepY: 4 },
  { x: 0, y: 2, stepX: 2, stepY: 4 },
  { x: 1, y: 0, stepX: 2, stepY: 2 },
  { x: 0, y: 1, stepX: 1, stepY: 2 },
] as const;

/**
 * Reads a PNG; `name` is the file's name for messages. Throws UserError for anything that is not a whole PNG and for one
 * of more pixels than the limit.
 */
export function readPng(bytes: Uint8Array, name: string): PngSamples {
  const header = readHeader(bytes);
  if (header === null) {
    const found = bytes.length === 0 ? 'an empty file' : (imageFormatOf(bytes)?.toUpperCase() ?? 'something else');
    throw new UserError(`${name} is not a PNG: a mask must be a PNG, this is ${found}.`);
  }
  if (area(header.size) === 0 || area(header.size) > PIXEL_LIMIT) {
    throw new UserError(`${name} says it is ${describeSize(header.size)}: expected 1 to ${PIXEL_LIMIT} pixels.`);
  }
  try {
    // fast-png reads interlaced samples of less than a byte as if each had a byte of its own.
    return header.interlaced && header.depth < 8 ? readInterlaced(bytes, header) : readPlain(bytes, header);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${name} is damaged: expected a whole PNG, but reading it failed (${reason}).`, {
      cause: error,
    });
  }
}

function readPlain(bytes: Uint8Array, header: PngHeader): PngSamples {
  const { channels, data, palette } = decode(bytes, { checkCrc: true });
  return {
    size: header.size,
    colourType: header.colourType,
    channels,
    // The decoder makes plain arrays; clamped ones in its type are for encoding.
    samples: header.depth < 8 ? unpack(data, header) : (data as Uint8Array | Uint16Array),
    // A truecolour PNG may suggest a palette; it says nothing about its samples.
    palette: header.colourType === COLOUR_TYPE.palette ? (palette ?? []) : [],
  };
}

/** Samples of less than a byte, most significant first; every row starts at a new byte. Such a PNG has one channel. */
function unpack(packed: ArrayLike<number>, { size, depth }: PngHeader): Uint8Array {
  const samples = new Uint8Array(area(size));
  const rowBytes = Math.ceil((size.width * depth) / 8);
  const mask = (1 << depth) - 1;
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const bit = x * depth;
      samples[y * size.width + x] = (packed[y * rowBytes + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
    }
  }
  return samples;
}

/** Reads each pass of Adam7, which is laid out like a PNG of its own, and puts its pixels where they belong. */
function readInterlaced(bytes: Uint8Array, header: PngHeader): PngSamples {
  const chunks = [...chunksOf(bytes)];
  const data = inflateSync(Buffer.concat(chunks.filter((chunk) => chunk.type === 'IDAT').map((chunk) => chunk.data)));
  const palette = chunks.filter((chunk) => chunk.type === 'PLTE');
  const { width, height } = header.size;
  const samples = new Uint8Array(area(header.size));
  let colours: PngSamples['palette'] = [];
  let offset = 0;
  for (const { x, y, stepX, stepY } of ADAM7) {
    const size = { width: Math.ceil((width - x) / stepX), height: Math.ceil((height - y) / stepY) };
    if (size.width <= 0 || size.height <= 0) continue;
    const length = size.height * (1 + Math.ceil((size.width * header.depth) / 8));
    const rows = data.subarray(offset, offset + length);
    if (rows.length < length) throw new RangeError(`${data.length} bytes of pixels are too few`);
    offset += length;
    const passHeader = { ...header, size, interlaced: false };
    const pass = readPlain(
      assemblePng(passHeader, [...palette, { type: 'IDAT', data: deflateSync(rows, { level: 0 }) }]),
      passHeader,
    );
    colours = pass.palette;
    for (let i = 0; i < pass.samples.length; i++) {
      const row = y + Math.floor(i / size.width) * stepY;
      samples[row * width + x + (i % size.width) * stepX] = pass.samples[i];
    }
  }
  return { size: header.size, colourType: header.colourType, channels: 1, samples, palette: colours };
}
