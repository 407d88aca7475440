/** Our own mask files: palette PNGs whose indices are class ids. Those of other tools are read by maskFile.ts. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createDeflate } from 'node:zlib';
import { exactLabelMap } from '../core/maskFiles/maskReading';
import { IGNORE, type LabelMap } from '../core/pixels/labelMap';
import { assemblePng, COLOUR_TYPE } from './pngChunks';
import { readPng } from './pngSamples';

/** What the palette needs to know of a class. */
export interface ClassColour {
  readonly id: number;
  /** As #rrggbb. */
  readonly colour: string;
}

/**
 * Rows are compressed in pieces of about this many bytes, so that the caller's event loop is never held up for long.
 */
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
 * Labels of a mask PNG exactly as they stand in it: a palette gives its index and grey its value; see `exactLabelMap`.
 *
 * @param name the file's name for messages
 * @throws UserError for a damaged file, for several colours without a palette, for 16-bit values above 255
 */
export const decodeMaskPng = (bytes: Uint8Array, name: string): LabelMap => exactLabelMap(readPng(bytes, name), name);

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
