/** Masks as PNG files: our own palette PNGs are written, those of other tools are read as well. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createDeflate } from 'node:zlib';
import { area } from '../core/geometry';
import { IGNORE, type LabelMap, type LabelRuns, valuesOf } from '../core/labelMap';
import type { Mask, RunMask } from '../core/mask';
import { UserError } from '../core/userError';
import { assemblePng, COLOUR_TYPE } from './pngChunks';
import { type PngSamples, readPng } from './pngSamples';

/** What the palette needs to know of a class. */
export interface ClassColour {
  readonly id: number;
  /** As #rrggbb. */
  readonly colour: string;
}

/** What the foreground of a foreign binary mask becomes when its own value does not fit or means nothing. */
const FOREIGN_FOREGROUND = 255;

/** More values than this are not worth listing in a message. */
const LISTED_VALUES = 8;

/** Rows are compressed in pieces of about this many bytes, so that the caller's event loop is never held up for long. */
const BAND_BYTES = 1 << 20;

/**
 * The palette PNG (8 bit, index = class id) of a label map, which must not change before the promise settles. The same
 * labels and colours give the same bytes.
 */
export async function encodeMaskPng(labels: LabelMap, classes: readonly ClassColour[]): Promise<Uint8Array> {
  const palette = paletteOf(classes);
  const compressed: Uint8Array[] = [];
  // Masks are runs: matching nothing else is ten times faster and no larger than the default.
  const deflate = createDeflate({ strategy: constants.Z_RLE, chunkSize: 1 << 16 });
  await pipeline(Readable.from(filteredRows(labels)), deflate, async (chunks: AsyncIterable<Uint8Array>) => {
    for await (const chunk of chunks) compressed.push(chunk);
  });
  return assemblePng({ size: labels.size, depth: 8, colourType: COLOUR_TYPE.palette, interlaced: false }, [
    { type: 'PLTE', data: palette },
    { type: 'IDAT', data: Buffer.concat(compressed) },
  ]);
}

/** Bands of rows, a filter byte of 0 before each row: filtering only hurts indices. */
function* filteredRows({ size: { width, height }, data }: LabelMap): Generator<Uint8Array> {
  const bandRows = Math.max(1, Math.floor(BAND_BYTES / (width + 1)));
  for (let top = 0; top < height; top += bandRows) {
    const count = Math.min(bandRows, height - top);
    const band = new Uint8Array(count * (width + 1));
    for (let row = 0; row < count; row++) {
      const start = (top + row) * width;
      band.set(data.subarray(start, start + width), row * (width + 1) + 1);
    }
    yield band;
  }
}

/**
 * Labels of a mask PNG of any kind. A palette gives its index and grey its value. Fully transparent pixels are
 * background. Two colours of which one is black are a foreign binary mask: black becomes 0 and the other colour its
 * index, its grey value, or 255 where it has none that fits; ask `binaryMaskOf` for its foreground.
 *
 * @param name the file's name for messages
 * @throws UserError for a damaged file, for more than two colours without a palette, for 16-bit values above 255
 */
export function decodeMaskPng(bytes: Uint8Array, name: string): LabelMap {
  const png = readPng(bytes, name);
  if (png.colourType === COLOUR_TYPE.palette) return { size: png.size, data: indicesOf(png) };
  return { size: png.size, data: isGrey(png) ? greyLabels(png, name) : twoColourLabels(png, name) };
}

/**
 * The pixels of one class. A mask with a single value besides 0 is binary, whatever the value (even 255): that is its
 * foreground. Otherwise the pixels that equal `classId` are, and 255 is background like every other value.
 *
 * @param name the file's name for messages
 * @throws UserError if the mask holds several values and `classId` is none of them
 */
export function binaryMaskOf(labels: LabelMap, classId: number, name: string): Mask {
  const foreground = foregroundOf(valuesOf(labels), classId, name);
  return { size: labels.size, data: labels.data.map((value) => (value === foreground ? 1 : 0)) };
}

/** As `binaryMaskOf`, from runs to runs. */
export function binaryRunsOf({ size, values, lengths }: LabelRuns, classId: number, name: string): RunMask {
  const found = [...new Set(values)].filter((value) => value !== 0).sort((a, b) => a - b);
  const foreground = foregroundOf(found, classId, name);
  const runs = [0];
  values.forEach((value, i) => {
    const inside = runs.length % 2 === 0;
    if ((value === foreground) === inside) runs[runs.length - 1] += lengths[i];
    else runs.push(lengths[i]);
  });
  return { size, runs: Uint32Array.from(runs) };
}

/** @param values those that occur besides 0, ascending */
function foregroundOf(values: readonly number[], classId: number, name: string): number {
  if (values.length > 1 && !values.includes(classId)) {
    throw new UserError(`${name} has no pixels of class ${classId}: it holds the values ${list(values)}.`);
  }
  return values.length === 1 ? values[0] : classId;
}

/** 256 entries: black, each class in its colour, VOC's colour map for the ids without a class. */
function paletteOf(classes: readonly ClassColour[]): Uint8Array {
  const palette = new Uint8Array(256 * 3);
  for (let id = 1; id < 256; id++) palette.set(vocColour(id), id * 3);
  for (const { id, colour } of classes) {
    if (id < 1 || id >= IGNORE) throw new RangeError(`a class id is 1 to 254, got ${id}`);
    palette.set(Buffer.from(colour.slice(1), 'hex'), id * 3);
  }
  return palette;
}

/** Colour of an id in PASCAL VOC's map: three bits of the id at a time, most significant colour bit first. */
function vocColour(id: number): number[] {
  return [0, 1, 2].map((channel) => {
    let value = 0;
    for (let bit = 0; bit < 8; bit++) value |= ((id >> (bit * 3 + channel)) & 1) << (7 - bit);
    return value;
  });
}

function indicesOf({ size, samples, palette }: PngSamples): Uint8Array {
  const indices = asBytes(samples);
  const used = valuesIn(indices);
  const isBlack = (index: number) => palette[index]?.slice(0, 3).every((value) => value === 0) ?? false;
  const black = used.filter(isBlack);
  // Some tools write a two-colour mask with white as entry 0, or without any entry 0.
  if (used.length !== 2 || black.length !== 1 || black[0] === 0) return indices;
  const foreground = used.find((index) => index !== black[0]) || FOREIGN_FOREGROUND;
  const labels = new Uint8Array(area(size));
  for (let i = 0; i < labels.length; i++) if (indices[i] !== black[0]) labels[i] = foreground;
  return labels;
}

/** Whether every pixel's colours are equal. */
function isGrey({ colourType, channels, samples }: PngSamples): boolean {
  if (colourType === COLOUR_TYPE.grey || colourType === COLOUR_TYPE.greyAlpha) return true;
  for (let i = 0; i < samples.length; i += channels) {
    if (samples[i] !== samples[i + 1] || samples[i] !== samples[i + 2]) return false;
  }
  return true;
}

/** A palette's indices are bytes; a copy of a large mask is worth avoiding. */
const asBytes = (samples: Uint8Array | Uint16Array): Uint8Array =>
  samples instanceof Uint8Array ? samples : Uint8Array.from(samples);

/** Values that occur, ascending; a Set takes seconds for a large mask. */
function valuesIn(bytes: Uint8Array): number[] {
  const seen = new Uint8Array(256);
  for (let i = 0; i < bytes.length; i++) seen[bytes[i]] = 1;
  return [...seen.keys()].filter((value) => seen[value] === 1);
}

function greyLabels(png: PngSamples, name: string): Uint8Array {
  if (png.channels === 1 && png.samples instanceof Uint8Array) return png.samples;
  const values = new Uint16Array(area(png.size));
  for (let i = 0; i < values.length; i++) if (!isTransparent(png, i)) values[i] = png.samples[i * png.channels];
  const distinct = new Set(values);
  distinct.delete(0);
  const largest = Math.max(0, ...distinct);
  if (largest <= 255) return Uint8Array.from(values);
  if (distinct.size === 1) return Uint8Array.from(values, (value) => (value === 0 ? 0 : FOREIGN_FOREGROUND));
  throw new UserError(
    `${name} holds ${distinct.size} values up to ${largest}: expected class ids of 0 to 255, or a single value.`,
  );
}

function twoColourLabels(png: PngSamples, name: string): Uint8Array {
  const { channels, samples } = png;
  const labels = new Uint8Array(area(png.size));
  const colours = new Set<number>();
  for (let i = 0; i < labels.length; i++) {
    const at = i * channels;
    // Wider than 32 bits for 16-bit samples, hence no shifts.
    const colour = isTransparent(png, i) ? 0 : (samples[at] * 65536 + samples[at + 1]) * 65536 + samples[at + 2];
    if (colour === 0) continue;
    colours.add(colour);
    if (colours.size > 1) {
      throw new UserError(
        `${name} is an RGB PNG of several colours: expected a palette or grey PNG of class ids, or black and one colour.`,
      );
    }
    labels[i] = FOREIGN_FOREGROUND;
  }
  return labels;
}

function isTransparent({ channels, samples }: PngSamples, pixel: number): boolean {
  return (channels === 2 || channels === 4) && samples[pixel * channels + channels - 1] === 0;
}

function list(values: readonly number[]): string {
  const shown = values.slice(0, LISTED_VALUES).join(', ');
  return values.length > LISTED_VALUES ? `${shown} and ${values.length - LISTED_VALUES} more` : shown;
}
