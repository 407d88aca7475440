/**
 * Samples of a PNG of any kind, one array element each (W3C PNG, third edition, sections 7 to 10). What is inflated is
 * the pixels alone, and never more of them than the header tells of: a small file cannot fill the memory, whatever is
 * in it.
 */
import { inflateSync } from 'node:zlib';
import { area, describeSize, type Size } from '../core/geometry';
import type { MaskSamples } from '../core/maskFiles/maskSamples';
import { UserError } from '../core/userError';
import { imageFormatOf } from './imageFormat';
import { COLOUR_TYPE, type PngHeader, readHeader, wholeChunksOf } from './pngChunks';

export interface PngSamples extends MaskSamples {
  /** One of COLOUR_TYPE. */
  readonly colourType: number;
  readonly samples: Uint8Array | Uint16Array;
}

/** As many pixels as an engine decodes by default, so that a mask may be as large as its image. */
export const MASK_PIXEL_LIMIT = 500_000_000;

/** Samples in memory; only 16 bits or several channels of very many pixels take more. */
const SAMPLE_BYTES_LIMIT = 2 ** 30;

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

const CHANNELS: Readonly<Record<number, number>> = {
  [COLOUR_TYPE.grey]: 1,
  [COLOUR_TYPE.rgb]: 3,
  [COLOUR_TYPE.palette]: 1,
  [COLOUR_TYPE.greyAlpha]: 2,
  [COLOUR_TYPE.rgba]: 4,
};

/** Bits per sample that a colour type may have. */
const DEPTHS: Readonly<Record<number, readonly number[]>> = {
  [COLOUR_TYPE.grey]: [1, 2, 4, 8, 16],
  [COLOUR_TYPE.palette]: [1, 2, 4, 8],
};
const DEPTHS_OF_SEVERAL_CHANNELS = [8, 16];

/**
 * Reads a PNG; `name` is the file's name for messages. Throws UserError for anything that is not a whole PNG and for
 * one of more pixels than the limit.
 */
export function readPng(bytes: Uint8Array, name: string): PngSamples {
  const header = headerOf(bytes, name);
  try {
    return read(bytes, header);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${name} is damaged: expected a whole PNG, but reading it failed (${reason}).`, {
      cause: error,
    });
  }
}

/** Throws UserError unless a file is a PNG with all its chunks as they were written. Nothing is inflated. */
export function checkPng(bytes: Uint8Array, name: string): void {
  headerOf(bytes, name);
  try {
    for (const _ of wholeChunksOf(bytes));
  } catch (error) {
    throw new UserError(`${name} is damaged: expected a whole PNG, but ${(error as Error).message}.`, { cause: error });
  }
}

function headerOf(bytes: Uint8Array, name: string): PngHeader {
  const header = readHeader(bytes);
  if (header === null) throw notPng(bytes, name);
  const { size, depth } = header;
  if (area(size) === 0 || area(size) > MASK_PIXEL_LIMIT) {
    throw new UserError(`${name} says it is ${describeSize(size)}: expected 1 to ${MASK_PIXEL_LIMIT} pixels.`);
  }
  const channels = CHANNELS[header.colourType] ?? 1;
  if (area(size) * channels * Math.ceil(depth / 8) > SAMPLE_BYTES_LIMIT) {
    throw new UserError(
      `${name} is ${describeSize(size)} with ${channels} channels of ${depth} bits: more than 1 GB of pixels is not read for a mask, expected one channel of 8 bits.`,
    );
  }
  return header;
}

function notPng(bytes: Uint8Array, name: string): UserError {
  const format = imageFormatOf(bytes);
  if (format === 'png')
    return new UserError(`${name} is damaged: it begins as a PNG and ends after ${bytes.length} bytes.`);
  const found =
    bytes.length === 0
      ? 'an empty file'
      : bytes.every((byte) => byte === 0)
        ? `${bytes.length.toLocaleString('en')} zeros`
        : (format?.toUpperCase() ?? 'something else');
  return new UserError(`${name} is not a PNG: a mask must be a PNG, this is ${found}.`);
}

function read(bytes: Uint8Array, header: PngHeader): PngSamples {
  const { size, depth, colourType, interlaced } = header;
  const channels = CHANNELS[colourType];
  if (channels === undefined) throw new RangeError(`there is no colour type ${colourType}`);
  if (!(DEPTHS[colourType] ?? DEPTHS_OF_SEVERAL_CHANNELS).includes(depth)) {
    throw new RangeError(`colour type ${colourType} has no ${depth} bits per sample`);
  }
  const parts: Uint8Array[] = [];
  let palette: number[][] = [];
  for (const { type, data } of wholeChunksOf(bytes)) {
    if (type === 'IDAT') parts.push(data);
    // A truecolour PNG may suggest a palette; it says nothing about its samples.
    else if (type === 'PLTE' && colourType === COLOUR_TYPE.palette) palette = paletteOf(data);
  }
  const bits = depth * channels;
  const passes = interlaced ? passesOf(size) : [{ size, x: 0, y: 0, stepX: 1, stepY: 1 }];
  const promised = passes.reduce((sum, pass) => sum + passBytes(pass.size, bits), 0);
  const rows = inflateRows(parts, promised);
  const all = new (depth === 16 ? Uint16Array : Uint8Array)(interlaced ? area(size) * channels : 0);
  const about = { size, channels, colourType, palette, white: 2 ** depth - 1 };
  let offset = 0;
  for (const pass of passes) {
    const end = offset + passBytes(pass.size, bits);
    const raw = unfilter(rows.subarray(offset, end), pass.size, bits);
    offset = end;
    const values = depth === 8 ? raw : depth === 16 ? wide(raw) : unpack(raw, pass.size, depth);
    if (!interlaced) return { ...about, samples: values };
    scatter(values, pass, all, size.width, channels);
  }
  return { ...about, samples: all };
}

/** What the pixels' chunks inflate to, of which there must be `promised` bytes and not one more. */
function inflateRows(parts: readonly Uint8Array[], promised: number): Uint8Array {
  let rows: Uint8Array;
  try {
    rows = inflateSync(parts.length === 1 ? parts[0] : Buffer.concat(parts), { maxOutputLength: promised });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    throw new RangeError(`it holds more than the ${promised} bytes of pixels that its header tells of`);
  }
  if (rows.length < promised) throw new RangeError(`${rows.length} bytes of pixels are too few, expected ${promised}`);
  return new Uint8Array(rows.buffer, rows.byteOffset, rows.length);
}

interface Pass {
  readonly size: Size;
  readonly x: number;
  readonly y: number;
  readonly stepX: number;
  readonly stepY: number;
}

const passesOf = ({ width, height }: Size): Pass[] =>
  ADAM7.map((pass) => ({
    ...pass,
    size: { width: Math.ceil((width - pass.x) / pass.stepX), height: Math.ceil((height - pass.y) / pass.stepY) },
  })).filter(({ size }) => size.width > 0 && size.height > 0);

const rowBytesOf = (width: number, bits: number): number => Math.ceil((width * bits) / 8);

/** Every row begins with a byte that names its filter. */
const passBytes = ({ width, height }: Size, bits: number): number => height * (1 + rowBytesOf(width, bits));

/**
 * Takes the filters off, in place: the rows move together, so that what comes out needs no memory of its own.
 *
 * @param rows filter byte and row, in turn
 * @param bits per pixel
 */
function unfilter(rows: Uint8Array, { width, height }: Size, bits: number): Uint8Array {
  const stride = rowBytesOf(width, bits);
  const back = Math.max(1, bits >> 3);
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1);
    const filter = rows[from];
    const to = y * stride;
    rows.copyWithin(to, from + 1, from + 1 + stride);
    if (filter === 0) continue;
    if (filter > 4) throw new RangeError(`row ${y} has the filter ${filter}, which does not exist`);
    for (let i = 0; i < stride; i++) {
      const at = to + i;
      const left = i >= back ? rows[at - back] : 0;
      const up = y > 0 ? rows[at - stride] : 0;
      if (filter === 1) rows[at] += left;
      else if (filter === 2) rows[at] += up;
      else if (filter === 3) rows[at] += (left + up) >> 1;
      else rows[at] += paeth(left, up, y > 0 && i >= back ? rows[at - stride - back] : 0);
    }
  }
  return rows.subarray(0, height * stride);
}

/** Whichever of the three neighbours is nearest to left + up - corner. */
function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [toLeft, toUp, toCorner] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Samples of less than a byte, most significant first; every row starts at a new byte. Such a PNG has one channel. */
function unpack(packed: Uint8Array, { width, height }: Size, depth: number): Uint8Array {
  const samples = new Uint8Array(width * height);
  const stride = rowBytesOf(width, depth);
  const mask = (1 << depth) - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      samples[y * width + x] = (packed[y * stride + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
    }
  }
  return samples;
}

/** Samples of 16 bits, high byte first. */
function wide(bytes: Uint8Array): Uint16Array {
  const samples = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < samples.length; i++) samples[i] = (bytes[2 * i] << 8) | bytes[2 * i + 1];
  return samples;
}

/** Puts the pixels of a pass where they belong. */
function scatter(
  values: Uint8Array | Uint16Array,
  { size, x, y, stepX, stepY }: Pass,
  all: Uint8Array | Uint16Array,
  width: number,
  channels: number,
): void {
  for (let row = 0, i = 0; row < size.height; row++) {
    for (let column = 0; column < size.width; column++) {
      const at = ((y + row * stepY) * width + x + column * stepX) * channels;
      for (let channel = 0; channel < channels; channel++) all[at + channel] = values[i++];
    }
  }
}

function paletteOf(data: Uint8Array): number[][] {
  return Array.from({ length: Math.floor(data.length / 3) }, (_, i) => [...data.subarray(3 * i, 3 * i + 3)]);
}
