/** BMP files made byte by byte. */
import type { Size } from '../../src/core/geometry';

export interface BmpOptions {
  readonly size: Size;
  readonly bits: 1 | 2 | 4 | 8 | 16 | 24 | 32;
  /** One number per pixel, top row first: a palette index, or the pixel's bits as a whole number. */
  readonly pixels: readonly number[];
  /** Entries [red, green, blue]. */
  readonly palette?: readonly (readonly [number, number, number])[];
  readonly topDown?: boolean;
  /** Bits of red, green, blue and perhaps alpha; makes the compression BI_BITFIELDS. */
  readonly masks?: readonly number[];
  /** Bytes of the second header: 12 is OS/2's, 40 the usual one, 108 and 124 have room for masks. */
  readonly headerSize?: 12 | 40 | 56 | 108 | 124;
  /** What the header gives as compression where there are no masks. */
  readonly compression?: number;
}

export function makeBmp(options: BmpOptions): Buffer {
  const { size, bits, pixels, palette = [], topDown = false, masks, headerSize = 40, compression = 0 } = options;
  const isCore = headerSize === 12;
  const masksAfter = masks && headerSize === 40 ? masks.length * 4 : 0;
  const entryBytes = isCore ? 3 : 4;
  const start = 14 + headerSize + masksAfter + palette.length * entryBytes;
  const stride = Math.ceil((size.width * bits) / 32) * 4;
  const file = Buffer.alloc(start + stride * size.height);
  file.write('BM', 'latin1');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(start, 10);
  file.writeUInt32LE(headerSize, 14);
  if (isCore) {
    file.writeUInt16LE(size.width, 18);
    file.writeUInt16LE(size.height, 20);
    file.writeUInt16LE(1, 22);
    file.writeUInt16LE(bits, 24);
  } else {
    file.writeInt32LE(size.width, 18);
    file.writeInt32LE(topDown ? -size.height : size.height, 22);
    file.writeUInt16LE(1, 26);
    file.writeUInt16LE(bits, 28);
    file.writeUInt32LE(masks ? (masks.length === 4 && headerSize === 40 ? 6 : 3) : compression, 30);
    if (palette.length > 0 && palette.length < 1 << bits) file.writeUInt32LE(palette.length, 46);
    for (const [i, mask] of (masks ?? []).entries()) file.writeUInt32LE(mask, 54 + i * 4);
  }
  for (const [i, [red, green, blue]] of palette.entries()) {
    file.set([blue, green, red], 14 + headerSize + masksAfter + i * entryBytes);
  }
  for (const [i, pixel] of pixels.entries()) {
    const x = i % size.width;
    const y = Math.floor(i / size.width);
    const row = start + stride * (topDown ? y : size.height - 1 - y);
    if (bits < 8) file[row + ((x * bits) >> 3)]! |= pixel << (8 - bits - ((x * bits) & 7));
    else file.writeUIntLE(pixel, row + x * (bits / 8), bits / 8);
  }
  return file;
}
