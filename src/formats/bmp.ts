/**
 * Uncompressed BMP files (Microsoft's BITMAPCOREHEADER and BITMAPINFOHEADER to V5), which the image library does not
 * read: palettes of 1, 2, 4 or 8 bits, 16 to 32 bits with or without masks, rows from the bottom or from the top.
 */
import { describeSize, type Size } from '../core/geometry';
import { UserError } from '../core/userError';

interface BmpHeader {
  readonly size: Size;
  /** Bits per pixel in the file. */
  readonly bits: number;
  /**
   * Of the decoded pixels: grey where the palette is grey throughout, else RGB, with alpha where the file has a mask
   * for it.
   */
  readonly channels: 1 | 3 | 4;
}

interface Layout extends BmpHeader {
  readonly topDown: boolean;
  /** Position of the first stored row. */
  readonly start: number;
  /** Bytes from one stored row to the next: a multiple of 4. */
  readonly stride: number;
  /** Per palette entry its `channels` values; undefined without a palette. */
  readonly palette: Uint8Array | undefined;
  /** Bits of red, green, blue and, where there are four channels, alpha. */
  readonly masks: readonly number[];
}

const FILE_HEADER = 14;
const CORE_HEADER = 12;
const INFO_HEADER = 40;
/** Headers of at least this many bytes have a mask for alpha. */
const HEADER_WITH_ALPHA = 56;

const COMPRESSION = { none: 0, rle8: 1, rle4: 2, masks: 3, jpeg: 4, png: 5, alphaMasks: 6 } as const;

const DEFAULT_MASKS: Readonly<Record<number, readonly number[]>> = {
  16: [0x7c00, 0x03e0, 0x001f],
  24: [0xff0000, 0x00ff00, 0x0000ff],
  32: [0xff0000, 0x00ff00, 0x0000ff],
};

/**
 * What a BMP says of itself. `name` is the file's name for messages. Throws UserError for one that is not read here.
 */
export function readBmpHeader(bytes: Uint8Array, name: string): BmpHeader {
  const { size, bits, channels } = layoutOf(bytes, name);
  return { size, bits, channels };
}

/** Pixels: uint8 [height, width, channels], row-major, top row first. Throws UserError for a file that is cut short. */
export function decodeBmp(bytes: Uint8Array, name: string): { header: BmpHeader; data: Uint8Array } {
  const layout = layoutOf(bytes, name);
  const { size, start, stride, topDown, channels } = layout;
  // The padding of the last row may be missing.
  const end = start + stride * (size.height - 1) + Math.ceil((size.width * layout.bits) / 8);
  if (end > bytes.length) {
    throw new UserError(`${name} is cut short: its header tells of ${end} bytes, the file has ${bytes.length}.`);
  }
  const data = new Uint8Array(size.width * size.height * channels);
  const readRow = layout.palette ? paletteRow : layout.bits === 24 ? bgrRow : maskedRow;
  for (let y = 0; y < size.height; y++) {
    const from = start + stride * (topDown ? y : size.height - 1 - y);
    const row = data.subarray(y * size.width * channels, (y + 1) * size.width * channels);
    readRow(layout, bytes.subarray(from, from + stride), row);
  }
  if (channels === 4) revealUnusedAlpha(data);
  return { header: { size, bits: layout.bits, channels }, data };
}

function layoutOf(bytes: Uint8Array, name: string): Layout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerSize = bytes.length >= FILE_HEADER + 4 ? view.getUint32(FILE_HEADER, true) : 0;
  const isCore = headerSize === CORE_HEADER;
  if (!(isCore || headerSize >= INFO_HEADER) || bytes.length < FILE_HEADER + headerSize) {
    throw new UserError(`${name} is damaged: it begins like a BMP, but its header is not a whole one.`);
  }
  const [width, height] = isCore
    ? [view.getUint16(18, true), view.getUint16(20, true)]
    : [view.getInt32(18, true), view.getInt32(22, true)];
  const size = { width, height: Math.abs(height) };
  if (size.width < 1 || size.height < 1) {
    throw new UserError(`${name} says it is ${describeSize(size)}: expected at least one pixel.`);
  }
  const bits = view.getUint16(isCore ? 24 : 28, true);
  const compression = isCore ? COMPRESSION.none : view.getUint32(30, true);
  const hasMasks = compression === COMPRESSION.masks || compression === COMPRESSION.alphaMasks;
  const isIndexed = bits === 1 || bits === 2 || bits === 4 || bits === 8;
  if (compression !== COMPRESSION.none && !(hasMasks && (bits === 16 || bits === 32))) {
    throw new UserError(`${name} is a compressed BMP, which is not read: expected an uncompressed one, or a PNG.`);
  }
  if (!(isIndexed || bits in DEFAULT_MASKS)) {
    throw new UserError(`${name} is a BMP of ${bits} bits per pixel: expected 1, 2, 4, 8, 16, 24 or 32.`);
  }
  const start = view.getUint32(10, true);
  if (start < FILE_HEADER + headerSize) {
    throw new UserError(
      `${name} is damaged: it begins like a BMP, but its pixels are said to start inside its header.`,
    );
  }
  const stride = Math.ceil((width * bits) / 32) * 4;
  const shared = { size, bits, start, stride, topDown: height < 0 };
  if (isIndexed) {
    const declared = isCore ? 0 : view.getUint32(46, true);
    const entries = { at: FILE_HEADER + headerSize, bytes: isCore ? 3 : 4, count: declared || 1 << bits };
    return { ...shared, ...paletteOf(bytes, bits, entries, start), masks: [] };
  }
  const maskCount = headerSize >= HEADER_WITH_ALPHA || compression === COMPRESSION.alphaMasks ? 4 : 3;
  const maskAt = FILE_HEADER + INFO_HEADER;
  if (hasMasks && bytes.length < maskAt + 4 * maskCount) {
    throw new UserError(`${name} is damaged: it begins like a BMP, but its header is not a whole one.`);
  }
  const masks = hasMasks
    ? Array.from({ length: maskCount }, (_, i) => view.getUint32(maskAt + 4 * i, true))
    : DEFAULT_MASKS[bits];
  const hasAlpha = masks.length === 4 && masks[3] !== 0;
  return { ...shared, palette: undefined, masks: masks.slice(0, hasAlpha ? 4 : 3), channels: hasAlpha ? 4 : 3 };
}

/** Entries that the file does not have, before its pixels start, are black. */
function paletteOf(
  bytes: Uint8Array,
  bits: number,
  entries: { readonly at: number; readonly bytes: number; readonly count: number },
  end: number,
): { palette: Uint8Array; channels: 1 | 3 } {
  const rgb = new Uint8Array((1 << bits) * 3);
  let isGrey = true;
  for (let i = 0; i < Math.min(1 << bits, entries.count); i++) {
    const at = entries.at + i * entries.bytes;
    if (at + 3 > Math.min(end, bytes.length)) break;
    const [blue, green, red] = bytes.subarray(at, at + 3);
    rgb.set([red, green, blue], i * 3);
    isGrey &&= red === green && green === blue;
  }
  return isGrey ? { palette: rgb.filter((_, i) => i % 3 === 0), channels: 1 } : { palette: rgb, channels: 3 };
}

function paletteRow({ size, bits, palette, channels }: Layout, from: Uint8Array, to: Uint8Array): void {
  const mask = (1 << bits) - 1;
  for (let x = 0; x < size.width; x++) {
    const bit = x * bits;
    const index = (from[bit >> 3] >> (8 - bits - (bit & 7))) & mask;
    for (let c = 0; c < channels; c++) to[x * channels + c] = palette![index * channels + c];
  }
}

function bgrRow({ size }: Layout, from: Uint8Array, to: Uint8Array): void {
  for (let at = 0; at < size.width * 3; at += 3) {
    to[at] = from[at + 2];
    to[at + 1] = from[at + 1];
    to[at + 2] = from[at];
  }
}

function maskedRow({ size, bits, masks, channels }: Layout, from: Uint8Array, to: Uint8Array): void {
  const shifts = masks.map((mask) => (mask === 0 ? 0 : 31 - Math.clz32(mask & -mask)));
  const largest = masks.map((mask, c) => mask >>> shifts[c]);
  for (let x = 0; x < size.width; x++) {
    const at = (x * bits) >> 3;
    let pixel = from[at] | (from[at + 1] << 8);
    if (bits === 32) pixel |= (from[at + 2] << 16) | (from[at + 3] << 24);
    for (let c = 0; c < channels; c++) {
      const value = (pixel & masks[c]) >>> shifts[c];
      to[x * channels + c] = largest[c] === 255 ? value : Math.round((value * 255) / (largest[c] || 1));
    }
  }
}

/** Some writers declare alpha and leave it 0 throughout, but nobody keeps an invisible picture. */
function revealUnusedAlpha(data: Uint8Array): void {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 0) return;
  for (let at = 3; at < data.length; at += 4) data[at] = 255;
}
