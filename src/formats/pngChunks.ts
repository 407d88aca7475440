/** The container of a PNG: signature, header and chunks (W3C PNG, third edition, sections 5 and 11). */

import { crc32 } from 'node:zlib';
import type { Size } from '../core/geometry';
import { oneLine } from '../core/userError';
import { MAGIC, startsWith } from './imageFormat';

/** Signature, length and type of the first chunk, its 13 bytes, its checksum. */
const HEADER_BYTES = 33;

export const COLOUR_TYPE = { grey: 0, rgb: 2, palette: 3, greyAlpha: 4, rgba: 6 } as const;

/** IHDR. */
export interface PngHeader {
  readonly size: Size;
  /** Bits per sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  /** One of COLOUR_TYPE, or another number in a damaged file. */
  readonly colourType: number;
  readonly interlaced: boolean;
}

interface PngChunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** The header of a PNG, or null if `bytes` do not start like one. */
export function readHeader(bytes: Uint8Array): PngHeader | null {
  if (bytes.length < HEADER_BYTES || !startsWith(bytes, MAGIC.png)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    size: { width: view.getUint32(16), height: view.getUint32(20) },
    depth: bytes[24],
    colourType: bytes[25],
    interlaced: bytes[28] !== 0,
  };
}

/**
 * The chunks after the signature up to the last one, IEND. Throws RangeError for a file that ends before it, and for a
 * chunk that is not as it was written.
 */
export function* wholeChunksOf(bytes: Uint8Array): Generator<PngChunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = MAGIC.png.length; offset + 12 <= bytes.length; ) {
    const length = view.getUint32(offset);
    const end = offset + 12 + length;
    if (end > bytes.length) break;
    const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8));
    if (crc32(bytes.subarray(offset + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw new RangeError(`its part "${oneLine(type)}" at byte ${offset} has a wrong checksum`);
    }
    yield { type, data: bytes.subarray(offset + 8, end - 4) };
    if (type === 'IEND') return;
    offset = end;
  }
  throw new RangeError(`it ends after ${bytes.length} bytes, before its last part`);
}

/** The last chunk of every PNG: no bytes of data, its type, its checksum. */
const IEND = Uint8Array.of(0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82);

/** Whether a file that ends with `tail` has the end of a PNG; some programs append something of their own. */
export const endsAsPng = (tail: Uint8Array): boolean => Buffer.from(tail).includes(Buffer.from(IEND));

/** A whole PNG of a header and the chunks between it and IEND. */
export function assemblePng(header: PngHeader, chunks: readonly PngChunk[]): Uint8Array {
  const ihdr = Buffer.alloc(13);
  ihdr.writeUInt32BE(header.size.width, 0);
  ihdr.writeUInt32BE(header.size.height, 4);
  ihdr[8] = header.depth;
  ihdr[9] = header.colourType;
  ihdr[12] = header.interlaced ? 1 : 0;
  const all = [{ type: 'IHDR', data: ihdr }, ...chunks, { type: 'IEND', data: new Uint8Array(0) }];
  return Buffer.concat([Buffer.from(MAGIC.png, 'latin1'), ...all.map(encodeChunk)]);
}

function encodeChunk({ type, data }: PngChunk): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}
